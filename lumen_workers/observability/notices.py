"""What people have to look at: alarms, letters, the outbox, owed rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client.metrics_core import Metric

from lumen_workers.domain.ports import Store
from lumen_workers.observability.families import Row, gauges
from lumen_workers.observability.view import View

Labels = TypeVar("Labels", bound=tuple[str, ...])


def notices(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """How many there are of each."""
    standing = Counter((alarm.severity.value, alarm.kind) for alarm in store.notices.alarms(standing=True))
    yield from gauges("lumen_standing_alarms", "Alarms that stand", ("severity", "kind"), _rows(standing))
    letters = {(state,): number for state, number in store.notices.letter_counts().items()}
    yield from gauges("lumen_letters", "Messages that were refused or given up", ("state",), _rows(letters))
    sends = {(state,): number for state, number in store.sends.counts().items()}
    yield from gauges("lumen_outbox", "What is to be told to people", ("state",), _rows(sends))
    owed = Counter((row.kind, row.state.value) for row in store.owed.rows(unsettled=True))
    yield from gauges("lumen_owed", "Rows that are owed and not done", ("kind", "state"), _rows(owed))


def _rows(counts: Mapping[Labels, int]) -> Iterator[Row]:
    return ((labels, float(number)) for labels, number in counts.items())
