"""`lumen impact`: what an event did, measured against what its controls had led to expect."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.domain.ports import Store
    from lumen_workers.experiments.impact import ImpactOptions, ImpactReport


class Way(StrEnum):
    """The good direction, as it is written."""

    UP = "up"
    DOWN = "down"


Event = Annotated[str, typer.Option("--event", help="When: an event's id, or a time as the data write it.")]
Data = Annotated[Path | None, typer.Option("--data", help="A CSV file, in place of a loop.")]
Target = Annotated[str | None, typer.Option("--target", help="With --data: the column that the event may have moved.")]
Controls = Annotated[
    str | None,
    typer.Option("--controls", help="Series that the event left alone, with commas between them, or `none`."),
]
Number = float | None

_CSV_LEAST, _CSV_POST = 20, 5
"""Rows before and after the event that a file needs at least, unless --min-samples is given."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("impact")(impact)


def impact(
    event: Event,
    data: Data = None,
    target: Target = None,
    controls: Controls = None,
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="The loop; main, unless given.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="The loop's signal.")] = None,
    pre_s: Annotated[Number, typer.Option("--pre-s", help="Seconds before the event; of a file all.")] = None,
    post_s: Annotated[Number, typer.Option("--post-s", help="Seconds after the event; of a file all.")] = None,
    washout_s: Annotated[Number, typer.Option("--washout-s", help="Seconds left out behind the event.")] = None,
    ridge_lambda: Annotated[Number, typer.Option("--ridge-lambda", help="The penalty; chosen, unless given.")] = None,
    min_samples: Annotated[int | None, typer.Option("--min-samples", help="Complete rows needed on a side.")] = None,
    good: Annotated[Way | None, typer.Option("--good", help="The direction that improves the target.")] = None,
    relevant: Annotated[Number, typer.Option("--relevant", help="The smallest effect that matters.")] = None,
    time: Annotated[str | None, typer.Option("--time", help="With --data: the column of times.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="In place of configs/impact.yaml.")] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Draw it: FILE.svg or FILE.pdf.")] = None,
    as_json: Json = False,
) -> None:
    """What an event did to a series, told from control series: a counterfactual fitted before the event.

    On a loop: `lumen impact --event EVENT_ID`. On a file: `lumen impact --data F.csv --target y --event 2026-01-31`.
    """
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.experiments.impact.records import Good

    given = {
        "pre_s": pre_s,
        "post_s": post_s,
        "washout_s": washout_s,
        "ridge_lambda": ridge_lambda,
        "min_samples": min_samples,
        "relevant": relevant,
        "good": Good[good.name] if good else None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    names = None if controls is None else _names(controls)
    if data is not None:
        if loop is not None or metric is not None:
            raise UsageError("--data is a file of its own: leave out --loop and --metric")
        report, origin = _of_file(data, target, names, event, time, config, given)
    else:
        if target is not None or time is not None:
            raise UsageError("--target and --time go with --data FILE; for a loop's signal use --metric")
        report, origin = _of_loop(loop or "main", metric, names, event, config, given)
    _tell(report, origin, picture, as_json)


def _of_file(
    data: Path,
    target: str | None,
    controls: list[str] | None,
    event: str,
    time: str | None,
    config: Path | None,
    given: dict[str, Any],
) -> tuple[ImpactReport, dict[str, Any]]:
    from lumen_workers.config.experiments.impact import load
    from lumen_workers.experiments.impact import ImpactOptions, analyse
    from lumen_workers.experiments.impact.csv_file import event_at, read

    if config is not None:
        options = _options(load(config))
    else:
        options = ImpactOptions(pre_s=None, post_s=None, washout_s=0.0, min_samples=_CSV_LEAST, min_post=_CSV_POST)
    if "min_samples" in given:
        options = replace(options, min_post=None)
    sheet = read(data, target, controls, time)
    return analyse(sheet.observations, event_at(sheet, event), replace(options, **given)), {"data": str(data)}


def _of_loop(
    loop: str, metric: str | None, controls: list[str] | None, event: str, config: Path | None, given: dict[str, Any]
) -> tuple[ImpactReport, dict[str, Any]]:
    from lumen_workers.config.experiments.impact import load
    from lumen_workers.experiments.impact import analyse, loops

    with opened.store() as (settings, store):
        file = load(config or settings.file("impact.yaml"))
        metric = metric or file.metric
        if controls is None:
            controls = [name for name in file.controls if name != metric]
        opened.known_loop(store.loops.rates(), loop)
        at, event_id = loops.instant(store, loop, event)
        options = replace(_options(file), **{"good": loops.GOOD.get(metric), "relevant": loops.RELEVANT} | given)
        data = loops.observations(store, loop, metric, controls, at, options)
        report = analyse(data, at, options, loops.overlaps(store, loop, event_id, at, options))
        if report.mean is not None:
            _keep(store, loop, event_id, report)
    return report, {"loop": loop, "event_id": event_id}


def _keep(store: Store, loop: str, event_id: str | None, report: ImpactReport) -> None:
    """Note the report in the journal; the same analysis again adds nothing."""
    import json

    from lumen_workers.domain.ids import content_id
    from lumen_workers.domain.journal import IMPACT

    rule = None if event_id is None else store.rules.get(event_id).rule
    data = {"event_id": event_id, "rule": rule, **report.as_dict()}
    entry_id = content_id("im", loop, event_id, json.dumps(data, sort_keys=True))
    store.journal.append(loop, IMPACT, data, entry_id=entry_id)


def _options(file: Any) -> ImpactOptions:
    from lumen_workers.experiments.impact import ImpactOptions

    return ImpactOptions(**file.model_dump(exclude={"metric", "controls"}))


def _names(controls: str) -> list[str]:
    names = [name.strip() for name in controls.split(",") if name.strip()]
    return [] if names == ["none"] else names


def _tell(report: ImpactReport, origin: dict[str, Any], picture: Path | None, as_json: bool) -> None:
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.experiments.impact.words import number, sentence, signed

    said = sentence(report)
    if report.mean is None or report.cumulative is None or report.model is None:
        raise UsageError(said)
    if picture is not None:
        from lumen_workers.reports.impact_picture import save

        save(report, picture)
    if as_json:
        echo_json({**origin, "sentence": said, **report.as_dict(), "picture": str(picture) if picture else None})
        return
    typer.echo(said)
    model = report.model
    rows = [
        ("mean effect", signed(report.mean.effect), signed(report.mean.lo), signed(report.mean.hi)),
        (
            f"sum over {report.n_post} rows",
            signed(report.cumulative.effect),
            signed(report.cumulative.lo),
            signed(report.cumulative.hi),
        ),
    ]
    opinion = model.second_opinion
    if opinion is not None and opinion.estimate is not None:
        second = opinion.estimate
        rows.append(("structural model's mean", signed(second.effect), signed(second.lo), signed(second.hi)))
    table(("", "effect", "from", "to"), rows, "")
    typer.echo(
        f"observed {number(report.observed)}, expected {number(report.expected)}; {report.n_pre} rows before and "
        f"{report.n_post} after; p {_p(model.p)}, placebo p {_p(report.p_placebo)} ({model.placebos} pseudo-events)"
    )
    used = ", ".join(report.controls_used) or "none"
    ridge = "" if model.ridge_lambda is None else f", penalty {model.ridge_lambda:.3g}"
    mean = f" (the mean of {model.averaged} rows)" if model.averaged > 1 else ""
    typer.echo(
        f"controls: {used}; they explain {model.r2_pre:.0%} of the variance before; noise correlation "
        f"{model.phi:.2f} from one step of {model.step_s:g} s{mean} to the next{ridge}"
    )
    for item in report.controls_dropped:
        typer.echo(f"dropped {item.name}: {item.why}")
    for note in report.notes:
        typer.echo(f"note: {note}")
    if picture is not None:
        typer.echo(f"picture: {picture}")


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
