"""The rhythm's tick: one line a slot, whoever comes; trouble at the source is told, not raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.contexts import A, B, World, entries
from support.metrics import told

from lumen_workers.domain.clock import iso
from lumen_workers.domain.environment import Observed, Surrounding
from lumen_workers.domain.journal import RHYTHM, JournalEntry
from lumen_workers.engine.ticks import run_tick
from lumen_workers.experiments.rhythm import FRESH, phase_shift
from lumen_workers.pipelines.rhythm import rhythm, sync
from lumen_workers.pipelines.ticks import TICKS


@dataclass
class Room:
    """A source; ``problem`` stands in its way, ``slow`` is called before it answers."""

    name: str = "room"
    problem: str | None = None
    slow: Callable[[], object] = lambda: None

    def observe(self, since: datetime, now: datetime) -> Observed:
        assert since < now
        self.slow()
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


def test_every_tuned_loop_has_its_line_and_others_have_none(world: World) -> None:
    for loop in ("demo", "still"):
        world.store.loops.register(loop, 5, "mock")
    rhythm(world.context(tuned_loops=("main", "demo"), environment=lambda: Room()))
    assert {line.loop for line in world.store.journal.rows(RHYTHM)} == {"main", "demo"}


def test_a_slow_answer_belongs_to_the_slot_in_which_it_was_asked_for(world: World) -> None:
    known = entries(data=SCHEDULE, known=("rhythm",))
    asked = world.clock.now()
    late = Room(slow=lambda: world.clock.advance(6))
    for room in (late, Room()):
        rhythm(world.context(tuned_loops=("main",), environment=lambda room=room: room, schedule=known))
    first, second = world.store.journal.rows(RHYTHM, "main")
    assert (first.ts, second.ts) == (asked, asked + timedelta(seconds=6))
    assert [line.data["ts"] for line in (first, second)] == [iso(line.ts) for line in (first, second)]


def test_the_tick_does_not_fail_with_its_source(world: World) -> None:
    (tick,) = (tick for tick in TICKS if tick.name == "rhythm")
    known = entries(data=SCHEDULE, known=("rhythm",))
    ctx = world.context(tuned_loops=("main",), environment=lambda: Room(problem="no answer"), schedule=known)
    assert run_tick(ctx, tick) == "no answer"
    (line,) = world.store.journal.rows(RHYTHM, "main")
    assert line.data.keys() == {"ts", "inputs", "contributions", "blend", "delta_phase", "readings", "problem"}
    assert (line.data["problem"], line.data["blend"], line.data["readings"]) == ("no answer", None, 0)
    found = told(world.store)
    assert found["lumen_rhythm_problem"] == {("main",): 1.0}
    assert "lumen_rhythm_blend" not in found


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


def test_a_line_of_a_time_to_come_neither_counts_nor_hides_another(world: World) -> None:
    now = world.clock.now()
    ahead = JournalEntry(
        entry_id="x", loop="main", seq=0, kind=RHYTHM, ts=now + timedelta(days=3), data={"delta_phase": 0.4}
    )
    world.store.journal.insert([ahead])
    assert phase_shift(world.store, "main", now) == 0.0
    rhythm(world.context(tuned_loops=("main",), environment=lambda: Room()))
    assert 0 < phase_shift(world.store, "main", now) <= 0.02


@pytest.mark.parametrize(
    "data", [{}, {"delta_phase": "0.01", "blend": True, "contributions": 5}, {"contributions": {"light": "x"}}]
)
def test_a_line_of_another_form_says_nothing(world: World, data: dict[str, object]) -> None:
    world.store.journal.append("main", RHYTHM, data)
    assert phase_shift(world.store, "main", world.clock.now()) == 0.0
    assert {name for name in told(world.store) if name.startswith("lumen_rhythm")} == {"lumen_rhythm_problem"}


def test_the_exporter_tells_it(world: World) -> None:
    rhythm(world.context(tuned_loops=("main",), environment=lambda: Room()))
    found = told(world.store)
    (line,) = world.store.journal.rows(RHYTHM, "main")
    assert found["lumen_rhythm_blend"] == {("main",): line.data["blend"]}
    assert found["lumen_rhythm_delta_phase"] == {("main",): line.data["delta_phase"]}
    assert found["lumen_rhythm_contribution"] == {("main", of): v for of, v in line.data["contributions"].items()}
    assert found["lumen_rhythm_problem"] == {("main",): 0.0}
    world.clock.advance((FRESH + timedelta(seconds=1)).total_seconds())
    assert not [name for name in told(world.store) if name.startswith("lumen_rhythm")]
