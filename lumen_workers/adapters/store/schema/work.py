"""The day's work: leases, ticks, seals, runs, results, owed rows."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import Instant, instant, metadata, text

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    text("holder"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    instant("expires"),
    sa.Index(None, "expires"),
)

ticks = sa.Table(
    "ticks",
    metadata,
    sa.Column("entry", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    instant("since"),
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
    instant("start"),
    instant("end"),
    instant("cutoff"),
    sa.Column("watermark", sa.JSON, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    text("code_version"),
    text("config_digest"),
    sa.Column("prev_digest", sa.Text),
    instant("sealed_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    text("pipeline"),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    text("region"),
    sa.Column("attempt", sa.Integer, nullable=False),
    text("status"),
    text("trace_id"),
    instant("queued_at"),
    sa.Column("executed_by", sa.Text),
    sa.Column("started", Instant),
    sa.Column("ended", Instant),
    sa.Column("digest", sa.Text),
    sa.Column("error_class", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("error_rule", sa.Text),
    sa.Column("assigned", sa.Text),
    text("cause", default="asked"),
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
    text("status"),
    instant("started"),
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
    text("digest"),
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False, unique=True),
    text("region"),
    instant("decided_at"),
)

owed = sa.Table(
    "owed",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    text("region"),
    text("state"),
    instant("created"),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("not_before", Instant),
    sa.Column("detail", sa.Text),
    sa.Column("done_by", sa.Text),
    sa.Column("done_at", Instant),
    sa.Index(None, "kind", "state"),
)
