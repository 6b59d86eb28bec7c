"""How many of a day's findings are chance: false discovery rate over all signals of all events."""

from __future__ import annotations

from collections.abc import Sequence


def q_values(p_values: Sequence[float | None]) -> list[float | None]:
    """The adjusted p-values, in the same order; None (no interval) stays None and counts as no test.

    Calling everything with q ≤ 0.1 a finding keeps the expected share of false ones among them at 10 %.
    Source: Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995) 289. Not Benjamini & Yekutieli's form, which holds under
    any dependence: it divides by Σ 1/i, that is 4 to 7 for a day, and would find little. The dependence here is local
    (the windows of neighbouring events share samples, the signals of one loop go together), and under it the simulated
    false discovery rate is the nominal one or less (docs/statistics.md).
    Raises ValueError for a number outside [0, 1].
    """
    from scipy.stats import false_discovery_control

    known = [p for p in p_values if p is not None]
    if not known:
        return [None] * len(p_values)
    adjusted = iter(false_discovery_control(known, method="bh").tolist())
    return [None if p is None else next(adjusted) for p in p_values]
