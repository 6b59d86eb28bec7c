"""Each invariant of the chaos suite can fail: a store that violates it is caught."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from chaos.harness.invariants import Scene, violations
from chaos.harness.record import Record, quantile, summary_of
from chaos.harness.watches import Epochs, Samples
from support.contexts import A, B, World
from support.store_records import block, verdict

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import SendState
from lumen_workers.domain.recipients import Recipient, Routes
from lumen_workers.engine.flow import CROSS_VERIFY, advance, start
from lumen_workers.engine.outbox import deliver
from lumen_workers.pipelines.crosscheck import cross_verify
from lumen_workers.pipelines.daily import DAILY_PIPELINE

DAY = date(2026, 1, 20)


class Scenery:
    """A day that two regions have closed for real, and its scene."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        to = Recipient(name="mail", channel="memory")
        self.world.routes = Routes(alarms={"page": (), "ticket": ()}, report=(to,), everyone=(to,))
        self.world.store.loops.register("main", 5, "mock")
        for region in (A, B):
            ctx = self.world.context(region)
            run = start(ctx, DAILY_PIPELINE, DAY, region.encode().hex()[:32].ljust(32, "0"))
            for stage in DAILY_PIPELINE.stages:
                advance(ctx, DAILY_PIPELINE, stage.name, run.run_id, run.attempt)
        cross_verify(self.world.context(B), f"daily/{DAY}/r1")
        deliver(self.world.context())
        self.received = {
            (name, telling.message_id): sum(t.message_id == telling.message_id for _, t in self.world.memory.told)
            for name, telling in self.world.memory.told
        }

    @property
    def store(self) -> SqlStore:
        assert isinstance(self.world.store, SqlStore)
        return self.world.store

    @property
    def scene(self) -> Scene:
        return Scene(
            store=self.store,
            archive=self.world.folder / "archive",
            pins={name: key.fingerprint for name, key in self.world.keys.items()},
            roots=self.world.roots(),
            received=self.received,
            readers=("mail",),
        )

    def change(self, statement: str) -> None:
        with self.store.database.write() as connection:
            connection.execute(sa.text(statement))

    def found(self) -> str:
        return "\n".join(violations(self.scene, DAY))


@pytest.fixture
def scenery(tmp_path: Path) -> Iterator[Scenery]:
    made = Scenery(tmp_path)
    yield made
    made.world.close()


def test_a_day_in_order_holds(scenery: Scenery) -> None:
    assert scenery.found() == ""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE runs SET status = 'done' WHERE status = 'superseded'", "done are"),
        ("UPDATE runs SET status = 'running' WHERE status = 'superseded'", "is still running"),
        ("UPDATE runs SET digest = 'ff' WHERE status = 'superseded'", "built ff"),
        ("DELETE FROM results", "has no result"),
        ("UPDATE results SET digest = 'ff'", "ff"),
        (f"UPDATE owed SET state = 'due' WHERE kind = '{CROSS_VERIFY}'", "daily/2026-01-20/r1"),
        ("UPDATE audit SET event = 'nothing' WHERE seq = 2", "audit"),
        ("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)", "audit"),
        ("DELETE FROM sends", "0 sends to mail"),
        ("UPDATE sends SET state = 'in_doubt'", "in_doubt"),
    ],
)
def test_a_store_that_was_changed_is_caught(scenery: Scenery, statement: str, said: str) -> None:
    scenery.change(statement)
    assert said in scenery.found()


def test_a_report_that_came_twice_or_never_is_caught(scenery: Scenery) -> None:
    [(key, count)] = scenery.received.items()
    assert count == 1
    scenery.received = {key: 2}
    assert "2" in scenery.found()
    scenery.received = {}
    assert scenery.store.sends.rows()[0].state is SendState.SENT
    assert scenery.found() != ""


def test_an_archive_that_differs_or_is_gone_is_caught(scenery: Scenery) -> None:
    place = scenery.world.folder / "archive" / DAY.isoformat()
    (place / "SHA256SUMS.txt").write_text("")
    assert scenery.found() != ""
    shutil.rmtree(place)
    assert scenery.found() != ""


def test_a_failed_run_without_ticket_and_a_grave_alarm_are_caught(scenery: Scenery) -> None:
    other = start(scenery.world.context(), DAILY_PIPELINE, DAY - timedelta(days=1), "ef" * 16)
    scenery.store.runs.fail(other.run_id, None, verdict=verdict("build"), error="no")
    assert "\n".join(violations(scenery.scene, DAY - timedelta(days=1))) != ""
    scenery.store.notices.raise_alarm("digest/x", "digest_mismatch", AlarmSeverity.PAGE, "roots differ")
    assert "digest" in scenery.found()


def test_samples_that_are_lost_beyond_what_is_allowed_are_caught(scenery: Scenery) -> None:
    watch = Samples(scenery.store, {"main": 5})
    begin = to_us(scenery.store.now())
    scenery.store.samples.add("main", block(begin, 50))
    scenery.store.samples.add("main", block(begin + 40_000_000, 100))
    scenery.world.clock.advance(62)
    lost, found = watch.look(10.0)
    assert lost["main"] > 20
    assert found != []


def test_an_epoch_that_falls_is_caught(scenery: Scenery) -> None:
    watch = Epochs()
    lease = scenery.store.leases.acquire("x", "a/h/1", timedelta(minutes=1))
    assert lease is not None
    scenery.store.leases.acquire("x", "a/h/2", timedelta(minutes=1), steal=True)
    assert watch.look(scenery.store) == []
    scenery.change("UPDATE leases SET epoch = 1 WHERE name = 'x'")
    assert "x" in watch.look(scenery.store)[0]


def test_the_record_is_appended_to_and_summed_up(tmp_path: Path) -> None:
    record = Record(tmp_path)
    line = {"event": "zombie", "violations": [], "recovery_s": 4.0, "day_s": None}
    record.append(line)
    record.append(line | {"recovery_s": 8.0, "violations": ["two results"]})
    with (tmp_path / "chaos.jsonl").open("a") as file:
        file.write('{"torn": ')
    record.append({"event": "zombie", "violations": ["late"], "late_of": 1})
    summary = record.summarize()
    assert (summary["runs"], summary["violations"]) == (2, 2)
    assert summary["events"]["zombie"]["recovery_s"] == {"n": 2, "p50": 4.0, "p95": 8.0}
    assert summary == summary_of(record.lines())
    assert quantile([], 0.5) is None
