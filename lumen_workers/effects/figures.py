"""An effect's numbers as text, wherever they are read."""

from __future__ import annotations

from typing import Final

from lumen_workers.domain.records import SignalEffect
from lumen_workers.effects.verdicts import Verdict

_DECIMALS: Final = 3
_MOST_DECIMALS: Final = 9


def signed(value: float) -> str:
    """A change to 3 decimals with its sign; what rounds to zero is ``+0.000``."""
    return f"{round(value, _DECIMALS) + 0.0:+.3f}"


def bound(value: float, sign: str = "+") -> str:
    """An end of an interval, 3 decimals; more where those would show as zero what is not: ``-0.0004``.

    An interval that excludes zero so never reads as one that includes it. ``sign`` as in format specifications.
    """
    for decimals in range(_DECIMALS, _MOST_DECIMALS + 1):
        text = f"{value:{sign}.{decimals}f}"
        if float(text):
            return text
    return f"{0.0:{sign}.3f}"


def interval(signal: SignalEffect) -> str | None:
    """``[-0.030, -0.012]``; None without an interval."""
    return None if signal.lo is None or signal.hi is None else f"[{bound(signal.lo)}, {bound(signal.hi)}]"


def percent(level: float) -> str:
    """A level as ``95 %`` or ``99.9 %``."""
    return f"{100 * level:.6g} %"


def small(value: float) -> str:
    """A probability: 3 decimals, never rounded to 0 or 1."""
    return "<0.001" if value < 0.0005 else ">0.999" if 0.9995 < value < 1 else f"{value:.3f}"


def sentence(name: str, signal: SignalEffect) -> str:
    """What may be said of one signal, in plain words; the numbers are those of the raw samples."""
    if signal.verdict is None:
        return f"{name}: – (measured before effects had intervals)."
    if signal.delta is None:
        return f"{name}: too few samples on one side."
    if signal.lo is None or signal.hi is None or signal.level is None:
        return f"{name}: no interval, the samples scatter too little to judge by; measured {signed(signal.delta)}."
    sure = percent(signal.level)
    if signal.verdict in (Verdict.IMPROVED, Verdict.WORSENED):
        moved = "rose" if signal.delta > 0 else "fell"
        near, far = sorted((abs(signal.lo), abs(signal.hi)))
        return (
            f"{name} {moved} by {abs(signal.delta):.3f} ({sure}: {bound(near, '-')} to {bound(far, '-')}): "
            f"{signal.verdict}."
        )
    range_ = f"{sure}: {bound(signal.lo)} to {bound(signal.hi)}"
    if signal.verdict == Verdict.NO_CHANGE_DETECTABLE:
        return f"{name}: no change detectable; if there is one, it is small ({range_})."
    shown = "" if signal.mde is None else f"; a change of {signal.mde:.3f} or more would have shown in 80 % of cases"
    return f"{name}: inconclusive, no change can be told ({range_}){shown}."
