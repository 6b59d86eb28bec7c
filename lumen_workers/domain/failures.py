"""What a failure is taken to be, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lumen_workers.domain.records import Record


class AlarmSeverity(StrEnum):
    """Whom an alarm calls: somebody at once, or whoever works the backlog."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, kw_only=True)
class Policy(Record):
    """What is done about one class of failures.

    ``reruns``: how often one run of a region is tried again (≥ 0), waiting ``backoff_s[n]`` seconds (and jitter) before
    rerun n; the last value serves for those behind it. ``ticket``: whether what is not tried again becomes an alarm of
    ``severity``. ``budget``: reruns for this class in 24 hours, all pipelines and regions together.
    """

    transient: bool
    reruns: int
    backoff_s: tuple[float, ...]
    ticket: bool
    severity: AlarmSeverity
    budget: int


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """The class of one failure, the rule that told it, and how long its peer asks us to wait (seconds)."""

    error_class: str
    rule: str
    retry_after_s: float | None = None
