"""The rhythm's tick: one line a slot, whoever comes; trouble at the source is told, not raised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.contexts import A, B, World, entries

from lumen_workers.domain.environment import Observed, Surrounding
from lumen_workers.domain.journal import RHYTHM
from lumen_workers.experiments.rhythm import FRESH, phase_shift
from lumen_workers.observability.signals import rhythms
from lumen_workers.pipelines.rhythm import rhythm, sync


@dataclass
class Room:
    """A source; ``problem`` stands in its way."""

    name: str = "room"
    problem: str | None = None

    def observe(self, since: datetime, now: datetime) -> Observed:
        assert since < now
        if self.problem is not None:
            return Observed(problem=self.problem)
        return Observed(readings=(Surrounding(ts=now, light_intensity=500.0, ambient_temp=25.0, sound_level=40.0),))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.store.loops.register("main", 5, "mock")
    yield made
    made.close()


SCHEDULE = {"rhythm": {"run": "rhythm", "every_s": 5}}


def test_without_a_source_nothing_is_written(world: World) -> None:
    assert rhythm(world.context(tuned_loops=("main",))) == "no source"
    assert world.store.journal.rows(RHYTHM) == []
    assert phase_shift(world.store, "main", world.clock.now()) == 0.0


def test_two_regions_in_one_slot_write_one_line(world: World) -> None:
    room = Room()
    known = entries(data={**SCHEDULE, "effects": {"run": "effects", "every_s": 5}}, known=("rhythm", "effects"))
    for region in (A, B):
        ctx = world.context(region, tuned_loops=("main",), environment=lambda: room, schedule=known)
        assert rhythm(ctx).startswith("phase target +0.0")
    (line,) = world.store.journal.rows(RHYTHM, "main")
    assert line.data["contributions"]["temperature"] == pytest.approx(1.0)
    assert line.data["delta_phase"] == pytest.approx(phase_shift(world.store, "main", world.clock.now()))
    assert 0 < line.data["delta_phase"] <= 0.02
    world.clock.advance(5)
    rhythm(world.context(A, tuned_loops=("main",), environment=lambda: room, schedule=known))
    assert len(world.store.journal.rows(RHYTHM, "main")) == 2


def test_trouble_at_the_source_shifts_nothing(world: World) -> None:
    ctx = world.context(tuned_loops=("main",), environment=lambda: Room(problem="no answer within 2 s"))
    assert rhythm(ctx) == "no answer within 2 s"
    assert phase_shift(world.store, "main", world.clock.now()) == 0.0
    found = sync(replace(ctx, environment=lambda: Room()))
    assert found is not None
    assert found["delta_phase"] > 0


def test_an_old_line_shifts_nothing(world: World) -> None:
    rhythm(world.context(tuned_loops=("main",), environment=lambda: Room()))
    assert phase_shift(world.store, "main", world.clock.now()) > 0
    world.clock.advance((FRESH + timedelta(seconds=1)).total_seconds())
    assert phase_shift(world.store, "main", world.clock.now()) == 0.0


def test_the_exporter_tells_it(world: World) -> None:
    rhythm(world.context(tuned_loops=("main",), environment=lambda: Room()))
    found = {family.name: family for family in rhythms(world.store, None, world.clock.now())}  # type: ignore[arg-type]
    assert set(found) == {"lumen_rhythm_blend", "lumen_rhythm_delta_phase", "lumen_rhythm_contribution"}
    assert len(found["lumen_rhythm_contribution"].samples) == 4
