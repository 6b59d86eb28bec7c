"""What people see and steer: alarms, letters, the outbox, signs of life, switches, the audit log, counters."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import Instant, instant, metadata, text

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    text("kind"),
    text("severity"),
    instant("ts"),
    text("detail"),
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
    instant("ts"),
    text("task"),
    text("region"),
    text("reason"),
    text("payload"),
    sa.Column("trace_id", sa.Text),
    text("state", default="kept"),
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
    text("kind"),
    text("subject"),
    text("channel"),
    text("recipient"),
    sa.Column("payload", sa.JSON, nullable=False),
    text("state"),
    instant("created"),
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
    text("holder"),
    instant("started"),
    instant("seen"),
    text("code_version"),
)

# What people have switched on: `pause`, `drain/<region>`.
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    text("by"),
    instant("since"),
    text("note"),
)

# The audit log: one hash chain for each writing region; a row's hash covers the one before it.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    instant("ts"),
    text("actor"),
    text("pipeline"),
    text("region"),
    sa.Column("trace_id", sa.Text),
    text("event"),
    text("subject"),
    sa.Column("detail", sa.Text, nullable=False),
    text("prev"),
    text("hash"),
    sa.Index(None, "trace_id"),
    sa.Index(None, "subject"),
)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("chain", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    text("hash"),
)

# Counters that survive restarts. `labels` is canonical JSON.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)
