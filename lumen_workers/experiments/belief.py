"""The journal's running belief about each rule of a loop, folded forward from its effects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import BAYES, JournalEntry
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Effect, EffectStatus, RuleEvent, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments import bayes
from lumen_workers.experiments.bayes import Observations, Priors
from lumen_workers.experiments.tuning.decide import Evidence


@dataclass(frozen=True, kw_only=True)
class LoopBelief:
    """What is believed of a loop's rules: rule → signal → observations; ``Belief`` of the tuner."""

    priors: Priors
    seen: Mapping[str, Mapping[str, Observations]]
    scores: Mapping[str, float]

    def evidence(self, rule: str, step: float, needs: Sequence[str]) -> Evidence:
        """What speaks for changing ``rule`` by ``step`` where the signals ``needs`` are not good (none: all count)."""
        seen = self.seen.get(rule, {})
        return Evidence(
            p_improve=self._weighted(rule, step, seen, needs),
            n=max((one.n for one in seen.values()), default=0),
            decision_score=self.scores.get(rule, 0.0),
        )

    def of_change(self, rule: str, step: float, effect: Effect, needs: Sequence[str]) -> float:
        """Weighted p_improve of one change by ``step`` on ``needs``, from the prior and its own effect."""
        return self._weighted(rule, step, bayes.pool([(step, effect.signals)], self.priors.noise_sigma), needs)

    def _weighted(self, rule: str, step: float, seen: Mapping[str, Observations], needs: Sequence[str]) -> float:
        """Σ w·p / Σ w over what is not good. A signal that is at its target has its say as a veto, in the verdicts:
        counted here by its sign alone, it would outvote a need that it hardly pays for.
        """
        weights = {name: weight for name, weight in self.priors.weights.items() if not needs or name in needs}
        return round(bayes.weighted(self._chances(rule, step, seen), weights), 6)

    def _chances(self, rule: str, step: float, seen: Mapping[str, Observations]) -> dict[str, float]:
        found = {}
        for name in self.priors.weights:
            posterior = bayes.update(self.priors.per_unit(rule, name), seen.get(name, Observations()))
            found[name] = bayes.p_improve(posterior.scaled(step), name)
        return found


def fold(store: Store, loop: str, priors: Priors) -> JournalEntry | None:
    """Take the effects that have come since the last look into the belief: one new line, None without any.

    A change that another one crowds, within its windows, is left out: its Δ is not its own. A change counts once, by
    the first of its effects that stands alone, however many other windows it is computed with later. Two workers at
    once write the same line.
    """
    last = latest(store, loop)
    after = int(last.data["upto"]) if last is not None else 0
    rows = [row for row in store.effects.rows(loop, after=after) if row[1].status is EffectStatus.COMPUTED]
    if not rows:
        return None
    upto = max(effect.seq for _, effect in rows)
    changes: dict[str, list[tuple[float, Mapping[str, SignalEffect]]]] = defaultdict(list)
    for event, effect in _alone(store, loop, rows, after):
        changes[event.rule].append((event.new - event.old, effect.signals))
    seen = observations(last)
    for rule, own in changes.items():
        before, new = seen.get(rule, {}), bayes.pool(own, priors.noise_sigma)
        seen[rule] = {name: before.get(name, Observations()).with_(new[name]) for name in SIGNALS}
    data = {"upto": upto, "rules": {rule: _line(rule, own, priors) for rule, own in sorted(seen.items())}}
    return store.journal.append(loop, BAYES, data, entry_id=content_id("by", loop, upto))


def latest(store: Store, loop: str) -> JournalEntry | None:
    """The newest line."""
    return next(iter(store.journal.rows(BAYES, loop, limit=1)), None)


def observations(entry: JournalEntry | None) -> dict[str, dict[str, Observations]]:
    """Rule → signal → what a line has pooled."""
    if entry is None:
        return {}
    return {
        rule: {name: Observations(**part["pooled"]) for name, part in own["signals"].items()}
        for rule, own in entry.data["rules"].items()
    }


def believe(store: Store, loop: str, priors: Priors, scores: Mapping[str, float] | None = None) -> LoopBelief:
    """The belief as the journal has it; ``scores``: rule → decision score (S13)."""
    return LoopBelief(priors=priors, seen=observations(latest(store, loop)), scores=scores or {})


def _line(rule: str, seen: Mapping[str, Observations], priors: Priors) -> dict[str, Any]:
    """S12's record of one rule: for a change by its step, prior and posterior of each signal, and what they say."""
    step = priors.steps.get(rule, 0.02)
    signals: dict[str, Any] = {}
    chances = {}
    for name in SIGNALS:
        prior = priors.per_unit(rule, name)
        posterior = bayes.update(prior, seen[name])
        chances[name] = bayes.p_improve(posterior.scaled(step), name)
        mean = seen[name].mean
        signals[name] = {
            "prior": asdict(prior.scaled(step)),
            "posterior": asdict(posterior.scaled(step)),
            "obs_mean": None if mean is None else mean * step,
            "n": seen[name].n,
            "p_improve": chances[name],
            "pooled": asdict(seen[name]),
        }
    score = bayes.weighted(chances, priors.weights)
    return {"step": step, "signals": signals, "p_improve": score, "decided": score >= priors.threshold}


def _alone(
    store: Store, loop: str, rows: Sequence[tuple[RuleEvent, Effect]], after: int
) -> list[tuple[RuleEvent, Effect]]:
    """Those whose windows hold no other change, and that are the first such effect of their event at all."""
    new, moved = {event.event_id for event, _ in rows}, [event.ts for event, _ in rows]
    upto = max(effect.seq for _, effect in rows)
    known_effects = store.effects.rows(loop, start=min(moved), end=max(moved) + timedelta(seconds=1))
    rows = [
        (event, effect)
        for event, effect in known_effects
        if event.event_id in new and effect.status is EffectStatus.COMPUTED and effect.seq <= upto
    ]
    moments = [event.applied_at for event, _ in rows if event.applied_at is not None]
    if not moments:
        return []
    margin = timedelta(seconds=max(effect.options.pre_s + effect.options.post_s for _, effect in rows))
    known = store.rules.events(loop, start=min(moments) - margin, end=max(moments) + margin)
    applied = [(event.event_id, event.applied_at) for event in known if event.applied_at is not None]
    kept: dict[str, tuple[RuleEvent, Effect]] = {}
    for event, effect in rows:
        if event.applied_at is None:
            continue
        start = event.applied_at - timedelta(seconds=effect.options.pre_s)
        end = event.applied_at + timedelta(seconds=effect.options.post_s)
        if not any(start <= at < end for other, at in applied if other != event.event_id):
            kept.setdefault(event.event_id, (event, effect))
    return [(event, effect) for event, effect in kept.values() if effect.seq > after]
