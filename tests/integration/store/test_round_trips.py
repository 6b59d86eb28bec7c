"""A store that is far away: what it is asked costs as few round trips as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.processes import eventually
from support.proxy import Proxy
from support.store_records import block

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.adapters.store.engine import FROZEN_S, LOCK_WAIT_S

pytestmark = pytest.mark.postgres


@pytest.fixture
def far(postgres_url_factory: Callable[[], str]) -> Iterator[tuple[Proxy, SqlStore]]:
    url = sa.make_url(postgres_url_factory())
    proxy = Proxy(Path(str(url.query["host"])) / ".s.PGSQL.5432")
    shown = f"postgresql+psycopg://lumen@127.0.0.1:{proxy.port}/{url.database}"
    store = open_store(shown)
    store.loops.register("main", 5, "host")
    yield proxy, store
    store.close()
    proxy.close()


def asked(proxy: Proxy, work: Callable[[], object]) -> int:
    before = proxy.asked
    work()
    return proxy.asked - before


def test_a_look_is_one_round_trip(far: tuple[Proxy, SqlStore]) -> None:
    proxy, store = far
    for look in (store.now, store.loops.watermark, store.switches.rows, store.ticks.states, store.notices.unrouted):
        assert asked(proxy, look) == 1, look


def test_a_write_is_its_statements_with_a_beginning_and_an_end(far: tuple[Proxy, SqlStore]) -> None:
    proxy, store = far
    assert asked(proxy, lambda: store.pulses.prune(store.now())) == 1 + 3


def test_connections_that_were_reset_are_replaced_unasked(far: tuple[Proxy, SqlStore]) -> None:
    proxy, store = far
    store.samples.add("main", block(0, 10))
    assert proxy.reset() > 0
    # A reset takes its moment to arrive; without it the connection would just be used.
    eventually(lambda: not proxy.lines)
    assert len(store.samples.tail("main", 100)) == 10
    assert store.samples.add("main", block(10**9, 10)) == 10


def test_a_process_that_froze_in_a_transaction_holds_nobody_up_for_longer_than_they_wait(
    far: tuple[Proxy, SqlStore],
) -> None:
    _, store = far
    assert FROZEN_S < LOCK_WAIT_S
    with store.database.glance() as connection:
        shown = connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert shown == f"{FROZEN_S}s"
