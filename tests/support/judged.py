"""A signal's effect with the interval and the verdict that go with it."""

from __future__ import annotations

from lumen_workers.domain.records import SignalEffect
from lumen_workers.domain.signals import GOOD
from lumen_workers.effects.intervals import Interval
from lumen_workers.effects.verdicts import verdict

LEVEL = 0.95


def judged(name: str, delta: float, reach: float = 0.006, *, pre: float = 0.5, **fields: float | None) -> SignalEffect:
    """Δ ± ``reach``; ``fields`` replace single numbers, but not the verdict's interval."""
    se = reach / 2
    found = Interval(
        delta=delta,
        lo=delta - reach,
        hi=delta + reach,
        level=LEVEL,
        se=se,
        phi=0.9,
        n_eff=15.5,
        mde=1.4 * reach,
        p=round(min(1.0, 0.05 * (reach / max(abs(delta), 1e-9)) ** 3), 9),
    )
    numbers = {name: getattr(found, name) for name in ("lo", "hi", "level", "se", "phi", "n_eff", "mde", "p")}
    values: dict[str, float | None] = {"pre": pre, "post": pre + delta, "delta": delta, **numbers, **fields}
    return SignalEffect(**values, verdict=verdict(found, GOOD[name]).value)


def unjudged(delta: float, *, pre: float = 0.5) -> SignalEffect:
    """As effects were stored before they had intervals."""
    return SignalEffect(pre=pre, post=pre + delta, delta=delta)
