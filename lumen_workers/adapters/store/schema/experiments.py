"""Experiments and their periods."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import Instant, instant, metadata, text

# `running` is the loop while the experiment runs, and nothing afterwards: its key lets one run at a time.
experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("experiment_id", sa.Text, primary_key=True),
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), nullable=False),
    sa.Column("running", sa.Text, unique=True),
    text("rule"),
    text("kind"),
    text("state"),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("original", sa.Double, nullable=False),
    instant("started"),
    text("by"),
    sa.Column("planned", sa.Integer, nullable=False),
    sa.Column("held", sa.Text),
    sa.Column("stop_by", sa.Text),
    sa.Column("ended", Instant),
    sa.Column("reason", sa.Text),
    sa.Column("result", sa.JSON),
    sa.Column("final_event", sa.Text, sa.ForeignKey("rule_events.event_id")),
    sa.Index(None, "loop", "started"),
    sa.Index(None, "final_event"),
)

periods = sa.Table(
    "periods",
    metadata,
    sa.Column(
        "experiment_id", sa.Text, sa.ForeignKey("experiments.experiment_id"), primary_key=True, autoincrement=False
    ),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    text("arm"),
    sa.Column("value", sa.Double, nullable=False),
    instant("opened"),
    sa.Column("pair", sa.Integer),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id")),
    sa.Column("began", Instant),
    sa.Column("restarts", sa.Integer, nullable=False),
    sa.Column("ended", Instant),
    sa.Column("n", sa.Integer),
    sa.Column("means", sa.JSON),
    sa.Column("reward", sa.Double),
    sa.Index(None, "event_id"),
)

# Changes that the self-tuner made. `running` is the loop while one is watched: its key lets one be at a time.
watches = sa.Table(
    "watches",
    metadata,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), nullable=False),
    sa.Column("running", sa.Text, unique=True),
    text("rule"),
    sa.Column("event_id", sa.Text, sa.ForeignKey("rule_events.event_id"), nullable=False),
    instant("started"),
    sa.Column("settled", Instant),
    sa.Column("outcome", sa.Text),
    sa.Column("why", sa.Text),
    sa.Index(None, "loop", "started"),
)
