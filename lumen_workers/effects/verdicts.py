"""What may be said of a change, given its interval."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, Protocol

from lumen_workers.domain.errors import UsageError

RELEVANT: Final = 0.01
"""The smallest change of a signal that matters (S07's thresholds for a quote)."""


class Verdict(StrEnum):
    """What may be said; ``changed`` only of a series of which nobody has said what direction is good."""

    IMPROVED = "improved"
    WORSENED = "worsened"
    CHANGED = "changed"
    NO_CHANGE_DETECTABLE = "no_change_detectable"
    INCONCLUSIVE = "inconclusive"
    INSUFFICIENT = "insufficient"


class Range(Protocol):
    """Whatever has two ends: an interval of any method."""

    @property
    def lo(self) -> float: ...

    @property
    def hi(self) -> float: ...


def verdict(interval: Range | None, good: int | None, relevant: float = RELEVANT) -> Verdict:
    """The verdict on one signal; ``good`` is its good direction (``GOOD[signal]``, None: not known), ``relevant`` > 0.

    - improved, worsened (changed, where no direction is good): the interval excludes 0, on the good or on the bad side.
      The sign is known; whether the size matters is for the interval to say.
    - no_change_detectable: it includes 0 and lies within ±``relevant``. The data rule out every change that matters:
      a finding (an equivalence test, Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657, at (1 − level)/2 a side).
    - inconclusive: it includes 0 and reaches beyond ``relevant``. The data are compatible with no change and with one
      that matters.
    - insufficient: there is no interval.

    The minimum detectable effect decides nothing here: once the data are in, the interval says what they rule out, and
    a power that is held against it says less (Hoenig & Heisey, Am. Stat. 55 (2001) 19). It tells how to plan: a change
    that an inconclusive effect was too weak for needs longer windows or a repetition.
    Raises UsageError when ``relevant`` is not above 0.
    """
    if not (relevant > 0 and math.isfinite(relevant)):
        raise UsageError(f"relevant size {relevant:g}: a number above 0")
    if interval is None:
        return Verdict.INSUFFICIENT
    if interval.lo > 0 or interval.hi < 0:
        if good is None:
            return Verdict.CHANGED
        return Verdict.IMPROVED if (interval.lo > 0) == (good > 0) else Verdict.WORSENED
    inside = -relevant <= interval.lo and interval.hi <= relevant
    return Verdict.NO_CHANGE_DETECTABLE if inside else Verdict.INCONCLUSIVE
