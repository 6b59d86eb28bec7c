"""Changes of rules that their loop did not take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "rule_failed",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("loop", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("undo", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["rule_events.event_id"], name=op.f("fk_rule_failed_event_id")),
        sa.ForeignKeyConstraint(["loop"], ["loops.name"], name=op.f("fk_rule_failed_loop")),
        sa.ForeignKeyConstraint(["undo"], ["rule_events.event_id"], name=op.f("fk_rule_failed_undo")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_rule_failed")),
        sa.UniqueConstraint("loop", "seq", name=op.f("uq_rule_failed_loop_seq")),
        sa.UniqueConstraint("undo", name=op.f("uq_rule_failed_undo")),
    )
