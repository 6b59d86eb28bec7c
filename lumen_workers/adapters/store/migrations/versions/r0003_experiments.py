"""The journal, experiments and their periods, the self-tuner's watched changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "journal",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("loop", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["loop"], ["loops.name"], name=op.f("fk_journal_loop")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_journal")),
        sa.UniqueConstraint("loop", "seq", name=op.f("uq_journal_loop_seq")),
    )
    op.create_index(op.f("ix_journal_kind_loop_ts"), "journal", ["kind", "loop", "ts"])
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("loop", sa.Text(), nullable=False),
        sa.Column("running", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("original", sa.Double(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.Column("stop_by", sa.Text(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("final_event", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["final_event"], ["rule_events.event_id"], name=op.f("fk_experiments_final_event")),
        sa.ForeignKeyConstraint(["loop"], ["loops.name"], name=op.f("fk_experiments_loop")),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("running", name=op.f("uq_experiments_running")),
    )
    op.create_index(op.f("ix_experiments_loop_started"), "experiments", ["loop", "started"])
    op.create_index(op.f("ix_experiments_final_event"), "experiments", ["final_event"])
    op.create_table(
        "periods",
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("pair", sa.Integer(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("began", sa.BigInteger(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("means", sa.JSON(), nullable=True),
        sa.Column("reward", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.experiment_id"], name=op.f("fk_periods_experiment_id")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["rule_events.event_id"], name=op.f("fk_periods_event_id")),
        sa.PrimaryKeyConstraint("experiment_id", "number", name=op.f("pk_periods")),
    )
    op.create_index(op.f("ix_periods_event_id"), "periods", ["event_id"])
    op.create_table(
        "watches",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("loop", sa.Text(), nullable=False),
        sa.Column("running", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["loop"], ["loops.name"], name=op.f("fk_watches_loop")),
        sa.ForeignKeyConstraint(["event_id"], ["rule_events.event_id"], name=op.f("fk_watches_event_id")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_watches")),
        sa.UniqueConstraint("running", name=op.f("uq_watches_running")),
    )
    op.create_index(op.f("ix_watches_loop_started"), "watches", ["loop", "started"])
