"""`lumen effects`, `lumen quotes`, `lumen risks`: what changes did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, signed, table

if TYPE_CHECKING:
    from lumen_workers.domain.records import Effect, RuleEvent

app = typer.Typer(help="What each rule change did.", no_args_is_help=True)
quotes = typer.Typer(help="Sentences about changes that helped.", no_args_is_help=True)
risks = typer.Typer(help="Changes that made the loop worse.", no_args_is_help=True)


def row(event: RuleEvent, effect: Effect) -> dict[str, Any]:
    """An effect as JSON."""
    from lumen_workers.domain.clock import iso

    return {
        "event_id": event.event_id,
        "loop": event.loop,
        "rule": event.rule,
        "ts": iso(event.ts),
        "applied_at": iso(event.applied_at) if event.applied_at else None,
        "actor": event.actor,
        "old": event.old,
        "new": event.new,
        "status": effect.status.value,
        "n_pre": effect.n_pre,
        "n_post": effect.n_post,
        "options": effect.options.key(),
        "signals": {
            name: {
                "pre": signal.pre,
                "post": signal.post,
                "delta": signal.delta,
                "shown": {"pre": signal.shown_pre, "post": signal.shown_post, "delta": signal.shown_delta},
            }
            for name, signal in effect.signals.items()
        },
    }


@app.command("list")
def list_(loop: Loop = None, as_json: Json = False) -> None:
    """Every effect, oldest first."""
    from lumen_workers.domain.signals import SIGNALS

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        rows = [row(event, effect) for event, effect in store.effects.rows(loop)]
    if as_json:
        echo_json(rows)
        return
    table(
        ("event", "loop", "rule", "old", "new", "samples", *(f"Δ {name}" for name in SIGNALS), "status"),
        (
            (
                r["event_id"],
                r["loop"],
                r["rule"],
                f"{r['old']:g}",
                f"{r['new']:g}",
                f"{r['n_pre']} + {r['n_post']}",
                *(signed(r["signals"][name]["delta"]) for name in SIGNALS),
                r["status"],
            )
            for r in rows
        ),
        "No effects yet: an event's effect is computed once its post window is complete.",
    )


@app.command()
def show(event_id: str, as_json: Json = False) -> None:
    """One event's effects."""
    from lumen_workers.domain.errors import NotFound
    from lumen_workers.domain.signals import SIGNALS

    with opened.store() as (_, store):
        event = store.rules.get(event_id)
        rows = [row(e, effect) for e, effect in store.effects.rows(event_id=event_id)]
    if as_json:
        echo_json(rows)
        return
    if not rows:
        raise NotFound(f"event {event.event_id} has no effect yet; its post window may not be complete")
    for r in rows:
        typer.echo(
            f"{r['loop']} {r['rule']}: {r['old']:g} → {r['new']:g} by {r['actor']}, {r['status']} "
            f"({r['n_pre']} + {r['n_post']} samples; {r['options']})"
        )
        table(
            ("signal", "before", "after", "Δ", "Δ shown"),
            (
                (name, s["pre"], s["post"], signed(s["delta"]), signed(s["shown"]["delta"]))
                for name in SIGNALS
                for s in (r["signals"][name],)
            ),
            "",
        )


@app.command()
def compute(loop: Loop = None, as_json: Json = False) -> None:
    """Compute what is due now and write down what it is worth saying, as the tick does."""
    from lumen_workers.pipelines.ticks import measure

    with opened.context() as (ctx, _):
        rates = ctx.store.loops.rates()
        opened.known_loop(rates, loop)
        done = {name: measure(ctx, name) for name in ([loop] if loop else rates)}
    if as_json:
        echo_json({name: new._asdict() for name, new in done.items()})
        return
    lines = (f"{name}: {new.effects} computed, {new.findings} quotes and risks" for name, new in done.items())
    typer.echo(", ".join(lines) or "no loops")


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
