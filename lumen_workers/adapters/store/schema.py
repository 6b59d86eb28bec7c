"""The tables. Instants are BIGINT microseconds since the Unix epoch, UTC, on every database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.domain.clock import from_us, to_us

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since the epoch: exact, and compared alike everywhere."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_us(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_us(value)


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    """``default`` serves rows that were there before the column was."""
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, Instant, nullable=False)


def _number() -> sa.Column[int]:
    return sa.Column("seq", sa.BigInteger, nullable=False)


def _loop() -> sa.Column[str]:
    return sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), nullable=False)


loops = sa.Table(
    "loops",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("rate_hz", sa.Integer, nullable=False),
    _text("source"),
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
)

# No foreign key: `loop_id` always comes from the loop's row, locked in the same transaction, and a check for each
# row would cost more than the insert.
samples = sa.Table(
    "samples",
    metadata,
    sa.Column("loop_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ts", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("phase_diff", sa.Double, nullable=False),
    sa.Column("entropy_rate", sa.Double, nullable=False),
    sa.Column("creative_band", sa.Double, nullable=False),
    sa.Column("risk_band", sa.Double, nullable=False),
    sa.Column("batch", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

rule_events = sa.Table(
    "rule_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    _loop(),
    _number(),
    _instant("ts"),
    _text("actor"),
    _text("rule"),
    sa.Column("old", sa.Double, nullable=False),
    sa.Column("new", sa.Double, nullable=False),
    _text("note"),
    sa.Column("automatic", sa.Boolean, nullable=False),
    sa.Column("undoes", sa.Text),
    sa.UniqueConstraint("loop", "seq"),
    sa.Index(None, "loop", "ts"),
)

# When the loop had the value. It has a ledger number of its own: a day sealed before that must not show it.
rule_applied = sa.Table(
    "rule_applied",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), primary_key=True),
    _loop(),
    _number(),
    _instant("applied_at"),
    _text("actuator"),
    sa.UniqueConstraint("loop", "seq"),
)

# The rules' present values, kept in the transaction of the event, so that reading them costs the same after years.
rule_values = sa.Table(
    "rule_values",
    metadata,
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), nullable=False),
    _instant("since"),
    sa.Column("imported", sa.Boolean, nullable=False),
)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("effect_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), nullable=False),
    _loop(),
    _number(),
    _text("options_key"),
    sa.Column("options", sa.JSON, nullable=False),
    _text("status"),
    sa.Column("n_pre", sa.Integer, nullable=False),
    sa.Column("n_post", sa.Integer, nullable=False),
    sa.Column("signals", sa.JSON, nullable=False),
    _instant("computed_at"),
    sa.UniqueConstraint("event_id", "options_key"),
    sa.UniqueConstraint("loop", "seq"),
)

# Effects that findings have looked at, whether or not they said something.
effect_marks = sa.Table("effect_marks", metadata, sa.Column("effect_id", sa.Text, primary_key=True))

quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("quote_id", sa.Text, primary_key=True),
    _text("effect_id"),
    _loop(),
    _number(),
    _instant("ts"),
    _text("by"),
    _text("rule"),
    sa.Column("delta", sa.JSON, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    _text("quote"),
    sa.Index(None, "loop", "ts"),
)

risks = sa.Table(
    "risks",
    metadata,
    sa.Column("risk_id", sa.Text, primary_key=True),
    _text("effect_id"),
    _loop(),
    _number(),
    _instant("ts"),
    _text("severity"),
    _text("rule"),
    sa.Column("signal", sa.JSON, nullable=False),
    _text("note"),
    sa.Index(None, "loop", "ts"),
)

# How far a recurring search has come: every row up to `seq` needs no second look. Only a short cut, never the truth.
progress = sa.Table(
    "progress",
    metadata,
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), primary_key=True),
    sa.Column("search", sa.Text, primary_key=True),
    _number(),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _text("holder"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    _instant("expires"),
)

ticks = sa.Table(
    "ticks",
    metadata,
    sa.Column("entry", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    _instant("since"),
    sa.Column("slot", sa.BigInteger),
    sa.Column("started", Instant),
    sa.Column("ended", Instant),
    sa.Column("outcome", sa.Text),
)

seals = sa.Table(
    "seals",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    _instant("start"),
    _instant("end"),
    _instant("cutoff"),
    sa.Column("watermark", sa.JSON, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    _text("code_version"),
    _text("config_digest"),
    sa.Column("prev_digest", sa.Text),
    _instant("sealed_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    _text("pipeline"),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    _text("region"),
    sa.Column("attempt", sa.Integer, nullable=False),
    _text("status"),
    _text("trace_id"),
    _instant("queued_at"),
    sa.Column("executed_by", sa.Text),
    sa.Column("started", Instant),
    sa.Column("ended", Instant),
    sa.Column("digest", sa.Text),
    sa.Column("error_class", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("error_rule", sa.Text),
    sa.Column("assigned", sa.Text),
    _text("cause", default="asked"),
    sa.Column("follows", sa.Text),
    sa.Column("not_before", Instant),
    sa.UniqueConstraint("pipeline", "day", "region", "attempt"),
    sa.Index(None, "status"),
    sa.Index(None, "queued_at"),
    sa.Index(None, "region", "queued_at"),
    sa.Index(None, "trace_id"),
)

stages = sa.Table(
    "stages",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    _text("status"),
    _instant("started"),
    sa.Column("ended", Instant),
    sa.Column("seconds", sa.Double),
    sa.Column("outputs", sa.JSON, nullable=False),
    sa.Column("error_class", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("error_rule", sa.Text),
    sa.Column("carried_from", sa.Text),
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    _text("digest"),
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False, unique=True),
    _text("region"),
    _instant("decided_at"),
)

owed = sa.Table(
    "owed",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("region"),
    _text("state"),
    _instant("created"),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("not_before", Instant),
    sa.Column("detail", sa.Text),
    sa.Column("done_by", sa.Text),
    sa.Column("done_at", Instant),
    sa.Index(None, "kind", "state"),
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _text("kind"),
    _text("severity"),
    _instant("ts"),
    _text("detail"),
    sa.Column("facts", sa.JSON),
    sa.Column("trace_id", sa.Text),
    sa.Column("occurrence", sa.Integer, nullable=False, server_default="1"),
    sa.Column("routed_at", Instant),
    sa.Column("resolved_at", Instant),
    sa.Column("resolved_by", sa.Text),
    sa.Index(None, "resolved_at"),
    sa.Index(None, "routed_at"),
)

letters = sa.Table(
    "letters",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    _instant("ts"),
    _text("task"),
    _text("region"),
    _text("reason"),
    _text("payload"),
    sa.Column("trace_id", sa.Text),
    _text("state", default="kept"),
    sa.Column("handled_by", sa.Text),
    sa.Column("handled_at", Instant),
    sa.Index(None, "state"),
    sa.Index(None, "trace_id"),
)

# The way out to people. `state` moves due → sending → sent, or to in_doubt, from which nothing moves it by itself.
sends = sa.Table(
    "sends",
    metadata,
    sa.Column("message_id", sa.Text, primary_key=True),
    _text("kind"),
    _text("subject"),
    _text("channel"),
    _text("recipient"),
    sa.Column("payload", sa.JSON, nullable=False),
    _text("state"),
    _instant("created"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("not_before", Instant),
    sa.Column("holder", sa.Text),
    sa.Column("until", Instant),
    sa.Column("sent_at", Instant),
    sa.Column("sent_by", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Index(None, "state", "not_before"),
)

# A sign of life of each region's lanes, overwritten in place.
pulses = sa.Table(
    "pulses",
    metadata,
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("lane", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    _text("holder"),
    _instant("started"),
    _instant("seen"),
    _text("code_version"),
)

# What people have switched on: `pause`, `drain/<region>`.
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _text("by"),
    _instant("since"),
    _text("note"),
)

# The audit log: one hash chain for each writing region; a row's hash covers the one before it.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    _instant("ts"),
    _text("actor"),
    _text("pipeline"),
    _text("region"),
    sa.Column("trace_id", sa.Text),
    _text("event"),
    _text("subject"),
    sa.Column("detail", sa.Text, nullable=False),
    _text("prev"),
    _text("hash"),
    sa.Index(None, "trace_id"),
    sa.Index(None, "subject"),
)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    _text("hash"),
)

# Counters that survive restarts. `labels` is canonical JSON.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
