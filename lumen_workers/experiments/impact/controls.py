"""Which controls may be used: not what the event moved itself, not what says nothing, not what another one says."""

from __future__ import annotations

from typing import Final

import numpy as np

from lumen_workers.experiments.impact.model import fit
from lumen_workers.experiments.impact.records import Dropped, Floats
from lumen_workers.experiments.impact.rows import Rows, Split

ALPHA: Final = 0.05
"""Probability of dropping any control at all when the event moved none. It is not free to drop a good one: it looks
moved just where chance moved it, and the target with it, and then nothing is left to explain that."""

_SAME: Final = 0.9999
"""Share of a control's variance that the others explain, from which on it adds nothing."""


def screen(split: Split, names: tuple[str, ...]) -> tuple[list[int], list[Dropped]]:
    """The columns that may be used, in order, and the others with the reason."""
    dropped: dict[int, str] = {}
    for column in range(len(names)):
        if _constant(split.pre.x[:, column]):
            dropped[column] = "constant before the event, so nothing can be learned from it"
    dropped |= _moved(split, [column for column in range(len(names)) if column not in dropped])
    used: list[int] = []
    for column in range(len(names)):
        if column in dropped:
            continue
        if why := _repeats(split.pre.x, used, column, names):
            dropped[column] = why
        else:
            used.append(column)
    return used, [Dropped(name=names[column], why=dropped[column]) for column in sorted(dropped)]


def shift(split: Split, column: int) -> tuple[float, float]:
    """By how much a control's level changed with the event, and the p-value of no change.

    The control alone, with AR(1) noise and no regression: its own past says what was to be expected.
    """
    pre, post = (
        Rows(rows.ts, rows.step, rows.x[:, column], np.empty((len(rows), 0))) for rows in (split.pre, split.post)
    )
    moved = fit(pre, 0.0).effect(post)
    return moved.mean, moved.p


def _moved(split: Split, columns: list[int]) -> dict[int, str]:
    """Those that the event moved (Holm, Scand. J. Stat. 6 (1979) 65: ALPHA for all tests together)."""
    found = sorted((shift(split, column)[::-1], column) for column in columns)
    out: dict[int, str] = {}
    for rank, ((p, change), column) in enumerate(found):
        corrected = p * (len(found) - rank)
        if corrected > ALPHA:
            break
        told = "p < 0.0001" if corrected < 1e-4 else f"p = {corrected:.2g}"
        beside = f", corrected for {len(found)} controls" if len(found) > 1 else ""
        out[column] = f"moved with the event itself, by {change:+.4g} ({told}{beside})"
    return out


def _constant(values: Floats) -> bool:
    return float(np.ptp(values)) <= 1e-9 * float(np.abs(values).max())


def _repeats(x: Floats, used: list[int], column: int, names: tuple[str, ...]) -> str:
    """Why ``column`` adds nothing to ``used``; empty where it does."""
    if not used:
        return ""
    standard = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    mine, others = standard[:, column], standard[:, used]
    alike = np.abs(others.T @ mine) / len(mine)
    if alike.max() ** 2 > _SAME:
        return f"goes along with {names[used[int(alike.argmax())]]} and adds nothing to it"
    weights = np.linalg.lstsq(others, mine, rcond=None)[0]
    if 1.0 - float(((mine - others @ weights) ** 2).mean()) > _SAME:
        return f"is made up of {', '.join(names[other] for other in used)} and adds nothing to them"
    return ""
