"""A run's life, and every place where it may be cut."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.contexts import A, B, Steps, World
from support.store_records import verdict

from lumen_workers.domain.errors import CheckFailed, LeaseLost, NetworkError, NotFound, StoreUnavailable
from lumen_workers.domain.runs import OwedState, RunStatus, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import StageWork
from lumen_workers.engine.flow import CROSS_VERIFY, MAX_LOST, advance, claim_name, restart, start

DAY = date(2026, 1, 31)
TRACE = "ab" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def steps() -> Steps:
    return Steps()


def drain(world: World, steps: Steps, **contexts: Context) -> list[str]:
    """Do every stage message, each in its region."""
    said = []
    while messages := world.outbox.take():
        for message in messages:
            if message.task == f"lumen.{CROSS_VERIFY}":
                continue
            ctx = contexts.get(message.region.replace("-", "_")) or world.context(message.region)
            stage = message.task.rpartition(".")[2]
            payload = message.payload
            said.append(advance(ctx, steps.pipeline, stage, payload["run_id"], payload["attempt"]))
    return said


def test_a_run_goes_from_request_to_result(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    assert (run.run_id, run.status, run.trace_id) == (f"20260131-{A}-01234567", RunStatus.QUEUED, TRACE)
    assert [m.task for m in world.outbox.sent] == ["lumen.daily.build"]
    drain(world, steps)
    run = world.store.runs.get(run.run_id)
    seal = world.store.runs.seals("daily", DAY)[0]
    assert (run.status, run.winner, run.digest, run.executed_by) == (RunStatus.DONE, True, seal.digest(), A)
    assert [(s.name, s.status) for s in run.stages] == [(n, StageStatus.DONE) for n in ("build", "freeze", "verify")]
    assert steps.ran == [f"{A} build", f"{A} freeze", f"{A} verify"]
    assert list((world.folder / A / "work").iterdir()) == []


def test_the_first_to_verify_wins_and_the_other_is_superseded(world: World, steps: Steps) -> None:
    for region in (A, B):
        start(world.context(region), steps.pipeline, DAY, TRACE)
    drain(world, steps)
    runs = {run.region: run for run in world.store.runs.rows()}
    assert (runs[A].status, runs[B].status) == (RunStatus.DONE, RunStatus.SUPERSEDED)
    assert runs[A].digest == runs[B].digest
    assert world.alarms() == set()
    owed = world.store.owed.rows(CROSS_VERIFY)
    assert [(row.key, row.region, row.state) for row in owed] == [("daily/2026-01-31/r1", B, OwedState.DUE)]


def test_the_winner_asks_its_peer_at_once(world: World, steps: Steps) -> None:
    start(world.context(B), steps.pipeline, DAY, TRACE)
    asked = []
    while messages := world.outbox.take():
        for m in messages:
            if m.task == f"lumen.{CROSS_VERIFY}":
                asked.append((m.region, m.payload["key"], m.payload["trace_id"]))
            else:
                advance(world.context(m.region), steps.pipeline, m.task.rpartition(".")[2], m.payload["run_id"], 1)
    assert asked == [(A, "daily/2026-01-31/r1", TRACE)]


def test_a_region_without_peers_owes_no_cross_verification(tmp_path: Path, steps: Steps) -> None:
    world = World(tmp_path, regions=(A,))
    start(world.context(), steps.pipeline, DAY, TRACE)
    drain(world, steps)
    assert world.store.runs.rows()[0].winner
    assert world.store.owed.rows() == []
    world.close()


def test_other_bytes_from_the_same_seal_are_an_alarm_and_never_a_second_result(world: World, steps: Steps) -> None:
    steps.root = lambda work: f"{work.run.region}{work.seal.digest()}"
    for region in (A, B):
        start(world.context(region), steps.pipeline, DAY, TRACE)
    drain(world, steps)
    assert world.alarms() == {"digest_mismatch"}
    assert len(world.store.runs.results("daily")) == 1


def test_asked_for_twice_it_is_one_run(world: World, steps: Steps) -> None:
    first = start(world.context(), steps.pipeline, DAY, TRACE)
    again = start(world.context(holder="other"), steps.pipeline, DAY, "cd" * 16)
    assert again.run_id == first.run_id
    assert len(world.outbox.sent) == 1
    drain(world, steps)
    assert start(world.context(), steps.pipeline, DAY, TRACE).status is RunStatus.DONE
    assert world.outbox.sent == []


def test_every_message_delivered_twice_runs_every_stage_once(world: World, steps: Steps) -> None:
    start(world.context(), steps.pipeline, DAY, TRACE)
    while messages := world.outbox.take():
        for m in [*messages, *messages]:
            if m.task != f"lumen.{CROSS_VERIFY}":
                advance(world.context(), steps.pipeline, m.task.rpartition(".")[2], m.payload["run_id"], 1)
    assert steps.ran == [f"{A} build", f"{A} freeze", f"{A} verify"]
    assert len(world.store.runs.rows()) == 1


def test_a_message_before_its_turn_is_dropped(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    assert advance(world.context(), steps.pipeline, "verify", run.run_id, 1).startswith("early")
    assert steps.ran == []
    assert world.store.runs.get(run.run_id).status is RunStatus.QUEUED
    drain(world, steps)
    assert world.store.runs.get(run.run_id).status is RunStatus.DONE


def test_a_message_of_another_attempt_and_one_for_an_unknown_run_do_nothing(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    assert advance(world.context(), steps.pipeline, "build", run.run_id, 2).startswith("stale")
    with pytest.raises(NotFound):
        advance(world.context(), steps.pipeline, "build", "nope", 1)
    assert steps.ran == []


def test_a_message_that_finds_the_claim_held_is_dropped(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    assert world.store.leases.acquire(claim_name(run), "another", timedelta(seconds=10))
    assert advance(world.context(), steps.pipeline, "build", run.run_id, 1).startswith("claimed")
    assert steps.ran == []


def test_a_stage_that_fails_is_recorded_with_its_class_and_an_alarm(world: World, steps: Steps) -> None:
    def broken(_: StageWork) -> None:
        raise PermissionError("no\nrights\x00here")

    steps.hooks["freeze"] = broken
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    with pytest.raises(PermissionError):
        drain(world, steps)
    run = world.store.runs.get(run.run_id)
    assert (run.status, run.error_class) == (RunStatus.FAILED, "environment")
    assert run.error == "PermissionError: no rights\ufffdhere"
    assert [(s.name, s.status) for s in run.stages][-1] == ("freeze", StageStatus.FAILED)
    assert world.alarms() == {"run_failed"}
    lease = world.store.leases.get(claim_name(run))
    assert lease is not None
    assert lease.holder == ""


def test_a_failed_run_can_be_asked_for_again_and_begins_anew(world: World, steps: Steps) -> None:
    """What the failed attempt has published may be what was wrong: nothing of it is taken over, all of it is kept."""
    steps.hooks["verify"] = lambda _: (_ for _ in ()).throw(CheckFailed("tampered"))
    start(world.context(), steps.pipeline, DAY, TRACE)
    with pytest.raises(CheckFailed):
        drain(world, steps)
    steps.hooks.clear()
    steps.ran.clear()
    second = start(world.context(), steps.pipeline, DAY, TRACE)
    assert second.run_id == f"20260131-{A}-01234567.2"
    drain(world, steps)
    assert world.store.runs.get(second.run_id).status is RunStatus.DONE
    assert steps.ran == [f"{A} build", f"{A} freeze", f"{A} verify"]
    kept = list((world.folder / A / "work").iterdir())
    assert [place.name.startswith(f"failed-20260131-{A}-01234567-") for place in kept] == [True]


def test_a_zombie_records_nothing_and_its_successor_finishes(world: World, steps: Steps) -> None:
    """The claim is taken over in the middle of a stage: the first worker is fenced, whatever it still believes."""
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    world.outbox.take()
    taken: list[object] = []

    def overtaken(_: StageWork) -> None:
        if not taken:
            taken.append(world.store.leases.acquire(claim_name(run), "successor", timedelta(seconds=10), steal=True))

    steps.hooks["build"] = overtaken
    with pytest.raises(LeaseLost):
        advance(world.context(), steps.pipeline, "build", run.run_id, 1)
    stage = world.store.runs.get(run.run_id).stages[0]
    assert stage.status is StageStatus.RUNNING
    assert world.outbox.sent == []
    lease = world.store.leases.get(claim_name(run))
    assert lease is not None
    assert lease.holder == "successor"
    world.clock.advance(11)
    assert advance(world.context(holder="third"), steps.pipeline, "build", run.run_id, 1) == "build done"
    drain(world, steps)
    assert world.store.runs.get(run.run_id).status is RunStatus.DONE
    assert steps.ran.count(f"{A} build") == 1, "the zombie had published the folder; it was not built again"


def test_a_run_that_is_lost_while_its_last_stage_runs_has_no_result(world: World, steps: Steps) -> None:
    steps.hooks["verify"] = lambda work: world.store.runs.lose(work.run.run_id, "a/host/1", "no sign of life")
    start(world.context(), steps.pipeline, DAY, TRACE)
    with pytest.raises(LeaseLost):
        drain(world, steps)
    assert world.store.runs.results("daily") == []
    assert world.store.runs.rows()[0].status is RunStatus.LOST


def test_a_store_that_is_away_fails_no_run(world: World, steps: Steps) -> None:
    def away(_: StageWork) -> None:
        raise StoreUnavailable("store: away")

    steps.hooks["build"] = away
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    with pytest.raises(StoreUnavailable):
        drain(world, steps)
    assert world.store.runs.get(run.run_id).status is RunStatus.RUNNING
    assert world.alarms() == set()


def test_a_broker_that_is_away_loses_no_run(world: World, steps: Steps) -> None:
    world.outbox.error = NetworkError("broker: away")
    with pytest.raises(NetworkError):
        start(world.context(), steps.pipeline, DAY, TRACE)
    run = world.store.runs.rows()[0]
    with pytest.raises(NetworkError):
        advance(world.context(), steps.pipeline, "build", run.run_id, 1)
    run = world.store.runs.get(run.run_id)
    assert (run.status, run.stages[0].status) == (RunStatus.RUNNING, StageStatus.DONE)
    for stage in ("freeze", "verify"):
        world.outbox.error = None
        world.store.leases.get(claim_name(run))
        if stage == "verify":
            world.outbox.error = NetworkError("broker: away")
        advance(world.context(), steps.pipeline, stage, run.run_id, 1)
    assert world.store.runs.get(run.run_id).status is RunStatus.DONE, "the election stands whatever comes after it"
    assert world.store.owed.rows(CROSS_VERIFY)[0].state is OwedState.DUE


def test_what_follows_the_election_cannot_undo_it(world: World) -> None:
    def broken(_: Context) -> None:
        raise OSError("disk")

    steps = Steps(elected=broken)
    start(world.context(), steps.pipeline, DAY, TRACE)
    assert drain(world, steps)[-1].startswith("done")
    assert world.store.runs.rows()[0].status is RunStatus.DONE
    assert world.alarms() == set()


def test_a_crash_before_the_election_is_mended_by_the_same_message(world: World, steps: Steps) -> None:
    """verify is recorded, then the worker dies; its workspace may be gone too. The digest is read from the record."""
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    finish = world.store.runs.finish

    def dies(*_: object, **__: object) -> None:
        raise SystemExit

    world.store.runs.finish = dies  # type: ignore[assignment,method-assign]
    with pytest.raises(SystemExit):
        drain(world, steps)
    world.store.runs.finish = finish  # type: ignore[method-assign]
    elsewhere = world.context(holder="elsewhere", home=world.folder / "other")
    assert advance(elsewhere, steps.pipeline, "verify", run.run_id, 1).startswith("done")
    assert steps.ran.count(f"{A} verify") == 1


def test_another_machine_of_the_region_builds_what_it_lacks(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    for n, stage in enumerate(("build", "freeze", "verify")):
        advance(world.context(home=world.folder / f"m{n}", holder=f"m{n}"), steps.pipeline, stage, run.run_id, 1)
    run = world.store.runs.get(run.run_id)
    assert run.status is RunStatus.DONE
    assert [s.name for s in run.stages] == ["build", "freeze", "verify"]
    assert run.digest == world.store.runs.seals("daily", DAY)[0].digest()


def test_other_code_between_two_stages_makes_a_new_revision(world: World, steps: Steps) -> None:
    run = start(world.context(), steps.pipeline, DAY, TRACE)
    newer = world.context(code_version="f" * 64)
    advance(newer, steps.pipeline, "build", run.run_id, 1)
    runs = {r.attempt: r for r in world.store.runs.rows()}
    assert (runs[1].status, runs[2].revision, runs[2].run_id) == (RunStatus.LOST, 2, f"20260131-{A}-ffffffff.2")
    drain(world, steps, ap_northeast_2=newer)
    assert world.store.runs.get(runs[2].run_id).status is RunStatus.DONE
    assert steps.ran.count(f"{A} build") == 1


def test_two_codes_at_war_end_in_an_alarm(world: World, steps: Steps) -> None:
    """Workers of one region with different code would take every run from each other, for ever."""
    codes = [world.context(), world.context(code_version="f" * 64)]
    start(codes[0], steps.pipeline, DAY, TRACE)
    for n in range(50):
        for m in world.outbox.take():
            advance(codes[(n + 1) % 2], steps.pipeline, "build", m.payload["run_id"], m.payload["attempt"])
    assert len(world.store.runs.rows()) == MAX_LOST
    assert world.alarms() == {"run_lost"}


def test_losses_count_from_the_last_attempt_that_ended_otherwise(world: World, steps: Steps) -> None:
    ctx = world.context()
    run = start(ctx, steps.pipeline, DAY, TRACE)
    for _ in range(MAX_LOST - 1):
        world.store.runs.lose(run.run_id, "a/host/1", "no sign of life")
        following = restart(ctx, steps.pipeline, run)
        assert following is not None
        run = following
    world.store.runs.fail(run.run_id, None, verdict=verdict("unknown"), error="x")
    run = start(ctx, steps.pipeline, DAY, TRACE)
    world.store.runs.lose(run.run_id, "a/host/1", "no sign of life")
    assert restart(ctx, steps.pipeline, run) is not None
