"""The migrated schema."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.adapters.store.schema import metadata
from lumen_workers.domain.errors import SchemaTooNew


def test_migrations_lead_to_the_declared_tables(store: SqlStore) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_opening_keeps_what_is_there(store: SqlStore, url: str) -> None:
    again = open_store(url)
    assert again.loops.rates() == store.loops.rates() == {"demo": 10, "main": 5}
    again.close()


def test_a_store_of_a_newer_version_is_refused(store: SqlStore, url: str) -> None:
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match=r"9999.*upgrade lumen"):
        open_store(url)
