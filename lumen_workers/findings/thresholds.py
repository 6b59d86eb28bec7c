"""From which change on an effect is worth a sentence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.records import Effect
from lumen_workers.domain.signals import SIGNALS

VARIABLES: Final = {
    "phase_good": "LUMEN_QB_PHASE_GOOD",
    "risk_good": "LUMEN_QB_RISK_GOOD",
    "creative_good": "LUMEN_QB_CREA_GOOD",
    "phase_bad": "LUMEN_RL_PHASE_BAD",
    "entropy_bad": "LUMEN_RL_ENTR_BAD",
}
"""Field → the environment variable that sets it."""

_FALLING: Final = frozenset({"phase_good", "risk_good"})
_DIGITS: Final = 9


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Signed changes Δ of a signal in [-1, 1]; the named value itself counts. Defaults from S07.

    Raises ConfigError, naming the variable, for a value on the wrong side of 0: it would call harm good.
    """

    phase_good: float = -0.01
    risk_good: float = -0.01
    creative_good: float = 0.01
    phase_bad: float = 0.03
    entropy_bad: float = 0.03

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            low, high = (-1.0, 0.0) if item.name in _FALLING else (0.0, 1.0)
            if not low <= value <= high:
                raise ConfigError(f"{VARIABLES[item.name]}: {value} is outside {low:g} to {high:g}")


def deltas(effect: Effect) -> dict[str, float] | None:
    """Signal → Δ on raw samples; None when the effect lacks one (insufficient, or imported with filters on).

    Rounded to 9 decimals, so that 0.29 − 0.28 is the 0.01 that a threshold of 0.01 means.
    """
    out = {}
    for name in SIGNALS:
        delta = effect.signals[name].delta
        if delta is None:
            return None
        out[name] = round(delta, _DIGITS) + 0.0
    return out
