"""Which revision a region builds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from support.contexts import NOON, A, B, Steps, World
from support.store_records import verdict

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.journal import COMMAND
from lumen_workers.domain.records import RuleEvent
from lumen_workers.domain.runs import Run, RunStatus, Seal
from lumen_workers.domain.signals import Block
from lumen_workers.engine.flow import advance, start
from lumen_workers.engine.seals import JOIN_WINDOW, parse_day, seal_for

DAY = date(2026, 1, 31)
TODAY = date(2026, 2, 1)
SEOUL = ZoneInfo("Asia/Seoul")
STEPS = Steps()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.store.loops.register("main", 5, "host")
    yield made
    made.close()


def run(world: World, day: date, region: str = A) -> Run:
    """Ask for the day and do all of it."""
    ctx = world.context(region)
    asked = start(ctx, STEPS.pipeline, day, "ab" * 16)
    world.outbox.take()
    if not asked.status.final:
        for stage in ("build", "freeze", "verify"):
            advance(ctx, STEPS.pipeline, stage, asked.run_id, asked.attempt)
    world.outbox.take()
    return world.store.runs.get(asked.run_id)


def sample(world: World, when: datetime, *, loop: str = "main", count: int = 5) -> None:
    ts = np.arange(count, dtype=np.int64) * 200_000 + to_us(when)
    world.store.samples.add(loop, Block(ts, np.full((count, 4), 0.5)))


def revisions(world: World, day: date) -> int:
    return len(world.store.runs.seals("daily", day))


def test_a_seal_says_all_that_is_built_from(world: World) -> None:
    sample(world, NOON - timedelta(days=1))
    seal = seal_for(world.context(), "daily", DAY, [])
    assert (seal.start, seal.end) == (datetime(2026, 1, 30, 15, tzinfo=UTC), datetime(2026, 1, 31, 15, tzinfo=UTC))
    assert (seal.cutoff, seal.provisional, seal.revision) == (seal.end, False, 1)
    assert seal.watermark == world.store.loops.watermark()
    assert seal.settings["rates"] == {"main": 5}
    assert seal.prev_digest is None


def test_two_regions_that_seal_at_once_get_one_seal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write = world.store.runs.seal
    theirs: list[Seal | None] = []

    def late(seal: Seal) -> Seal:
        if not theirs:
            theirs.append(None)
            sample(world, NOON - timedelta(days=1))
            theirs[0] = seal_for(world.context(B), "daily", DAY, [])
        return write(seal)

    monkeypatch.setattr(world.store.runs, "seal", late)
    ours = seal_for(world.context(A), "daily", DAY, [])
    assert ours == theirs[0]
    assert revisions(world, DAY) == 1


def test_a_closed_day_run_again_is_the_same_run(world: World) -> None:
    sample(world, NOON - timedelta(days=1))
    first = run(world, DAY)
    assert run(world, DAY).run_id == first.run_id
    assert revisions(world, DAY) == 1


def test_late_samples_make_a_new_revision_and_rows_of_other_days_do_not(world: World) -> None:
    sample(world, NOON - timedelta(days=1))
    first = run(world, DAY)
    sample(world, NOON)
    world.store.loops.register("other", 5, "mock")
    sample(world, NOON, loop="other")
    assert run(world, DAY).run_id == first.run_id
    sample(world, NOON - timedelta(hours=20))
    second = run(world, DAY)
    assert (second.revision, second.status, second.attempt) == (2, RunStatus.DONE, 2)
    assert second.digest != first.digest


def test_a_journal_line_that_comes_late_makes_a_new_revision(world: World) -> None:
    sample(world, NOON - timedelta(days=1))
    first = run(world, DAY)
    world.store.journal.append("main", COMMAND, {"cmd": "gateway.lock", "by": "kim"}, ts=NOON)
    assert run(world, DAY).run_id == first.run_id
    world.store.journal.append("main", COMMAND, {"cmd": "gateway.lock", "by": "kim"}, ts=NOON - timedelta(days=1))
    assert run(world, DAY).revision == 2


def test_a_change_that_reaches_its_loop_late_makes_a_new_revision(world: World) -> None:
    when = NOON - timedelta(days=1)
    event = RuleEvent(event_id="e", loop="main", seq=0, ts=when, actor="x", rule="risk_max", old=0.3, new=0.2)
    world.store.rules.insert([event])
    run(world, DAY)
    world.store.rules.applied("e", when + timedelta(seconds=1), "file")
    assert run(world, DAY).revision == 2


def test_a_region_that_comes_later_joins_the_seal_that_stands_and_leaves_late_rows_out(world: World) -> None:
    sample(world, NOON - timedelta(days=1))
    first = run(world, DAY, A)
    sample(world, NOON - timedelta(hours=20))
    joined = run(world, DAY, B)
    assert (joined.revision, joined.digest, joined.status) == (1, first.digest, RunStatus.SUPERSEDED)
    assert run(world, DAY, B).revision == 2


def test_today_is_provisional_and_each_asking_is_a_new_revision(world: World) -> None:
    first = run(world, TODAY)
    seal = world.store.runs.seals("daily", TODAY)[0]
    assert (seal.cutoff, seal.provisional) == (NOON, True)
    world.clock.advance(60)
    assert run(world, TODAY, B).revision == 1, "the other region joins while it is fresh"
    assert (first.revision, run(world, TODAY).revision) == (1, 2)


def test_a_provisional_seal_that_is_not_fresh_is_not_joined(world: World) -> None:
    run(world, TODAY)
    world.clock.advance(JOIN_WINDOW.total_seconds() + 1)
    assert run(world, TODAY, B).revision == 2


def test_a_provisional_run_that_still_goes_on_is_joined(world: World) -> None:
    open_run = start(world.context(), STEPS.pipeline, TODAY, "ab" * 16)
    world.clock.advance(3600)
    assert start(world.context(), STEPS.pipeline, TODAY, "ab" * 16).run_id == open_run.run_id


def test_a_provisional_day_is_sealed_anew_when_it_has_ended(world: World) -> None:
    run(world, TODAY)
    world.clock.advance(24 * 3600)
    closed = run(world, TODAY)
    seals = world.store.runs.seals("daily", TODAY)
    assert (closed.revision, seals[1].provisional, seals[1].cutoff) == (2, False, seals[1].end)


@pytest.mark.parametrize("change", [{"code_version": "f" * 64}, {"config_digest": "00" * 32}])
def test_other_code_or_configuration_is_a_new_revision(world: World, change: dict[str, str]) -> None:
    seal_for(world.context(), "daily", DAY, [])
    assert seal_for(world.context(B, **change), "daily", DAY, []).revision == 2


def test_a_failed_attempt_is_repeated_from_the_same_seal(world: World) -> None:
    failed = start(world.context(), STEPS.pipeline, DAY, "ab" * 16)
    world.store.runs.fail(failed.run_id, None, verdict=verdict("unknown"), error="x")
    again = run(world, DAY)
    assert (again.revision, again.attempt, again.status) == (1, 2, RunStatus.DONE)


def test_a_seal_names_the_digest_of_the_day_before(world: World) -> None:
    before = run(world, DAY - timedelta(days=1))
    sample(world, NOON - timedelta(days=2))
    newest = run(world, DAY - timedelta(days=1))
    assert newest.digest != before.digest
    assert seal_for(world.context(), "daily", DAY, []).prev_digest == newest.digest


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Asia/Beirut", date(2026, 3, 29), 23),  # midnight itself does not exist
        ("America/Havana", date(2026, 11, 1), 25),  # midnight is there twice
        ("Asia/Seoul", date(2026, 3, 29), 24),
    ],
)
def test_days_are_as_long_as_their_zone_has_them(tmp_path: Path, zone: str, day: date, hours: int) -> None:
    world = World(tmp_path, zone=ZoneInfo(zone), now=datetime(2026, 12, 1, tzinfo=UTC))
    seals = [seal_for(world.context(), "daily", day + timedelta(days=n), []) for n in (-1, 0, 1)]
    assert seals[1].end - seals[1].start == timedelta(hours=hours)
    assert (seals[0].end, seals[1].end) == (seals[1].start, seals[2].start)
    world.close()


def test_a_day_is_named_in_the_zone() -> None:
    late = datetime(2026, 1, 31, 16, tzinfo=UTC)
    assert parse_day("today", late, SEOUL) == date(2026, 2, 1)
    assert parse_day("yesterday", late, SEOUL) == date(2026, 1, 31)
    assert parse_day("2026-02-01", late, SEOUL) == date(2026, 2, 1)
    with pytest.raises(UsageError, match="has not begun"):
        parse_day("2026-02-01", late, ZoneInfo("UTC"))
    for text in ("tomorrow", "2026-13-01", "", "31.1.2026"):
        with pytest.raises(UsageError, match="YYYY-MM-DD"):
            parse_day(text, late, SEOUL)
