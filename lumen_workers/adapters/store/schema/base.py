"""What every table is made with. Instants are BIGINT microseconds since the Unix epoch, UTC, on every database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.domain.clock import from_us, to_us

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since the epoch: exact, and compared alike everywhere."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_us(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else from_us(value)


def text(name: str, default: str | None = None) -> sa.Column[str]:
    """``default`` serves rows that were there before the column was."""
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, Instant, nullable=False)
