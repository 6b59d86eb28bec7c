"""The transparency logs: what they owe and hold, and the newest tree that each has signed."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import instant, metadata, text

# `number` is the order in which rows were queued; a key stands once in a log.
log_rows = sa.Table(
    "log_rows",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    text("origin"),
    text("key"),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    instant("queued_at"),
    sa.Column("position", sa.BigInteger),
    sa.UniqueConstraint("origin", "key"),
    sa.UniqueConstraint("origin", "position"),
)

log_heads = sa.Table(
    "log_heads",
    metadata,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.LargeBinary, nullable=False),
    instant("signed_at"),
)
