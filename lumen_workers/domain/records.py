"""Records of the loop: what was declared, what changed, what the change did. Frozen, keyword-only, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from lumen_workers.domain.clock import require_aware

_names: dict[type, tuple[str, ...]] = {}


def field_names(record: type[Any]) -> tuple[str, ...]:
    """The fields of a record, in order: kept, for it is asked for each row of a long list."""
    if record not in _names:
        _names[record] = tuple(field.name for field in fields(record))
    return _names[record]


class Record:
    """Base of all records: every datetime field is aware and stored as UTC."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name in field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, datetime):
                object.__setattr__(self, name, require_aware(value, name))


@dataclass(frozen=True, kw_only=True)
class RuleSpec(Record):
    """A numeric parameter of a loop: ``min <= value <= max``, ``initial`` until the first event."""

    name: str
    initial: float
    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class LoopSpec(Record):
    """A declared loop. ``source`` and ``actuator`` are ``kind[:argument]``; ``region`` is its home, None for any.

    ``ack_within_s``: a change that the loop has not acknowledged so long after it was recorded has failed; None: the
    actuator's default (see ``loop.deadline``).
    """

    name: str
    rate_hz: int
    source: str
    source_options: Mapping[str, Any] = field(default_factory=dict)
    region: str | None = None
    rules: Mapping[str, RuleSpec] = field(default_factory=dict)
    actuator: str = "none"
    actuator_options: Mapping[str, Any] = field(default_factory=dict)
    ack_within_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class RuleValue(Record):
    """A rule's present value; ``event_id`` is None while it is the declared initial."""

    rule: str
    value: float
    event_id: str | None = None
    since: datetime | None = None


class EventState(StrEnum):
    """Whether the loop has a change: not yet, since ``applied_at``, or not at all."""

    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RuleEvent(Record):
    """One change of one rule. ``old`` is what the store held; ``applied_at`` is when the loop had it (None: not yet).

    ``seq`` is the loop's ledger number, rising in commit order: a watermark on it is a stable prefix of the ledger.
    ``undoes`` names the event that a rollback compensates. ``failed_at`` and ``why``: the loop did not take the change,
    so it was taken back; never together with ``applied_at``. ``repair``: it takes back such a change, and no effect is
    computed of it.
    """

    event_id: str
    loop: str
    seq: int
    ts: datetime
    actor: str
    rule: str
    old: float
    new: float
    note: str = ""
    automatic: bool = False
    undoes: str | None = None
    applied_at: datetime | None = None
    failed_at: datetime | None = None
    why: str | None = None
    repair: bool = False

    @property
    def state(self) -> EventState:
        """What has become of it."""
        if self.applied_at is not None:
            return EventState.APPLIED
        return EventState.PENDING if self.failed_at is None else EventState.FAILED

    @property
    def pending(self) -> bool:
        """Whether it is still open if the loop will have it."""
        return self.state is EventState.PENDING


class EffectStatus(StrEnum):
    """Whether there were enough samples on both sides."""

    COMPUTED = "computed"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, kw_only=True)
class EffectOptions(Record):
    """Windows and display filters of an effect. The windows lie around ``applied_at``.

    Pre is [-pre_s, -gap_s), post is [+gap_s, +post_s) seconds; ``min_samples`` a side.
    """

    pre_s: float = 30.0
    post_s: float = 30.0
    gap_s: float = 1.0
    min_samples: int = 50
    iqr: bool = False
    iqr_k: float = 1.5
    ema: bool = False
    ema_alpha: float = 0.2

    def key(self) -> str:
        """Stable text of the options: one event has one effect for each key."""
        return (
            f"pre={self.pre_s:g},post={self.post_s:g},gap={self.gap_s:g},min={self.min_samples},"
            f"iqr={self.iqr_k if self.iqr else 0:g},ema={self.ema_alpha if self.ema else 0:g}"
        )


@dataclass(frozen=True, kw_only=True)
class SignalEffect(Record):
    """Window means of one signal; all None when the effect is insufficient.

    ``pre``, ``post``, ``delta`` are on raw samples, ``shown_*`` after the display filters. The true difference is
    within ``lo`` and ``hi`` with probability ``level``; ``se``, ``phi``, ``n_eff``, ``mde`` and ``p`` as in
    ``effects.intervals.Interval``, all None where the samples allow no interval. ``verdict`` is one of
    ``effects.verdicts.Verdict``, None on effects that were stored before there were intervals. ``placebo_p``: how
    often a quiet stretch of the loop shows a change of this size; None without one.
    """

    pre: float | None = None
    post: float | None = None
    delta: float | None = None
    shown_pre: float | None = None
    shown_post: float | None = None
    shown_delta: float | None = None
    lo: float | None = None
    hi: float | None = None
    level: float | None = None
    se: float | None = None
    phi: float | None = None
    n_eff: float | None = None
    mde: float | None = None
    p: float | None = None
    verdict: str | None = None
    placebo_p: float | None = None


@dataclass(frozen=True, kw_only=True)
class Effect(Record):
    """What one rule event did to the four signals, for one set of options."""

    effect_id: str
    event_id: str
    loop: str
    seq: int
    options: EffectOptions
    status: EffectStatus
    n_pre: int
    n_post: int
    signals: Mapping[str, SignalEffect]
    computed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Quote(Record):
    """A sentence about a change that helped. ``delta`` is signal → Δ; ``confidence`` in [0, 1]."""

    quote_id: str
    effect_id: str
    loop: str
    seq: int
    ts: datetime
    by: str
    rule: str
    delta: Mapping[str, float]
    confidence: float
    quote: str


class Severity(StrEnum):
    """How much a risk or an alarm asks for."""

    INFO = "info"
    WARN = "warn"
    CRIT = "crit"


@dataclass(frozen=True, kw_only=True)
class Risk(Record):
    """A change that made the loop worse. ``signal`` is signal → Δ."""

    risk_id: str
    effect_id: str
    loop: str
    seq: int
    ts: datetime
    severity: Severity
    rule: str
    signal: Mapping[str, float]
    note: str
