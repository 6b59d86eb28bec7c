"""`lumen experiment`: brackets and bandits on a rule."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.domain.ports import Store
    from lumen_workers.experiments.launch import Launch

app = typer.Typer(help="Experiments on a rule: A/B brackets and bandits.", no_args_is_help=True)


class Kind(StrEnum):
    """What can be started."""

    BRACKET = "bracket"
    BANDIT = "bandit"


FILES = {Kind.BRACKET: "ab_bracket.yaml", Kind.BANDIT: "bandit_rules.yaml"}


@app.command()
def start(
    kind: Kind,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The file; ab_bracket.yaml or bandit_rules.yaml, unless given."),
    ] = None,
    loop: Annotated[str | None, typer.Option("--loop", "-l", help="The loop; the file's, unless given.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the order; the file's, or drawn.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say how long it takes and what it can tell.")] = False,
    as_json: Json = False,
) -> None:
    """Start an experiment. The workers move it along; it goes by the file as it is now to its end."""
    from lumen_workers.experiments.launch import launch

    with opened.store() as (settings, store):
        planned = _planned(settings, store, kind, config or settings.file(FILES[kind]), loop, seed)
        if not plan:
            launch(store, planned)
            store.audit.append(
                opened.person(settings),
                "experiment started",
                subject=planned.experiment.experiment_id,
                detail={"loop": planned.experiment.loop, "rule": planned.experiment.rule, "kind": kind.value},
            )
        _tell_plan(planned, as_json=as_json, started=not plan)
        if not plan and not as_json:
            _tell_workers(settings, store)


def _planned(settings: Settings, store: Store, kind: Kind, path: Path, loop: str | None, seed: int | None) -> Launch:
    import secrets

    from lumen_workers.config.experiments.bandit import BanditFile
    from lumen_workers.config.experiments.bracket import BracketFile
    from lumen_workers.config.files import read
    from lumen_workers.experiments.launch import plan_bandit, plan_bracket

    by = opened.person(settings)
    if kind is Kind.BRACKET:
        file = read(path, BracketFile)
        options = file.options(loop)
        drawn = file.seed if seed is None else seed
        return plan_bracket(store, settings.loop(options.loop), options, by=by, seed=drawn)
    bandit = read(path, BanditFile)
    if seed is not None:
        bandit = bandit.model_copy(update={"seed": seed})
    plan = bandit.plan(secrets.randbits(62), loop)
    return plan_bandit(store, settings.loop(plan.loop), plan, by=by)


def _tell_plan(planned: Launch, *, as_json: bool, started: bool) -> None:
    from dataclasses import asdict

    from lumen_workers.experiments.bracket.power import tell

    xp = planned.experiment
    if as_json:
        echo_json(
            {
                "experiment_id": xp.experiment_id if started else None,
                "started": started,
                "loop": xp.loop,
                "rule": xp.rule,
                "kind": xp.kind.value,
                "seed": xp.seed,
                "periods": xp.planned,
                "duration_s": planned.duration_s,
                "power": {name: asdict(power) for name, power in planned.powers.items()},
            }
        )
        return
    minutes = planned.duration_s / 60
    took = f"{xp.planned} periods of {xp.config['pace']['period_s']:g} s, {minutes:.0f} min when nothing holds it"
    typer.echo(f"{xp.experiment_id if started else 'plan'}: {xp.kind.value} on {xp.rule} of loop {xp.loop}; {took}")
    primary = xp.config.get("primary")
    if primary in planned.powers:
        typer.echo(tell(planned.powers, primary))
    elif primary is not None:
        typer.echo(f"what it can tell is not known: the loop has too few quiet samples, or {primary} is constant")
    if started:
        typer.echo(
            f"`lumen experiment show {xp.experiment_id}` follows it; `lumen experiment stop {xp.experiment_id}` ends "
            "it and gives the rule back"
        )


def _tell_workers(settings: Settings, store: Store) -> None:
    """Say so when nobody would move it along."""
    from datetime import timedelta

    since = store.now() - timedelta(seconds=30)
    if not any(pulse.lane == "jobs" and pulse.seen >= since for pulse in store.pulses.rows()):
        typer.echo("no worker is running: it begins once one is (`lumen run`)", err=True)
    _ = settings


@app.command("list")
def list_(loop: Loop = None, as_json: Json = False) -> None:
    """Experiments, newest first."""
    from lumen_workers.cli import experiment_view as view

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = [(xp, store.experiments.periods(xp.experiment_id)) for xp in store.experiments.rows(loop)]
    if as_json:
        echo_json([view.row(xp, periods) for xp, periods in found])
        return
    table(
        ("experiment", "loop", "rule", "kind", "state", "periods", "started", "ended", "by", "why"),
        (
            (
                xp.experiment_id,
                xp.loop,
                xp.rule,
                xp.kind,
                xp.state,
                f"{sum(p.ended is not None for p in periods)} of {xp.planned}",
                xp.started,
                xp.ended,
                xp.by.rpartition("/")[2],
                xp.reason or (f"held: {xp.held}" if xp.held else None),
            )
            for xp, periods in found
        ),
        "No experiments yet; `lumen experiment start bracket` starts one.",
    )


@app.command()
def show(experiment_id: str, as_json: Json = False) -> None:
    """One experiment: how far it is, its periods, and what it has found."""
    from lumen_workers.cli import experiment_view as view

    with opened.store() as (_, store):
        xp = store.experiments.get(experiment_id)
        periods = store.experiments.periods(experiment_id)
        now = store.now()
    if as_json:
        echo_json(view.whole(xp, periods))
    else:
        view.tell(xp, periods, now)


@app.command()
def stop(experiment_id: str, as_json: Json = False) -> None:
    """End a running experiment and give the rule its old value back; the workers do it within seconds."""
    from lumen_workers.domain.errors import CheckFailed

    with opened.store() as (settings, store):
        xp = store.experiments.get(experiment_id)
        asked = store.experiments.ask_stop(experiment_id, opened.person(settings))
        if asked:
            store.audit.append(opened.person(settings), "experiment stop asked", subject=experiment_id)
    if as_json:
        echo_json({"experiment_id": experiment_id, "asked": asked})
    if asked and not as_json:
        typer.echo(f"{experiment_id} is asked to end; {xp.rule} goes back to {xp.original:g}")
    if not asked:
        state = (
            "asked to end already" if xp.ended is None else f"{xp.state.value} since {xp.ended:%Y-%m-%d %H:%M:%S} UTC"
        )
        raise CheckFailed(f"experiment {experiment_id} is {state}")
