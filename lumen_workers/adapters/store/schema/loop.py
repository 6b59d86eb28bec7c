"""The loop: samples, rules, effects, quotes and risks."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import instant, metadata, text


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
    text("source"),
    sa.Column("seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("set_hz", sa.Integer),
    sa.Column("declared_hz", sa.Integer),
    sa.Column("sync_mode", sa.Text),
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
    instant("ts"),
    text("actor"),
    text("rule"),
    sa.Column("old", sa.Double, nullable=False),
    sa.Column("new", sa.Double, nullable=False),
    text("note"),
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
    instant("applied_at"),
    text("actuator"),
    sa.UniqueConstraint("loop", "seq"),
)

# A change that the loop did not take. `undo` is the event that took it back; null where there was nothing to take back,
# or nothing to go back to. An event has a row here or in `rule_applied`, never in both.
rule_failed = sa.Table(
    "rule_failed",
    metadata,
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), primary_key=True),
    _loop(),
    _number(),
    instant("failed_at"),
    text("why"),
    sa.Column("undo", sa.Text, sa.ForeignKey("rule_events.event_id"), unique=True),
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
    instant("since"),
    sa.Column("imported", sa.Boolean, nullable=False),
)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("effect_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), nullable=False),
    _loop(),
    _number(),
    text("options_key"),
    sa.Column("options", sa.JSON, nullable=False),
    text("status"),
    sa.Column("n_pre", sa.Integer, nullable=False),
    sa.Column("n_post", sa.Integer, nullable=False),
    sa.Column("signals", sa.JSON, nullable=False),
    instant("computed_at"),
    sa.UniqueConstraint("event_id", "options_key"),
    sa.UniqueConstraint("loop", "seq"),
)

# Effects that findings have looked at, whether or not they said something.
effect_marks = sa.Table("effect_marks", metadata, sa.Column("effect_id", sa.Text, primary_key=True))

quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("quote_id", sa.Text, primary_key=True),
    text("effect_id"),
    _loop(),
    _number(),
    instant("ts"),
    text("by"),
    text("rule"),
    sa.Column("delta", sa.JSON, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    text("quote"),
    sa.Index(None, "loop", "ts"),
)

risks = sa.Table(
    "risks",
    metadata,
    sa.Column("risk_id", sa.Text, primary_key=True),
    text("effect_id"),
    _loop(),
    _number(),
    instant("ts"),
    text("severity"),
    text("rule"),
    sa.Column("signal", sa.JSON, nullable=False),
    text("note"),
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
