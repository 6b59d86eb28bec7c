"""Which schema the store has, and bringing it to this code's. Alembic is imported only when there is work for it."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.domain.errors import SchemaTooNew

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision, oldest first; the last is what this code needs."""

_LOCK = 0x6C756D656E  # "lumen": one migration at a time on a PostgreSQL database
_ABSENT = ""


def migrate(database: Database) -> None:
    """Bring the store to the last revision; an up-to-date one costs one look. Safe when several processes start.

    Raises SchemaTooNew when a newer version of this code has written it, StoreUnavailable, EnvironmentFault.
    """
    with database.read() as connection:
        if revision(database, connection) == REVISIONS[-1]:
            return
    with database.write() as connection:
        if database.postgres:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        # Another process may have done it while this one waited.
        if revision(database, connection) != REVISIONS[-1]:
            _upgrade(connection)


def revision(database: Database, connection: sa.Connection) -> str:
    """The store's revision, or ``""`` for an empty store. Raises SchemaTooNew."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return _ABSENT
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or _ABSENT
    if found and found not in REVISIONS:
        raise SchemaTooNew(f"store {database.name} was written by a newer version (schema {found}); upgrade lumen")
    return str(found)


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "lumen_workers.adapters.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
