"""`lumen effects`: what changes did, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, Styled, echo_json, signed, table

if TYPE_CHECKING:
    from lumen_workers.domain.records import Effect, RuleEvent, SignalEffect

app = typer.Typer(help="What each rule change did.", no_args_is_help=True)


_SHORT: Final = {"no_change_detectable": "no change", "inconclusive": "unclear", "insufficient": "no interval"}
"""Verdicts in a narrow column."""

_COLOURS: Final = {"improved": "green", "worsened": "red"}

Rates = Mapping[tuple[str, str], float]
"""(effect id, signal) → q."""


def row(event: RuleEvent, effect: Effect, q: Rates) -> dict[str, Any]:
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
        "signals": {name: _signal(signal, q.get((effect.effect_id, name))) for name, signal in effect.signals.items()},
    }


def _signal(signal: SignalEffect, q: float | None) -> dict[str, Any]:
    return {
        "pre": signal.pre,
        "post": signal.post,
        "delta": signal.delta,
        "lo": signal.lo,
        "hi": signal.hi,
        "level": signal.level,
        "phi": signal.phi,
        "n_eff": signal.n_eff,
        "mde": signal.mde,
        "verdict": signal.verdict,
        "placebo_p": signal.placebo_p,
        "p": signal.p,
        "q": q,
        "shown": {"pre": signal.shown_pre, "post": signal.shown_post, "delta": signal.shown_delta},
    }


@app.command("list")
def list_(loop: Loop = None, as_json: Json = False) -> None:
    """Every effect, oldest first."""
    from lumen_workers.domain.signals import SIGNALS
    from lumen_workers.effects.discoveries import by_day

    with opened.store() as (settings, store):
        opened.known_loop(store.loops.rates(), loop)
        # All loops: a day's effects are one family for q, whatever is looked at.
        every = store.effects.rows()
    found = [(event, effect) for event, effect in every if loop in (None, event.loop)]
    if as_json:
        q = by_day(every, settings.zone)
        echo_json([row(event, effect, q) for event, effect in found])
        return
    table(
        ("event", "loop", "change", *(f"Δ {name}" for name in SIGNALS), "samples"),
        (
            (
                event.event_id,
                event.loop,
                f"{event.rule}\n{event.old:g} → {event.new:g}",
                *(_brief(effect.signals[name]) for name in SIGNALS),
                f"{effect.n_pre}+{effect.n_post}",
            )
            for event, effect in found
        ),
        "No effects yet: an event's effect is computed once its post window is complete.",
        whole=range(2, 3 + len(SIGNALS)),
    )


def _brief(signal: SignalEffect) -> Styled:
    """Δ and verdict, the interval in a second line."""
    from lumen_workers.effects.figures import interval

    verdict = _verdict(signal)
    if signal.delta is None:
        return verdict._replace(text="–" if signal.verdict is None else "insufficient")
    lines = (f"{signed(signal.delta)} {verdict.text}", interval(signal))
    return verdict._replace(text="\n".join(line for line in lines if line))


@app.command()
def show(event_id: str, as_json: Json = False) -> None:
    """One event's effects."""
    from lumen_workers.domain.clock import day_bounds, day_of
    from lumen_workers.domain.errors import NotFound
    from lumen_workers.effects.discoveries import by_day

    with opened.store() as (settings, store):
        event = store.rules.get(event_id)
        start, end = day_bounds(day_of(event.ts, settings.zone), settings.zone)
        of_the_day = store.effects.rows(start=start, end=end)
    found = [effect for e, effect in of_the_day if e.event_id == event_id]
    q = by_day(of_the_day, settings.zone)
    if as_json:
        echo_json([row(event, effect, q) for effect in found])
        return
    if not found:
        raise NotFound(f"event {event.event_id} has no effect yet; its post window may not be complete")
    for effect in found:
        _show(event, effect, q)


def _show(event: RuleEvent, effect: Effect, q: Rates) -> None:
    from lumen_workers.domain.signals import SIGNALS
    from lumen_workers.effects.figures import interval, sentence, small

    def rate(value: float | None) -> str | None:
        return None if value is None else small(value)

    typer.echo(
        f"{event.loop} {event.rule}: {event.old:g} → {event.new:g} by {event.actor}, {effect.status.value} "
        f"({effect.n_pre} + {effect.n_post} samples; {effect.options.key()})"
    )
    columns = ("signal", "before", "after", "Δ", "interval", "verdict", "phi", "n_eff", "mde", "p", "q", "placebo p")
    table(
        (*columns, "Δ shown"),
        (
            (
                *(name, s.pre, s.post, signed(s.delta), interval(s), _verdict(s), s.phi),
                *(None if s.n_eff is None else f"{s.n_eff:.1f}", s.mde),
                *(rate(s.p), rate(q.get((effect.effect_id, name))), rate(s.placebo_p), signed(s.shown_delta)),
            )
            for name in SIGNALS
            for s in (effect.signals[name],)
        ),
        "",
        whole=(4,),
    )
    for name in SIGNALS:
        typer.echo(sentence(name, effect.signals[name]))


def _verdict(signal: SignalEffect) -> Styled:
    verdict = signal.verdict or "–"
    return Styled(_SHORT.get(verdict, verdict), _COLOURS.get(verdict, ""))


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
