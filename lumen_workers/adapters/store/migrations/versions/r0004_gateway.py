"""Gateways, and what has been commanded of a loop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "gateways",
        sa.Column("loop", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=True),
        sa.Column("phrase_sha256", sa.Text(), nullable=True),
        sa.Column("confirm_sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["loop"], ["loops.name"], name=op.f("fk_gateways_loop")),
        sa.PrimaryKeyConstraint("loop", name=op.f("pk_gateways")),
    )
    op.add_column("loops", sa.Column("set_hz", sa.Integer(), nullable=True))
    op.add_column("loops", sa.Column("declared_hz", sa.Integer(), nullable=True))
    op.add_column("loops", sa.Column("sync_mode", sa.Text(), nullable=True))
