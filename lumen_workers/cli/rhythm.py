"""`lumen rhythm`: what light, temperature, sound and the time of day add to the phase target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumen_workers.engine.context import Context

app = typer.Typer(help="The natural rhythm behind the self-tuner's phase target.", no_args_is_help=True)


@app.command()
def show(as_json: Json = False) -> None:
    """Look at the surroundings now: every contribution, their blend, the phase target. Writes nothing."""
    from lumen_workers.pipelines.rhythm import sync

    with opened.context() as (ctx, _):
        found = sync(ctx)
        target = _target(ctx, found)
    if as_json:
        echo_json({"source": found is not None, **(found or {}), "phase_target": target})
        return
    if found is None:
        typer.echo("no source: rhythm.yaml names none, so the phase target stays as it is")
        return
    _tell(found, target)


@app.command("list")
def list_(
    loop: Loop = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """What was noted, oldest first."""
    from lumen_workers.domain.journal import RHYTHM

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = store.journal.rows(RHYTHM, loop, limit=limit)
    if as_json:
        echo_json([{"loop": entry.loop, **entry.data} for entry in found])
        return
    table(
        ("when", "loop", "blend", "phase target moves by", "problem"),
        ((e.ts, e.loop, e.data["blend"], _signed(e.data["delta_phase"]), e.data["problem"]) for e in found),
        "Nothing noted yet; rhythm.yaml names a source.",
    )


def _target(ctx: Context, found: Mapping[str, Any] | None) -> float | None:
    bound = ctx.tuning.targets.get("phase_diff")
    if bound is None or bound.max is None:
        return None
    shift = None if found is None else found["delta_phase"]
    return bound.max if shift is None else min(max(bound.max + shift, 0.0), 1.0)


def _tell(found: Mapping[str, Any], target: float | None) -> None:
    from lumen_workers.loop.rhythm import AFFECTS

    table(
        ("contribution", "stands for", "value"),
        ((name, AFFECTS[name], value) for name, value in found["contributions"].items()),
        "",
    )
    if found["problem"] is not None:
        typer.echo(f"\nproblem: {found['problem']}")
    if found["delta_phase"] is None:
        typer.echo("\nnothing is measured, so the phase target stays as it is")
    else:
        typer.echo(
            f"\nblend {found['blend']:+.3f}: the phase target moves by {found['delta_phase']:+.4f} to {target:g}"
        )


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}"
