"""Which rate a loop runs at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.gateways import BY, LOOPS, locked

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import UsageError
from lumen_workers.loop.rates import at_rates, command, rate_of

MAIN = LOOPS["main"]


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    for spec in LOOPS.values():
        opened.loops.register(spec.name, spec.rate_hz, spec.source)
    yield opened
    opened.close()


def test_a_command_holds_until_the_declaration_changes(store: SqlStore) -> None:
    assert rate_of(MAIN, store.loops.settings()) == 5
    command(store, MAIN, by=BY, rate_hz=10)
    assert rate_of(MAIN, store.loops.settings()) == 10
    assert at_rates(LOOPS.values(), store.loops.settings()) == (replace(MAIN, rate_hz=10), LOOPS["demo"])
    assert rate_of(replace(MAIN, rate_hz=20), store.loops.settings()) == 20
    command(store, MAIN, by=BY, sync_mode="free_run")
    assert rate_of(MAIN, store.loops.settings()) == 10
    assert rate_of(replace(MAIN, name="new"), store.loops.settings()) == 5


def test_what_cannot_be_commanded(store: SqlStore) -> None:
    with pytest.raises(UsageError, match="give --rate-hz or --sync-mode"):
        command(store, MAIN, by=BY)
    with pytest.raises(UsageError, match="rate 3 Hz: use one of 1, 2, 4"):
        command(store, MAIN, by=BY, rate_hz=3)
    with pytest.raises(UsageError, match="sync mode 'No Such'"):
        command(store, MAIN, by=BY, sync_mode="No Such")
    assert store.journal.rows() == []


def test_a_loop_that_is_locked_in_stays_as_it_is(store: SqlStore) -> None:
    locked(store)
    with pytest.raises(UsageError, match="locked in; `lumen gateway unlock`"):
        command(store, MAIN, by=BY, rate_hz=10)
    assert store.loops.rates()["main"] == 5
