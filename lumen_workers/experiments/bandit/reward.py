"""A round's reward: the weighted mean of the signals behind the switch and its washout (S13)."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_workers.domain.clock import US
from lumen_workers.domain.records import Record
from lumen_workers.domain.signals import SIGNALS, Block, Reading
from lumen_workers.experiments.bandit.options import BanditOptions, Weights


@dataclass(frozen=True, kw_only=True)
class Reward(Record):
    """``value`` is None when there were too few samples: missing, not 0. ``n`` counts the samples used."""

    value: float | None
    n: int
    means: Reading | None


def worth(means: Reading, weights: Weights) -> float:
    """−w1 · phase diff − w2 · risk band + w3 · creative band."""
    return (
        -weights.phase_diff * means.phase_diff
        - weights.risk_band * means.risk_band
        + weights.creative_band * means.creative_band
    )


def bounds(applied_us: int, options: BanditOptions) -> tuple[int, int]:
    """[start, end) of the samples that count, µs UTC: what follows the switch at ``applied_us`` without the washout."""
    return applied_us + round(options.washout_s * US), applied_us + round(options.period_s * US)


def reward(block: Block, applied_us: int, options: BanditOptions) -> Reward:
    """The reward of the round whose arm the loop had at ``applied_us``; ``block`` may hold more than its samples."""
    inside = block.slice(*bounds(applied_us, options))
    n = len(inside)
    if n < max(options.min_samples, 1):
        return Reward(value=None, n=n, means=None)
    columns = inside.values.mean(axis=0)
    means = Reading(**{name: float(columns[place]) for place, name in enumerate(SIGNALS)})
    return Reward(value=worth(means, options.weights), n=n, means=means)
