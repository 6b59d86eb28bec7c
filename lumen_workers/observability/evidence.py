"""The transparency logs, as the store knows them (S27)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.metrics_core import Metric

from lumen_workers.domain.ports import Store
from lumen_workers.observability.families import gauges
from lumen_workers.observability.view import View


def logs(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """How many entries each log has signed, when, and whether it stands by them; nothing where there is no log."""
    heads = store.logs.heads()
    sizes = (((head.origin,), float(head.size)) for head in heads)
    yield from gauges("tlog_entries_total", "Entries that the log has signed", ("origin",), sizes)
    signed = (((head.origin,), head.signed_at.timestamp()) for head in heads)
    about = "When the log last signed a tree"
    yield from gauges("tlog_checkpoint_timestamp_seconds", about, ("origin",), signed)
    refusing = {alarm.key for alarm in store.notices.alarms(standing=True) if alarm.kind == "log_refuses"}
    sound = (((head.origin,), float(f"log/{head.origin}" not in refusing)) for head in heads)
    about = "0: an alarm stands that says that the log is not what it has signed"
    yield from gauges("tlog_inclusion_ok", about, ("origin",), sound)
