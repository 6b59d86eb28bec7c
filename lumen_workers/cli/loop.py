"""`lumen loop`: the loops and their samples."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

app = typer.Typer(help="Loops and their samples.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every loop that is declared or has samples, with its newest sample."""
    from lumen_workers.domain.clock import from_us, iso

    with opened.store() as (settings, store):
        rows: list[dict[str, Any]] = []
        for name, rate in store.loops.rates().items():
            spec, span = settings.loops.get(name), store.samples.span(name)
            rows.append(
                {
                    "loop": name,
                    "rate_hz": rate,
                    "source": spec.source if spec else None,
                    "actuator": spec.actuator if spec else None,
                    "rules": sorted(spec.rules) if spec else [],
                    "first": iso(from_us(span[0])) if span else None,
                    "last": iso(from_us(span[1])) if span else None,
                }
            )
    if as_json:
        echo_json(rows)
        return
    table(
        ("loop", "Hz", "source", "actuator", "rules", "newest sample"),
        (
            (r["loop"], r["rate_hz"], r["source"] or "imported", r["actuator"], ", ".join(r["rules"]), r["last"])
            for r in rows
        ),
        "No loops.",
    )


@app.command("set")
def set_(
    loop: Annotated[str, typer.Option("--loop", "-l", help="The loop.")] = "main",
    rate_hz: Annotated[int | None, typer.Option("--rate-hz", help="Samples a second.")] = None,
    sync_mode: Annotated[str | None, typer.Option("--sync-mode", help="A word that is kept with the loop.")] = None,
    note: Annotated[str, typer.Option("--note", "-m", help="Why; kept in the log.")] = "",
    as_json: Json = False,
) -> None:
    """Command another rate, from the sampler's next burst on, until loops.yaml declares another one.

    The command stands in controls/commands.jsonl. While the gateway is locked the loop stays as it is.
    """
    from lumen_workers.domain.clock import iso
    from lumen_workers.loop.rates import command

    with opened.store() as (settings, store):
        entry = command(
            store, settings.loop(loop), by=opened.person(settings), note=note, rate_hz=rate_hz, sync_mode=sync_mode
        )
    if as_json:
        echo_json({"ts": iso(entry.ts), **entry.data})
        return
    said = [f"{rate_hz} Hz"] if rate_hz is not None else []
    typer.echo(f"loop {loop}: {', '.join([*said, *([sync_mode] if sync_mode else [])])}, from its next burst on")


@app.command()
def samples(
    loop: Annotated[str, typer.Option("--loop", "-l", help="The loop.")] = "main",
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest samples."""
    from lumen_workers.domain.clock import from_us, iso
    from lumen_workers.domain.signals import SIGNALS

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        block = store.samples.tail(loop, last)
    rows = [
        {"ts": iso(from_us(int(ts))), **dict(zip(SIGNALS, map(float, values), strict=True))}
        for ts, values in zip(block.ts, block.values, strict=True)
    ]
    if as_json:
        echo_json(rows)
        return
    table(("ts", *SIGNALS), (tuple(row.values()) for row in rows), f"Loop {loop} has no samples yet.")
