"""Phase lock (S01): whether a loop is aligned now, and when it last was, from its newest samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Record
from lumen_workers.domain.signals import SIGNALS, Block

FRACTION: Final = 0.5
"""A window with less than this share of its samples says nothing."""

_PHASE, _CREATIVE, _RISK = (SIGNALS.index(name) for name in ("phase_diff", "creative_band", "risk_band"))


@dataclass(frozen=True, kw_only=True)
class Limits(Record):
    """A loop is aligned while ``phase_diff <= phase_diff_max`` and ``risk_band < risk_band_below``.

    Both are means over ``window_s`` seconds, so that no single sample decides. A newest sample older than ``window_s``
    is stale. ``tolerance_s``: how long alignment may be gone before a lock is lost. ``creative_band_min`` and
    ``risk_band_max`` (S01's thresholds) decide nothing: they are told.
    """

    phase_diff_max: float = 0.05
    risk_band_below: float = 0.2
    window_s: float = 5.0
    tolerance_s: float = 30.0
    creative_band_min: float = 0.22
    risk_band_max: float = 0.35


@dataclass(frozen=True, kw_only=True)
class Alignment(Record):
    """What the newest samples say. ``why``: why the loop is not ``locked``; ``flowing``: a fresh sample is there.

    Means over the newest window, None without one that is fresh and full enough. ``lost_s`` and ``silent_s``: seconds
    since the loop was last aligned and since its newest sample, None where that is longer than what was looked at.
    ``notes``: which of S01's thresholds is not held.
    """

    locked: bool
    why: str
    flowing: bool
    phase_diff: float | None = None
    creative_band: float | None = None
    risk_band: float | None = None
    lost_s: float | None = None
    silent_s: float | None = None
    notes: Sequence[str] = ()

    @property
    def word(self) -> str:
        """``locked`` or ``seeking``."""
        return "locked" if self.locked else "seeking"


def look(store: Store, loop: str, limits: Limits, now: datetime) -> Alignment:
    """The alignment of ``loop`` at ``now``; it looks back as far as the tolerance asks for."""
    now_us = to_us(now)
    back_us = round((limits.tolerance_s + limits.window_s + 1) * US)
    block = store.samples.window(loop, now_us - back_us, now_us + 1)
    return align(block, store.loops.rates().get(loop, 1), limits, now_us)


def align(block: Block, rate_hz: int, limits: Limits, now_us: int) -> Alignment:
    """The same from samples up to ``now_us`` (µs, ascending) of a loop at ``rate_hz``."""
    if not len(block):
        return Alignment(locked=False, why="there are no fresh samples", flowing=False)
    window_us = round(limits.window_s * US)
    starts = np.searchsorted(block.ts, block.ts - window_us, side="right")
    ends = np.arange(1, len(block) + 1)
    sums = np.vstack([np.zeros(len(SIGNALS)), np.cumsum(block.values, axis=0)])
    counts = ends - starts
    means = (sums[ends] - sums[starts]) / counts[:, None]
    full = counts >= max(1.0, FRACTION * rate_hz * limits.window_s)
    # Sums of decimals: what is equal but for the last bits is equal.
    means = means.round(9)
    held = full & (means[:, _PHASE] <= limits.phase_diff_max) & (means[:, _RISK] < limits.risk_band_below)
    aligned = np.flatnonzero(held)
    silent_s = (now_us - int(block.ts[-1])) / US
    lost_s = (now_us - int(block.ts[aligned[-1]])) / US if len(aligned) else None
    if silent_s > limits.window_s:
        why = f"the newest sample is {silent_s:.1f} s old"
        return Alignment(locked=False, why=why, flowing=False, lost_s=lost_s, silent_s=silent_s)
    if not full[-1]:
        why = f"{counts[-1]} samples in {limits.window_s:g} s are too few"
        return Alignment(locked=False, why=why, flowing=True, lost_s=lost_s, silent_s=silent_s)
    phase, creative, risk = (float(means[-1, place]) for place in (_PHASE, _CREATIVE, _RISK))
    return Alignment(
        locked=bool(held[-1]),
        why=_why(phase, risk, limits),
        flowing=True,
        phase_diff=phase,
        creative_band=creative,
        risk_band=risk,
        lost_s=lost_s,
        silent_s=silent_s,
        notes=_notes(creative, risk, limits),
    )


def _why(phase: float, risk: float, limits: Limits) -> str:
    parts = []
    if phase > limits.phase_diff_max:
        parts.append(f"phase_diff {phase:.3f} is above {limits.phase_diff_max:g}")
    if risk >= limits.risk_band_below:
        parts.append(f"risk_band {risk:.3f} is not below {limits.risk_band_below:g}")
    return ", ".join(parts)


def _notes(creative: float, risk: float, limits: Limits) -> tuple[str, ...]:
    notes = []
    if creative < limits.creative_band_min:
        notes.append(f"creative_band {creative:.3f} is below {limits.creative_band_min:g}")
    if risk > limits.risk_band_max:
        notes.append(f"risk_band {risk:.3f} is above {limits.risk_band_max:g}")
    return tuple(notes)
