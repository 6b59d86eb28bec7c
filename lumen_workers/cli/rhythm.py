"""`lumen rhythm`: what light, temperature, sound and the time of day add to the phase target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumen_workers.engine.context import Context

app = typer.Typer(help="The natural rhythm behind the self-tuner's phase target.", no_args_is_help=True)

_NO_SOURCE: Final = "no source: rhythm.yaml names none, so the phase target stays as it is"
_INPUTS: Final = {
    "light": ("light_intensity", "lux"),
    "temperature": ("ambient_temp", "°C"),
    "sound": ("sound_level", "dB"),
}
"""Contribution → its input, and the input's unit."""


@app.command()
def show(as_json: Json = False) -> None:
    """Look at the surroundings now: every contribution, their blend, the phase target. Writes nothing."""
    from lumen_workers.pipelines.rhythm import sync as look

    with opened.context() as (ctx, _):
        found = look(ctx)
        told = {"source": found is not None, **(found or {}), "phase_target": _target(ctx, found)}
    _say(told, as_json)


@app.command()
def sync(as_json: Json = False) -> None:
    """Look at the surroundings now and note it for every tuned loop, beside what the tick notes."""
    from lumen_workers.domain.clock import parse_ts, to_us
    from lumen_workers.pipelines.rhythm import note
    from lumen_workers.pipelines.rhythm import sync as look

    with opened.context() as (ctx, _):
        found = look(ctx)
        loops = [] if found is None else note(ctx, found, to_us(parse_ts(found["ts"])))
        told = {"source": found is not None, **(found or {}), "phase_target": _target(ctx, found), "loops": loops}
    _say(told, as_json)
    if not as_json and found is not None:
        typer.echo(f"noted for {', '.join(loops)}" if loops else "noted for no loop (self_tuning.yaml: loops)")


@app.command("list")
def list_(
    loop: Loop = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """What was noted, oldest first."""
    from lumen_workers.domain.clock import iso
    from lumen_workers.domain.journal import RHYTHM
    from lumen_workers.experiments.rhythm import number

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = store.journal.rows(RHYTHM, loop, limit=limit)
    if as_json:
        echo_json([{**entry.data, "ts": iso(entry.ts), "loop": entry.loop} for entry in found])
        return
    table(
        ("when", "loop", "blend", "phase target moves by", "problem"),
        (
            (e.ts, e.loop, number(e.data, "blend"), _signed(number(e.data, "delta_phase")), e.data.get("problem"))
            for e in found
        ),
        "Nothing noted yet: there are lines once rhythm.yaml names a source and self_tuning.yaml a loop.",
    )


def _target(ctx: Context, found: Mapping[str, Any] | None) -> float | None:
    """What phase diff is to be at most, as the tuner has it; None where self_tuning.yaml has no such target."""
    from lumen_workers.experiments.tuning.decide import target_of

    shift = None if found is None else found["delta_phase"]
    return target_of("phase_diff", shift or 0.0, ctx.tuning).max


def _say(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(told)
        return
    if not told["source"]:
        typer.echo(_NO_SOURCE)
        return
    from lumen_workers.loop.rhythm import AFFECTS

    table(
        ("contribution", "from", "stands for", "value", "in words"),
        (
            (name, _input(name, told["inputs"]), AFFECTS[name], _signed(value), _words(value))
            for name, value in told["contributions"].items()
        ),
        "",
    )
    if told["problem"] is not None:
        typer.echo(f"problem: {told['problem']}")
    if told["delta_phase"] is None:
        typer.echo("nothing is measured, so the phase target stays as it is")
        return
    target = told["phase_target"]
    to = ", but self_tuning.yaml has none" if target is None else f" to {target:g}"
    typer.echo(f"blend {told['blend']:+.3f}: the phase target moves by {told['delta_phase']:+.4f}{to}")


def _input(contribution: str, inputs: Mapping[str, float | None]) -> str | None:
    if contribution not in _INPUTS:
        return "the time of day"
    key, unit = _INPUTS[contribution]
    value = inputs[key]
    return None if value is None else f"{value:g} {unit}"


def _words(value: float | None) -> str:
    if value is None:
        return "not measured: left out"
    if value == 0:
        return "moves nothing"
    return "loosens the phase target" if value > 0 else "tightens the phase target"


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}"
