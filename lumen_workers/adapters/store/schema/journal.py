"""The journal."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import instant, metadata, text

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("entry_id", sa.Text, primary_key=True),
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    text("kind"),
    instant("ts"),
    sa.Column("data", sa.JSON, nullable=False),
    sa.UniqueConstraint("loop", "seq"),
    sa.Index(None, "kind", "loop", "ts"),
)
