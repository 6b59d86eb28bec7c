"""What a round's means are worth (S13)."""

from __future__ import annotations

from lumen_workers.domain.signals import Reading
from lumen_workers.experiments.bandit.options import Weights


def worth(means: Reading, weights: Weights) -> float:
    """−w1 · phase diff − w2 · risk band + w3 · creative band."""
    return (
        -weights.phase_diff * means.phase_diff
        - weights.risk_band * means.risk_band
        + weights.creative_band * means.creative_band
    )
