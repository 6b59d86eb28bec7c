"""Regions that stand in for each other: signs of life, switches, reruns, the outbox, the audit log, counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables and columns."""
    op.add_column("runs", sa.Column("error_rule", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("assigned", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("cause", sa.Text(), server_default="asked", nullable=False))
    op.add_column("runs", sa.Column("follows", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("not_before", sa.BigInteger(), nullable=True))
    op.execute("UPDATE runs SET assigned = COALESCE(executed_by, region)")
    op.create_index(op.f("ix_runs_region_queued_at"), "runs", ["region", "queued_at"])
    op.create_index(op.f("ix_runs_trace_id"), "runs", ["trace_id"])
    op.create_index(op.f("ix_leases_expires"), "leases", ["expires"])
    op.add_column("stages", sa.Column("error_rule", sa.Text(), nullable=True))
    op.add_column("stages", sa.Column("carried_from", sa.Text(), nullable=True))

    op.add_column("alarms", sa.Column("facts", sa.JSON(), nullable=True))
    op.add_column("alarms", sa.Column("trace_id", sa.Text(), nullable=True))
    op.add_column("alarms", sa.Column("occurrence", sa.Integer(), server_default="1", nullable=False))
    op.add_column("alarms", sa.Column("routed_at", sa.BigInteger(), nullable=True))
    op.add_column("alarms", sa.Column("resolved_at", sa.BigInteger(), nullable=True))
    op.add_column("alarms", sa.Column("resolved_by", sa.Text(), nullable=True))
    op.create_index(op.f("ix_alarms_resolved_at"), "alarms", ["resolved_at"])
    op.create_index(op.f("ix_alarms_routed_at"), "alarms", ["routed_at"])
    op.execute("UPDATE alarms SET severity = CASE severity WHEN 'crit' THEN 'page' ELSE 'ticket' END, routed_at = ts")
    op.add_column("letters", sa.Column("state", sa.Text(), server_default="kept", nullable=False))
    op.add_column("letters", sa.Column("handled_by", sa.Text(), nullable=True))
    op.add_column("letters", sa.Column("handled_at", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_letters_state"), "letters", ["state"])
    op.create_index(op.f("ix_letters_trace_id"), "letters", ["trace_id"])

    op.create_table(
        "sends",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("sent_by", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_sends")),
    )
    op.create_index(op.f("ix_sends_state_not_before"), "sends", ["state", "not_before"])
    op.create_table(
        "pulses",
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("region", "lane", "host", name=op.f("pk_pulses")),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_switches")),
    )
    op.create_table(
        "audit",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_trace_id"), "audit", ["trace_id"])
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"])
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_tallies")),
    )
