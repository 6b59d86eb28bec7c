"""`lumen schedule`: what runs when."""

from __future__ import annotations

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(schedule)


def schedule(as_json: Json = False) -> None:
    """The schedule of beat_schedule.py, checked, with what ran last."""
    from lumen_workers import schedule as source
    from lumen_workers.domain.clock import from_us, iso

    with opened.store() as (settings, store):
        found = source.entries(settings).values()
        states = {(state.entry, state.region): state for state in store.ticks.states()}
    rows = [(entry, region, states.get((entry.name, region))) for entry in found for region in entry.regions]
    if as_json:
        echo_json(
            [
                {
                    "entry": entry.name,
                    "runs": entry.run,
                    "when": entry.cadence,
                    "region": region,
                    "last_slot": iso(from_us(state.slot)) if state else None,
                    "outcome": state.outcome if state else None,
                }
                for entry, region, state in rows
            ]
        )
        return
    table(
        ("entry", "runs", "when", "region", "last slot", "outcome"),
        (
            (
                entry.name,
                entry.run,
                entry.cadence,
                region,
                from_us(state.slot) if state else None,
                state.outcome if state else None,
            )
            for entry, region, state in rows
        ),
        "The schedule is empty.",
    )
