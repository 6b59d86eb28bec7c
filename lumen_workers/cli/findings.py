"""`lumen quotes`, `lumen risks`: what is worth saying about changes."""

from __future__ import annotations

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, table

quotes = typer.Typer(help="Sentences about changes that helped.", no_args_is_help=True)
risks = typer.Typer(help="Changes that made the loop worse.", no_args_is_help=True)


@quotes.command("list")
def list_quotes(loop: Loop = None, as_json: Json = False) -> None:
    """The quote bank, oldest first."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = store.findings.quotes(loop)
    if as_json:
        echo_json(
            [
                {
                    "ts": iso(q.ts),
                    "loop": q.loop,
                    "by": q.by,
                    "rule": q.rule,
                    "delta": dict(q.delta),
                    "confidence": q.confidence,
                    "quote": q.quote,
                }
                for q in found
            ]
        )
        return
    table(
        ("when", "loop", "by", "rule", "confidence", "quote"),
        ((q.ts, q.loop, q.by, q.rule, f"{q.confidence:.2f}", q.quote) for q in found),
        "No quotes yet.",
    )


@risks.command("list")
def list_risks(loop: Loop = None, as_json: Json = False) -> None:
    """The risk ledger, oldest first."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = store.findings.risks(loop)
    if as_json:
        echo_json(
            [
                {
                    "ts": iso(r.ts),
                    "loop": r.loop,
                    "severity": r.severity.value,
                    "rule": r.rule,
                    "signal": dict(r.signal),
                    "note": r.note,
                }
                for r in found
            ]
        )
        return
    table(
        ("when", "loop", "severity", "rule", "note"),
        ((r.ts, r.loop, r.severity, r.rule, r.note) for r in found),
        "No risks noted.",
    )
