"""A loop with a known history, for tests of effects, findings and file forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.records import RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block, period_us

START = datetime(2026, 1, 31, tzinfo=UTC)
LEVEL = {"phase_diff": 0.30, "entropy_rate": 0.25, "creative_band": 0.30, "risk_band": 0.25}


def at(seconds: float) -> datetime:
    """The instant ``seconds`` after START."""
    return START + timedelta(seconds=seconds)


def samples(start_s: float, end_s: float, levels: Mapping[str, float] = LEVEL, *, rate_hz: int = 5) -> Block:
    """Constant signals on the grid in [start_s, end_s)."""
    ts = np.arange(to_us(at(start_s)), to_us(at(end_s)), period_us(rate_hz), dtype=np.int64)
    return Block(ts, np.tile([levels[name] for name in SIGNALS], (len(ts), 1)))


def stepped(change_s: float, span_s: float, change: Mapping[str, float], *, rate_hz: int = 5) -> Block:
    """Constant signals in change_s ± span_s that jump by ``change`` at ``change_s``."""
    after = {name: LEVEL[name] + change.get(name, 0.0) for name in SIGNALS}
    return Block.concat(
        [
            samples(change_s - span_s, change_s, rate_hz=rate_hz),
            samples(change_s, change_s + span_s, after, rate_hz=rate_hz),
        ]
    )


def noisy(start_s: float, end_s: float, *, rate_hz: int = 5, seed: int = 7) -> Block:
    """Random signals in [0, 1] on the grid in [start_s, end_s), with six decimals like the sampler's."""
    ts = samples(start_s, end_s, rate_hz=rate_hz).ts
    return Block(ts, np.random.default_rng(seed).random((len(ts), len(SIGNALS))).round(6))


def event(
    seconds: float,
    *,
    event_id: str = "ev-1",
    loop: str = "main",
    rule: str = "risk_max",
    old: float = 0.35,
    new: float = 0.33,
    actor: str = "Sena",
    note: str = "",
    automatic: bool = False,
    undoes: str | None = None,
    applied_s: float | None = 0.0,
) -> RuleEvent:
    """A rule event at START + ``seconds``, applied ``applied_s`` later (None: never)."""
    return RuleEvent(
        event_id=event_id,
        loop=loop,
        seq=0,
        ts=at(seconds),
        actor=actor,
        rule=rule,
        old=old,
        new=new,
        note=note,
        automatic=automatic,
        undoes=undoes,
        applied_at=None if applied_s is None else at(seconds + applied_s),
    )
