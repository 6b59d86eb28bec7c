"""How an experiment is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import typer

from lumen_workers.cli.output import table
from lumen_workers.domain.clock import iso
from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState, Period
from lumen_workers.domain.signals import SIGNALS


def row(xp: Experiment, periods: Sequence[Period]) -> dict[str, Any]:
    """An experiment as JSON."""
    return {
        "experiment_id": xp.experiment_id,
        "loop": xp.loop,
        "rule": xp.rule,
        "kind": xp.kind.value,
        "state": xp.state.value,
        "started": iso(xp.started),
        "ended": None if xp.ended is None else iso(xp.ended),
        "by": xp.by,
        "seed": xp.seed,
        "original": xp.original,
        "periods_planned": xp.planned,
        "periods_ended": sum(period.ended is not None for period in periods),
        "held": xp.held,
        "reason": xp.reason,
    }


def whole(xp: Experiment, periods: Sequence[Period]) -> dict[str, Any]:
    """An experiment with its configuration, its periods and its result (so far, while it runs) as JSON."""
    return {
        **row(xp, periods),
        "config": dict(xp.config),
        "periods": [
            {
                "number": p.number,
                "pair": p.pair,
                "arm": p.arm,
                "value": p.value,
                "event_id": p.event_id,
                "began": None if p.began is None else iso(p.began),
                "ended": None if p.ended is None else iso(p.ended),
                "restarts": p.restarts,
                "n": p.n,
                "means": None if p.means is None else dict(p.means),
                "reward": p.reward,
                "plan": dict(p.plan),
            }
            for p in periods
        ],
        "result": dict(xp.result) if xp.result is not None else interim(xp, periods),
    }


def interim(xp: Experiment, periods: Sequence[Period]) -> dict[str, Any]:
    """What is known so far."""
    from lumen_workers.experiments.designs import design_of

    ended = [period for period in periods if period.ended is not None]
    return dict(design_of(xp).result(ended, {}))


def tell(xp: Experiment, periods: Sequence[Period], now: datetime) -> None:
    """For people."""
    typer.echo(f"{xp.experiment_id}: {xp.kind.value} on {xp.rule} of loop {xp.loop}, {_state(xp, periods, now)}")
    typer.echo(f"started {_when(xp.started)} by {xp.by}; seed {xp.seed}; {xp.rule} was {xp.original:g} before")
    if xp.config.get("note"):
        typer.echo(f"note: {xp.config['note']}")
    typer.echo("")
    table(
        ("period", "arm", "value", "began", "ended", "samples", *SIGNALS, "begun anew"),
        (
            (
                p.number if p.pair is None else f"{p.number} (pair {p.pair})",
                p.arm,
                f"{p.value:g}",
                p.began,
                p.ended,
                p.n,
                *(_mean(p, name) for name in SIGNALS),
                p.restarts or None,
            )
            for p in periods
        ),
        "No period has begun yet.",
    )
    result = xp.result if xp.result is not None else interim(xp, periods)
    running = xp.state is ExperimentState.RUNNING
    if any(period.ended is not None for period in periods):
        typer.echo("")
        (_bracket if xp.kind is ExperimentKind.BRACKET else _bandit)(result, running)
    for warning in result.get("warnings", []):
        typer.echo(f"note: {warning}")


def _state(xp: Experiment, periods: Sequence[Period], now: datetime) -> str:
    if xp.ended is not None:
        return f"{xp.state.value} {_when(xp.ended)}: {xp.reason}"
    done = sum(period.ended is not None for period in periods)
    left = (xp.planned - done) * float(xp.config["pace"]["period_s"])
    if periods and periods[-1].began is not None and periods[-1].ended is None:
        left -= (now - periods[-1].began).total_seconds()
    said = f"{done} of {xp.planned} periods, until about {_when(now + timedelta(seconds=max(left, 0)))}"
    if xp.stop_by is not None:
        said = f"asked to end by {xp.stop_by}"
    return f"running, {said}" + (f"; held: {xp.held}" if xp.held else "")


def _bracket(result: Mapping[str, Any], running: bool) -> None:
    if running:
        typer.echo("so far (only the always-valid interval may be looked at before the end):")
    columns = ["signal", "B − A", "always-valid interval"]
    if not running:
        columns = ["signal", "B − A", "interval", "p", "randomisation p", "always-valid interval", "carry-over"]
    rows = []
    for name in SIGNALS:
        answer = result["signals"][name]
        cells: list[object] = [name, _signed(answer["effect"])]
        if not running:
            drawn = answer["randomisation"]
            carried = answer["carry_over"]
            cells += [_range(answer), _p(answer["p"]), _p(drawn and drawn["p"])]
            cells += [_ends(answer["running"]), None if carried is None else _with(carried)]
        else:
            cells.append(_ends(answer["running"]))
        rows.append([*cells, f"{answer['pairs']}" + (f" (− {answer['missing']})" if answer["missing"] else "")])
        if not running:
            rows[-1].append(answer["verdict"].replace("_", " "))
    table((*columns, "pairs", *(() if running else ("verdict",))), rows, "")
    if not running:
        answer = result["signals"][result["primary"]]
        if answer.get("looked"):
            typer.echo("\nThe end may have come by what was seen: interval and p are the always-valid ones.")
        typer.echo(f"\n{sentence(result['primary'], result['a'], result['b'], answer)}")


def sentence(signal: str, a: float, b: float, answer: Mapping[str, Any]) -> str:
    """The answer for one signal, in words."""
    if answer["lo"] is None:
        return f"{signal}: {answer['pairs']} pairs are too few to tell A {a:g} from B {b:g}."
    size = f"{answer['effect']:+.3f} ({answer['level']:.0%}: {answer['lo']:+.3f} to {answer['hi']:+.3f})"
    meaning = {
        "improved": "B is better",
        "worsened": "B is worse",
        "no_change_detectable": "no difference that matters",
        "inconclusive": "the data cannot tell",
    }[answer["verdict"]]
    return f"{signal}: with {b:g} instead of {a:g} it is {size}: {meaning}."


def _bandit(result: Mapping[str, Any], running: bool) -> None:
    values = {value["arm"]: value for value in result["values"]}
    table(
        ("arm", "rounds", "reward", "95 % (belief)", "probability to be the best", "always played (95 %)"),
        (
            (
                f"{arm['arm']:g}",
                arm["plays"],
                _signed(arm["mu"]),
                None if arm["low"] is None else f"{arm['low']:+.3f} to {arm['high']:+.3f}",
                f"{arm['p_best']:.2f}",
                _value(values.get(arm["arm"])),
            )
            for arm in result["arms"]
        ),
        "",
    )
    if result["best"] is not None:
        how = "clearly" if result["clear"] else "not clearly"
        typer.echo(
            f"\n{result['best']:g} looks best, {how} so (probability {result['p_best']:.2f})" + "." * (not running)
        )


def _value(value: Mapping[str, Any] | None) -> str | None:
    if value is None or value["estimate"] is None:
        return None
    return f"{value['estimate']:+.3f} ({value['low']:+.3f} to {value['high']:+.3f})"


def _mean(period: Period, name: str) -> str | None:
    if period.means is None:
        return "missing" if period.ended is not None else None
    return f"{period.means[name]:.3f}"


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}"


def _range(answer: Mapping[str, Any]) -> str | None:
    return None if answer["lo"] is None else f"{answer['lo']:+.4f} to {answer['hi']:+.4f}"


def _ends(ends: Sequence[float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"


def _with(part: Mapping[str, float]) -> str:
    return f"{part['estimate']:+.4f} ({part['lo']:+.4f} to {part['hi']:+.4f})"


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _when(instant: datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")
