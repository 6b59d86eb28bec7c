"""Seals: what a day's evidence is built from, written once."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.schema import seals
from lumen_workers.domain.runs import Seal


def write_seal(database: Database, connection: sa.Connection, seal: Seal) -> Seal:
    """Write it unless its revision is sealed already; returns the one that stands."""
    database.insert_new(connection, seals, plain(seal))
    return next(s for s in read_seals(connection, seal.pipeline, seal.day) if s.revision == seal.revision)


def read_seals(connection: sa.Connection, pipeline: str, day: date) -> list[Seal]:
    """Every revision of a day, ascending."""
    mine = (seals.c.pipeline == pipeline) & (seals.c.day == day)
    rows = connection.execute(sa.select(seals).where(mine).order_by(seals.c.revision)).all()
    return [Seal(**columns(Seal, seals, row)) for row in rows]
