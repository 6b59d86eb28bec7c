"""`lumen tune` and `lumen bayes`: what the self-tuner would do, does, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.engine.context import Context
    from lumen_workers.experiments.tuning.decide import Decision, Inputs

app = typer.Typer(help="The self-tuner: what it would do, does, and why.", no_args_is_help=True)

LoopName = Annotated[str, typer.Option("--loop", "-l", help="The loop.")]


@app.command()
def suggest(loop: LoopName = "main", as_json: Json = False) -> None:
    """What the tuner would do now; records the suggestion and changes nothing."""
    from lumen_workers.domain.clock import iso
    from lumen_workers.domain.ids import content_id
    from lumen_workers.domain.journal import DECISION
    from lumen_workers.experiments.belief import fold
    from lumen_workers.experiments.tuning.cycle import record
    from lumen_workers.pipelines.tuning import tuner_of

    with opened.context() as (ctx, _):
        _declared(ctx, loop)
        fold(ctx.store, loop, ctx.priors)
        inputs, decision = tuner_of(ctx, loop).suggest()
        log = {**record("suggest", inputs, decision, ctx.tuning), "applied": None}
        decision_id = content_id("td", loop, "suggest", iso(inputs.ts))
        ctx.store.journal.append(loop, DECISION, log, entry_id=decision_id, ts=inputs.ts)
    if as_json:
        echo_json({"decision_id": decision_id, **log})
        return
    _tell(decision_id, inputs, decision)


@app.command()
def cycle(
    loop: Loop = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change rules for real, whatever dry_run says; the gateway must be locked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take one step as the tick does: settle what is watched, or decide and act on it."""
    from dataclasses import replace

    from lumen_workers.domain.clock import to_us
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.experiments.belief import fold
    from lumen_workers.loop.gateway import why_not_locked
    from lumen_workers.pipelines.tuning import tuner_of

    with opened.context() as (ctx, _):
        loops = [loop] if loop is not None else list(ctx.tuned_loops)
        for name in loops:
            _declared(ctx, name)
        if apply:
            locked_out = [why for name in loops if (why := why_not_locked(ctx.store, name, ctx.gateway)) is not None]
            if locked_out:
                raise CheckFailed(f"nothing is applied: {locked_out[0]}; `lumen gateway lock` locks it")
            ctx = replace(ctx, tuning=replace(ctx.tuning, dry_run=False))
        said = {}
        for name in loops:
            fold(ctx.store, name, ctx.priors)
            said[name] = tuner_of(ctx, name).cycle(to_us(ctx.store.now()))
    if as_json:
        echo_json(said)
        return
    typer.echo(
        "\n".join(f"{name}: {line}" for name, line in said.items()) or "no loop is tuned (self_tuning.yaml: loops)"
    )


@app.command("list")
def list_(
    loop: Loop = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """Decisions and their outcomes, oldest first."""
    from lumen_workers.domain.journal import DECISION

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        found = store.journal.rows(DECISION, loop, limit=limit)
    if as_json:
        echo_json([{"decision_id": e.entry_id, "loop": e.loop, **e.data} for e in found])
        return
    table(
        ("decision", "loop", "when", "kind", "event", "why"),
        ((e.entry_id, e.loop, e.ts, e.data.get("kind"), e.data.get("applied"), e.data.get("why")) for e in found),
        "No decisions yet; `lumen tune suggest` makes one.",
    )


@app.command()
def explain(decision_id: str, as_json: Json = False) -> None:
    """Why the tuner decided as it did, in a sentence, and every input of it."""
    from lumen_workers.domain.errors import NotFound
    from lumen_workers.experiments.tuning.explain import explain as tell

    with opened.store() as (_, store):
        entry = store.journal.get(decision_id)
        if entry is None or entry.kind != "decision":
            raise NotFound(f"decision {decision_id!r} is not known; `lumen tune list` shows them")
        outcome = store.journal.get(f"{decision_id}-end")
    sentence = tell(entry.data, None if outcome is None else outcome.data)
    if as_json:
        echo_json(
            {
                "decision_id": decision_id,
                "loop": entry.loop,
                "sentence": sentence,
                "decision": dict(entry.data),
                "outcome": None if outcome is None else dict(outcome.data),
            }
        )
        return
    typer.echo(sentence)
    inputs = entry.data.get("inputs")
    if inputs:
        _tell_inputs(inputs, entry.data["proposals"])


@app.command()
def backtest(loop: LoopName = "main", as_json: Json = False) -> None:
    """Go through the recorded history: which of its changes would each policy have made, and how did those do?"""
    from lumen_workers.experiments.backtest.replay import POLICIES, replay

    with opened.context() as (ctx, _):
        opened.known_loop(ctx.store.loops.rates(), loop)
        key = ctx.effect_options.key()
        rows = [row for row in ctx.store.effects.rows(loop) if row[1].options.key() == key]
        found = [replay(rows, ctx.tuning, ctx.priors, policy) for policy in POLICIES]
    if as_json:
        echo_json({"loop": loop, "policies": [one.plain() for one in found]})
        return
    if not found[0].changes:
        typer.echo(f"loop {loop} has no measured change yet: nothing to go through")
        return
    table(
        (
            "policy",
            "would have made",
            "their reward",
            "would have passed",
            "their reward",
            "improved kept",
            "worsened avoided",
        ),
        (
            (
                one.policy,
                f"{one.agreed.n} of {one.changes}",
                _reward(one.agreed.mean, one.agreed.lo, one.agreed.hi),
                one.passed.n + one.opposed.n,
                _reward(one.passed.mean, one.passed.lo, one.passed.hi),
                f"{one.improved_kept} of {one.improved}",
                f"{one.worsened_avoided} of {one.worsened}",
            )
            for one in found
        ),
        "",
    )


def _reward(mean: float | None, lo: float | None, hi: float | None) -> str | None:
    if mean is None:
        return None
    return f"{mean:+.4f}" + ("" if lo is None else f" ({lo:+.4f} to {hi:+.4f})")


def _declared(ctx: Context, loop: str) -> None:
    from lumen_workers.domain.errors import UsageError

    if loop not in ctx.loops:
        raise UsageError(f"unknown loop {loop!r}; the declared loops are {', '.join(ctx.loops)}")


def _tell(decision_id: str, inputs: Inputs, decision: Decision) -> None:
    from dataclasses import asdict

    head = "no change" if decision.chosen is None else f"{decision.chosen.rule} → {decision.chosen.new:g}"
    typer.echo(f"{decision_id}: {head}: {decision.why}")
    for why in inputs.blocked:
        typer.echo(f"not to be applied now: {why}")
    _tell_inputs(asdict(inputs), [asdict(proposal) for proposal in decision.proposals])


def _tell_inputs(inputs: dict[str, Any], proposals: list[dict[str, Any]]) -> None:
    typer.echo("")
    table(("signal", "level"), inputs["levels"].items(), "no samples in the observed window")
    evidence = inputs["evidence"]
    typer.echo("")
    table(
        ("rule", "value", "p_improve", "effects", "decision score"),
        (
            (
                rule,
                f"{value:g}",
                *(
                    (
                        f"{evidence[rule]['p_improve']:.2f}",
                        evidence[rule]["n"],
                        f"{evidence[rule]['decision_score']:+.4f}",
                    )
                    if rule in evidence
                    else (None, None, None)
                ),
            )
            for rule, value in inputs["values"].items()
        ),
        "",
    )
    if proposals:
        typer.echo("")
        table(
            ("proposal", "from", "to", "need", "score"),
            ((p["rule"], f"{p['old']:g}", f"{p['new']:g}", p["need"], p["score"]) for p in proposals),
            "",
        )


def register(root: typer.Typer) -> None:
    """`lumen tune …` and `lumen bayes`."""
    root.add_typer(app, name="tune")

    @root.command()
    def bayes(loop: LoopName = "main", as_json: Json = False) -> None:
        """What is believed of each rule's effects, from all changes together."""
        from lumen_workers.experiments.belief import fold, latest

        with opened.context() as (ctx, _):
            opened.known_loop(ctx.store.loops.rates(), loop)
            fold(ctx.store, loop, ctx.priors)
            entry = latest(ctx.store, loop)
        rules = {} if entry is None else entry.data["rules"]
        if as_json:
            echo_json({"loop": loop, "rules": rules})
            return
        rows = [
            (
                rule,
                f"{own['step']:+g}",
                name,
                f"{part['prior']['mu']:+.4f} ± {part['prior']['sigma']:.4f}",
                f"{part['posterior']['mu']:+.4f} ± {part['posterior']['sigma']:.4f}",
                part["n"],
                f"{part['p_improve']:.2f}",
            )
            for rule, own in rules.items()
            for name, part in own["signals"].items()
        ]
        table(
            ("rule", "step", "signal", "believed before", "believed now", "effects", "p improve"),
            rows,
            f"Loop {loop} has no effect yet of a change that stands alone: bayes_priors.yaml says what is believed.",
        )
        for rule, own in rules.items():
            clear = "helps" if own["decided"] else "is not clear to help"
            typer.echo(f"{rule} by {own['step']:+g} {clear}: weighted p_improve {own['p_improve']:.2f}")
