"""What the self-tuner goes by (S11), and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments.bayes import WEIGHTS

NEEDS: Final = ("risk_band", "phase_diff", "creative_band")
"""The signals in the order in which the tuner minds them."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What a number is to be: at most ``max``, at least ``min``; None: open."""

    min: float | None = None
    max: float | None = None

    def holds(self, value: float) -> bool:
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def moved(self, by: float) -> Bound:
        """Both ends moved by ``by``, within [0, 1] as signals are."""

        def end(value: float | None) -> float | None:
            return None if value is None else min(max(value + by, 0.0), 1.0)

        return Bound(min=end(self.min), max=end(self.max))

    def __str__(self) -> str:
        ends = [f"at least {self.min:g}"] if self.min is not None else []
        ends += [f"at most {self.max:g}"] if self.max is not None else []
        return " and ".join(ends) or "open"


@dataclass(frozen=True, kw_only=True)
class Knob:
    """A rule that may be turned: within ``min`` and ``max``, in steps of ``lr``; ``weight`` ranks it among others.

    ``direction``: +1 or −1, the way that is expected to help.
    """

    min: float
    max: float
    lr: float
    weight: float = 1.0
    direction: int = 1

    def __post_init__(self) -> None:
        if not (self.min < self.max and self.lr > 0 and self.weight > 0 and self.direction in (-1, 1)):
            raise UsageError("a tuned rule needs min < max, lr > 0, weight > 0 and direction 1 or -1")


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """Targets are for levels, ``good`` and ``warn`` for changes. Seconds; ``min_samples`` in the observed window.

    ``good``: how far a signal must have come for a change to have helped it by itself; ``warn``: a change of a signal
    that takes the rule back. ``threshold``: the least weighted p_improve (S12) with which a change is kept.
    """

    targets: Mapping[str, Bound] = field(
        default_factory=lambda: {
            "phase_diff": Bound(max=0.05),
            "creative_band": Bound(min=0.24),
            "risk_band": Bound(max=0.30),
            "entropy_rate": Bound(max=0.28),
        }
    )
    rules: Mapping[str, Knob] = field(
        default_factory=lambda: {
            "creative_min": Knob(min=0.18, max=0.35, lr=0.02),
            "risk_max": Knob(min=0.20, max=0.40, lr=0.02, weight=1.2, direction=-1),
        }
    )
    observe_window_s: float = 90.0
    min_samples: int = 300
    cooldown_s: float = 120.0
    good: Mapping[str, Bound] = field(
        default_factory=lambda: {
            "phase_diff": Bound(max=-0.005),
            "risk_band": Bound(max=-0.008),
            "creative_band": Bound(min=0.008),
        }
    )
    warn: Mapping[str, Bound] = field(default_factory=lambda: {"entropy_rate": Bound(min=0.03)})
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    threshold: float = 0.62
    dry_run: bool = True

    def __post_init__(self) -> None:
        for name in (*self.targets, *self.good, *self.warn, *self.weights):
            if name not in SIGNALS:
                raise UsageError(f"self-tuning: unknown signal {name!r}; there are {', '.join(SIGNALS)}")
        if min(self.weights.values(), default=0) < 0 or not sum(self.weights.values()) > 0:
            raise UsageError("self-tuning: the weights are not negative, and one is above 0")

    def recorded(self) -> dict[str, Any]:
        """As the decision's record keeps it."""
        return asdict(self)
