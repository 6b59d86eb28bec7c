"""The tables."""

from lumen_workers.adapters.store.schema.base import Instant, metadata
from lumen_workers.adapters.store.schema.experiments import experiments, periods, watches
from lumen_workers.adapters.store.schema.gateway import gateways
from lumen_workers.adapters.store.schema.journal import journal
from lumen_workers.adapters.store.schema.logs import log_heads, log_rows
from lumen_workers.adapters.store.schema.loop import (
    effect_marks,
    effects,
    loops,
    progress,
    quotes,
    risks,
    rule_applied,
    rule_events,
    rule_failed,
    rule_values,
    samples,
)
from lumen_workers.adapters.store.schema.people import (
    alarms,
    audit,
    audit_heads,
    letters,
    pulses,
    sends,
    switches,
    tallies,
)
from lumen_workers.adapters.store.schema.work import leases, owed, results, runs, seals, stages, ticks

__all__ = [
    "Instant",
    "alarms",
    "audit",
    "audit_heads",
    "effect_marks",
    "effects",
    "experiments",
    "gateways",
    "journal",
    "leases",
    "letters",
    "log_heads",
    "log_rows",
    "loops",
    "metadata",
    "owed",
    "periods",
    "progress",
    "pulses",
    "quotes",
    "results",
    "risks",
    "rule_applied",
    "rule_events",
    "rule_failed",
    "rule_values",
    "runs",
    "samples",
    "seals",
    "sends",
    "stages",
    "switches",
    "tallies",
    "ticks",
    "watches",
]
