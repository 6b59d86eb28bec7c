"""What a reader of a result should know beside its numbers."""

from __future__ import annotations

import numpy as np

from lumen_workers.experiments.impact.records import SecondOpinion
from lumen_workers.experiments.impact.rows import Split

_BEYOND = 1.0
"""Standard deviations past the range of the pre-period from which on a control is said to be beyond it."""


def remarks(
    rows: Split,
    given: tuple[str, ...],
    used: tuple[str, ...],
    p_placebo: float | None,
    opinion: SecondOpinion | None,
) -> tuple[str, ...]:
    """One sentence each. ``rows`` hold the controls ``used``, of those ``given``."""
    out = []
    if not used:
        why = "no control was given" if not given else "none of the controls could be used"
        out.append(
            f"Level only: {why}, so the target is compared with its own past. Whatever else changed at that time is in "
            "the effect; take it as a difference, not as a cause."
        )
    low, high = rows.pre.x.min(axis=0), rows.pre.x.max(axis=0)
    margin = _BEYOND * rows.pre.x.std(axis=0)
    far = (rows.post.x.mean(axis=0) < low - margin) | (rows.post.x.mean(axis=0) > high + margin)
    out += [
        f"{used[column]} went far beyond what it had been before the event: the counterfactual is an extrapolation."
        for column in np.flatnonzero(far)
    ]
    if rows.incomplete:
        count = rows.incomplete
        out.append(
            f"{count} rows with a missing value were left out."
            if count > 1
            else "A row with a missing value was left out."
        )
    if p_placebo is None:
        out.append("The time before the event is too short for pseudo-events: there is no placebo p-value.")
    if opinion is not None and opinion.agrees is False:
        out.append("The structural model does not agree: take the verdict with care.")
    if opinion is not None and opinion.agrees is None:
        out.append(f"The structural model gives no second opinion: {opinion.why}.")
    return tuple(out)
