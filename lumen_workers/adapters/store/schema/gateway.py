"""The gateways of loops."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.schema.base import instant, metadata, text

# The hashes of the phrases are here only: the journal is exported.
gateways = sa.Table(
    "gateways",
    metadata,
    sa.Column("loop", sa.Text, sa.ForeignKey("loops.name"), primary_key=True),
    text("status"),
    sa.Column("version", sa.BigInteger, nullable=False),
    instant("since"),
    text("entry_id"),
    sa.Column("signer", sa.Text),
    sa.Column("phrase_sha256", sa.Text),
    sa.Column("confirm_sha256", sa.Text),
)
