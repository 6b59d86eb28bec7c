"""A stage: provided, published, recorded, or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.contexts import A, Steps, World

from lumen_workers.domain.errors import LeaseLost, StoreUnavailable
from lumen_workers.domain.runs import Lease, Run, Seal, StageRun, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline, Stage, StageWork
from lumen_workers.engine.execute import execute, sweep, told, workspace
from lumen_workers.engine.flow import claim_name, start

DAY = date(2026, 1, 31)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def claimed(world: World, steps: Steps, ctx: Context) -> tuple[Run, Seal, Lease]:
    run = start(ctx, steps.pipeline, DAY, "ab" * 16)
    lease = world.store.leases.acquire(claim_name(run), ctx.holder, ctx.lease_ttl, steal=True)
    assert lease is not None
    return run, world.store.runs.seals("daily", DAY)[0], lease


def test_what_is_published_is_whole(world: World) -> None:
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    place = workspace(ctx, run, seal)

    def look(work: StageWork) -> None:
        assert not (place / "build").exists()
        assert work.folder.parent == place

    steps.hooks["build"] = look
    done = execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert (done.status, done.outputs) == (StageStatus.DONE, {"n": 1})
    assert done.seconds is not None
    assert sorted(p.name for p in place.iterdir()) == ["build"]


def test_a_stage_that_fails_publishes_nothing(world: World) -> None:
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    steps.hooks["build"] = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert not (workspace(ctx, run, seal) / "build").exists()
    steps.hooks.clear()
    execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert world.store.runs.get(run.run_id).stages[0].status is StageStatus.DONE


def test_a_folder_of_another_seal_is_never_taken(world: World, tmp_path: Path) -> None:
    """The store was made anew, the home was not: the same day and revision, other rows."""
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    fresh = World(tmp_path)
    fresh.clock.advance(5)
    ctx = fresh.context()
    run, seal, lease = claimed(fresh, steps, ctx)
    execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert steps.ran == [f"{A} build"] * 2
    fresh.close()


def test_of_two_that_publish_at_once_the_first_stands(world: World) -> None:
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    calls: list[int] = []

    def build(work: StageWork) -> dict[str, int]:
        calls.append(1)
        (work.folder / "x").write_text("x")
        if len(calls) == 1:
            again = world.store.leases.acquire(claim_name(run), "second", timedelta(seconds=10), steal=True)
            assert again is not None
            execute(pipeline.stages[0], pipeline, ctx, run, seal, again)
        return {"by": len(calls)}

    pipeline = Pipeline(name="daily", stages=(Stage(name="build", run=build),))
    with pytest.raises(LeaseLost):
        execute(pipeline.stages[0], pipeline, ctx, run, seal, lease)
    assert world.store.runs.get(run.run_id).stages[0].outputs == {"by": 2}
    assert sorted(p.name for p in workspace(ctx, run, seal).iterdir()) == ["build"]


def test_recording_waits_for_a_store_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    ended, tries = world.store.runs.stage_ended, []

    def away(stage: StageRun, held: Lease) -> None:
        tries.append(1)
        if len(tries) < 4:
            raise StoreUnavailable("away")
        ended(stage, held)

    monkeypatch.setattr(world.store.runs, "stage_ended", away)
    execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert len(tries) == 4
    assert world.store.runs.get(run.run_id).stages[0].status is StageStatus.DONE


def test_what_cannot_be_recorded_until_the_lease_is_lost_has_not_happened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, ctx = Steps(), world.context(lease_ttl=timedelta(seconds=0.3))
    run, seal, lease = claimed(world, steps, ctx)

    def away(*_: object) -> None:
        time.sleep(0.01)
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store.runs, "stage_ended", away)
    monkeypatch.setattr(world.store.leases, "renew", away)
    with pytest.raises(StoreUnavailable):
        execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert world.store.runs.get(run.run_id).stages[0].status is StageStatus.RUNNING


def test_an_interrupted_stage_is_recorded_as_failed(world: World) -> None:
    steps, ctx = Steps(), world.context()
    run, seal, lease = claimed(world, steps, ctx)
    steps.hooks["build"] = lambda _: (_ for _ in ()).throw(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        execute(steps.pipeline.stage("build"), steps.pipeline, ctx, run, seal, lease)
    assert world.store.runs.get(run.run_id).stages[0].status is StageStatus.FAILED


def test_an_error_is_told_in_one_line_of_bounded_length() -> None:
    assert told(ValueError("a\n b\x00")) == "ValueError: a b\ufffd"
    assert len(told(ValueError("x" * 10_000))) == 2000


def test_only_what_nobody_has_touched_for_days_is_swept(world: World) -> None:
    ctx = world.context()
    assert sweep(ctx) == 0
    for name in ("old", "young"):
        (ctx.work / name / "build").mkdir(parents=True)
    long_ago = time.time() - 3 * 86_400
    os.utime(ctx.work / "old", (long_ago, long_ago))
    assert sweep(ctx) == 1
    assert [p.name for p in ctx.work.iterdir()] == ["young"]
