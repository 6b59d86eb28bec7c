"""The sampler lane with real threads and short times: hand-over, loss of the store, clocks, faults."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.sampler import Bench, Polled, wait_until

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import ConfigError, StoreUnavailable
from lumen_workers.domain.gateway import LoopSetting
from lumen_workers.domain.ports import Source
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.regions import Pulse
from lumen_workers.domain.runs import Lease
from lumen_workers.domain.signals import Block, Reading
from lumen_workers.loop.burst import Ending
from lumen_workers.loop.claim import lease_name

pytestmark = pytest.mark.deadlines

PERIOD = 20_000
MAIN = LoopSpec(name="main", rate_hz=50, source="mock")
DEMO = LoopSpec(name="demo", rate_hz=20, source="mock")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def stored(bench: Bench, loop: str = "main", period: int = PERIOD) -> list[int]:
    return bench.store.ticks(loop, period)


def lease(bench: Bench) -> Lease:
    row = bench.store.get(lease_name("main"))
    assert row is not None
    return row


def pulse(bench: Bench, lane: str, age_s: float) -> Pulse:
    """East's last sign of life, so long ago."""
    seen = bench.store.now() - timedelta(seconds=age_s)
    return Pulse(region="east", lane=lane, host="h", holder="east/h/1", started=seen, seen=seen, code_version="0")


def unbroken(bench: Bench, loop: str = "main", period: int = PERIOD, skipped: int = 0) -> bool:
    """Whether every tick from the first to the last is there, but for those that a busy machine skipped."""
    ticks = stored(bench, loop, period)
    return ticks[-1] - ticks[0] + 1 - len(ticks) == skipped


def sampled(bench: Bench, count: int, loop: str = "main") -> None:
    start = len(bench.store.rows.get(loop, {}))
    wait_until(lambda: len(bench.store.rows.get(loop, {})) >= start + count)


def test_a_burst_hands_over_within_the_process_without_a_gap(bench: Bench) -> None:
    lane = bench.lane()
    skipped = 0
    running = bench.burst(lane)
    for _ in range(4):
        sampled(bench, 10)
        after = bench.burst(lane)
        report = running.report()
        assert report.ending is Ending.HANDED_OVER
        assert report.loops["main"].samples > 0
        skipped += report.loops["main"].skipped
        running = after
    sampled(bench, 10)
    lane.stop()
    last = running.report()
    assert last.ending is Ending.STOPPED
    assert unbroken(bench, skipped=skipped + last.loops["main"].skipped)
    (source,) = bench.sources
    assert len(set(source.reads)) == len(source.reads)
    assert bench.store.rewrites == 0
    assert lease(bench).epoch == 1


def test_a_stopped_lane_gives_its_lease_back_and_starts_no_more(bench: Bench) -> None:
    stop = threading.Event()
    lane = bench.lane()
    running = bench.burst(lane, stop)
    sampled(bench, 5)
    stop.set()
    report = running.report()
    assert report.ending is Ending.STOPPED
    assert report.loops["main"].samples == len(stored(bench))
    row = lease(bench)
    assert row.expires <= bench.store.now()
    again = bench.burst(lane)
    sampled(bench, 5)
    lane.stop()
    assert again.report().ending is Ending.STOPPED
    assert lane.burst().ending is Ending.IDLE


def test_a_worker_of_the_same_region_takes_over_live(bench: Bench) -> None:
    old, new = bench.lane(), bench.lane()
    first = bench.burst(old)
    sampled(bench, 5)
    old.drain()
    assert old.burst().ending is Ending.IDLE
    second = bench.burst(new)
    report = first.report()
    assert report.ending is Ending.LOST
    sampled(bench, 5)
    row = lease(bench)
    assert row.holder == "east/host-a/2/1"
    assert row.epoch == 2
    new.stop()
    assert second.report().ending is Ending.STOPPED
    assert unbroken(bench)
    assert bench.sources[1].opened_at[0] in [tick * PERIOD for tick in stored(bench)]


def test_a_successor_that_is_slow_to_begin_costs_no_tick(bench: Bench) -> None:
    class Late(Polled):
        """Longer to open than the old holder needs to notice that its lease is gone."""

        def open(self, last_us: int | None) -> None:
            time.sleep(1.5)
            super().open(last_us)

    def make(spec: LoopSpec) -> Source:
        bench.sources.append(Late())
        return bench.sources[-1]

    old, new = bench.lane(), bench.lane(make_source=make)
    first = bench.burst(old)
    sampled(bench, 5)
    second = bench.burst(new)
    report = first.report()
    assert report.ending is Ending.LOST
    sampled(bench, 5)
    new.stop()
    skipped = report.loops["main"].skipped + second.report().loops["main"].skipped
    assert bench.sources[1].reads
    assert unbroken(bench, skipped=skipped)


def test_a_lane_without_successor_drains_for_a_while_and_lets_go(bench: Bench) -> None:
    lane = bench.lane(handover_s=0.4)
    running = bench.burst(lane)
    sampled(bench, 5)
    before = len(stored(bench))
    lane.drain()
    assert running.report().ending is Ending.DRAINED
    assert len(stored(bench)) > before
    assert lease(bench).expires <= bench.store.now()


def test_a_burst_without_successor_ends_but_not_while_the_store_is_away(bench: Bench) -> None:
    lane = bench.lane(max_s=0.5)
    assert bench.burst(lane).report().ending is Ending.EXPIRED
    running = bench.burst(lane)
    sampled(bench, 2)
    bench.store.away = True
    time.sleep(0.9)
    assert running.is_alive()
    bench.store.away = False
    assert running.report().ending is Ending.EXPIRED


def test_other_regions_wait_for_the_lease_to_expire(bench: Bench) -> None:
    east = bench.lane(lease_ttl=timedelta(seconds=30))
    west = bench.lane(region="west")
    running = bench.burst(east)
    sampled(bench, 2)
    assert west.burst().ending is Ending.IDLE
    east.stop()
    running.report()
    taken = bench.burst(west)
    sampled(bench, 2)
    west.stop()
    assert taken.report().loops["main"].samples > 0


def test_a_home_that_gives_no_sign_of_life_is_taken_over_as_soon_as_its_lease_ends(bench: Bench) -> None:
    long, ttl = timedelta(seconds=30), timedelta(seconds=0.4)
    home = LoopSpec(name="main", rate_hz=50, source="mock", region="east")
    east, west = bench.lane((home,), lease_ttl=ttl), bench.lane((home,), region="west", lease_ttl=long)
    running = bench.burst(east)
    sampled(bench, 2)
    east.stop()
    running.report()
    assert west.burst().ending is Ending.IDLE, "the home has a lease's time to come back"
    bench.store.pulses.known = [pulse(bench, "sampler", 60), pulse(bench, "jobs", 0)]
    taken = bench.burst(west)
    sampled(bench, 2)
    west.stop()
    assert taken.report().loops["main"].samples > 0


def test_a_drained_region_samples_on_until_another_has_taken_over_and_takes_nothing_back(bench: Bench) -> None:
    east = bench.lane(lease_ttl=timedelta(seconds=30))
    west = bench.lane(region="west")
    running = bench.burst(east)
    sampled(bench, 2)
    bench.store.switches.names.append("drain/east")
    taken = bench.burst(west)
    report = running.report()
    assert report.ending is Ending.LOST
    assert east.burst().ending is Ending.IDLE
    sampled(bench, 2)
    west.stop()
    assert taken.report().loops["main"].samples > 0


def test_while_the_store_is_away_samples_are_spooled_and_come_back(bench: Bench, tmp_path: Path) -> None:
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    bench.store.away = True
    at_loss = len(stored(bench))
    wait_until(lambda: any((tmp_path / "spool").glob("*.spool")))
    time.sleep(0.5)
    assert len(stored(bench)) == at_loss
    bench.store.away = False
    wait_until(lambda: not any((tmp_path / "spool").glob("*.spool")))
    sampled(bench, 5)
    lane.stop()
    report = running.report().loops["main"]
    assert report.spooled > 10
    assert report.discarded == 0
    assert report.samples == len(stored(bench))
    assert unbroken(bench, skipped=report.skipped)


def test_a_burst_that_lost_its_epoch_while_the_store_was_away_replays_and_ends(bench: Bench) -> None:
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    before = stored(bench)
    # Another worker takes the lease at the moment the store goes away from us.
    bench.store.acquire(lease_name("main"), "east/host-b/1/1", timedelta(seconds=10), steal=True)
    bench.store.away = True
    time.sleep(0.5)
    bench.store.away = False
    report = running.report()
    assert report.ending is Ending.LOST
    assert report.loops["main"].spooled > 0
    assert unbroken(bench, skipped=report.loops["main"].skipped)
    assert stored(bench)[-1] >= before[-1] + 20
    row = lease(bench)
    assert row.holder == "east/host-b/1/1"


def test_what_a_dead_process_spooled_is_adopted(bench: Bench, tmp_path: Path) -> None:
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    bench.store.away = True
    time.sleep(0.3)
    lane.stop()
    report = running.report().loops["main"]
    assert report.samples > len(stored(bench))
    assert len(list((tmp_path / "spool").glob("*.spool"))) == 1
    bench.store.away = False
    heir = bench.lane()
    later = bench.burst(heir)
    wait_until(lambda: not any((tmp_path / "spool").glob("*.spool")))
    heir.stop()
    total = report.samples + later.report().loops["main"].samples
    assert len(stored(bench)) == total


def test_a_first_burst_without_a_store_says_so(bench: Bench) -> None:
    bench.store.away = True
    lane = bench.lane()
    with pytest.raises(StoreUnavailable):
        lane.burst()
    bench.store.away = False
    running = bench.burst(lane)
    sampled(bench, 2)
    lane.stop()
    assert running.report().ending is Ending.STOPPED


def test_a_later_burst_takes_the_baton_even_without_a_store(bench: Bench) -> None:
    lane = bench.lane()
    first = bench.burst(lane)
    sampled(bench, 2)
    bench.store.away = True
    second = bench.burst(lane)
    assert first.report().ending is Ending.HANDED_OVER
    bench.store.away = False
    sampled(bench, 2)
    lane.stop()
    assert second.report().ending is Ending.STOPPED


def test_times_are_the_stores_however_wrong_this_clock_is(bench: Bench) -> None:
    bench.store.offset = timedelta(minutes=5)
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    lane.stop()
    assert running.report().loops["main"].skipped == 0
    last_us = stored(bench)[-1] * PERIOD
    ahead_s = last_us / US - time.time()
    assert 295 < ahead_s < 301


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_store_clock_that_is_set_is_followed_at_the_next_burst(bench: Bench, minutes: int) -> None:
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    bench.store.offset = timedelta(minutes=minutes)
    after = bench.burst(lane)
    running.report()
    sampled(bench, 5)
    lane.stop()
    report = after.report().loops["main"]
    newest = max(bench.sources[0].reads[-1:])
    assert abs(newest / US - time.time() - minutes * 60) < 5
    if minutes > 0:
        assert report.skipped >= 14_000


class Odd(Polled):
    """Gives now a value above 1, now NaN, now raises."""

    def read(self, tick_us: int, lateness_s: float) -> Block:
        self.reads.append(tick_us)
        kind = len(self.reads) % 4
        if kind == 0:
            raise KeyError("a bug")
        value = {1: 0.5, 2: 1.5, 3: float("nan")}[kind]
        return Block.of([(tick_us, Reading(0.1, 0.2, 0.3, value))])


class Slow(Polled):
    """Takes longer than two of the other loop's periods."""

    def read(self, tick_us: int, lateness_s: float) -> Block:
        time.sleep(0.05)
        return super().read(tick_us, lateness_s)


def test_bad_values_and_bad_sources_are_counted_and_harm_nobody(bench: Bench) -> None:
    def make(spec: LoopSpec) -> Source:
        if spec.name == "main":
            return bench.source(spec)
        if spec.name == "odd":
            return Odd()
        raise ConfigError("source: no such kind")

    loops = [LoopSpec(name=name, rate_hz=50, source="mock") for name in ("broken", "odd", "main")]
    lane = bench.lane(loops, make_source=make)
    running = bench.burst(lane)
    sampled(bench, 16)
    lane.stop()
    report = running.report()
    assert set(report.loops) == {"main", "odd"}
    odd, main = report.loops["odd"], report.loops["main"]
    assert odd.samples == len(stored(bench, "odd"))
    assert odd.dropped >= 2 * odd.samples - 2
    assert odd.faults >= odd.samples - 1 > 0
    assert (main.dropped, main.faults) == (0, 0)
    assert unbroken(bench, skipped=main.skipped)
    assert {row[3] for row in bench.store.rows["main"].values()} == {0.123457}


def test_a_source_that_does_not_open_gives_its_lease_back(bench: Bench) -> None:
    class Shut(Polled):
        def open(self, last_us: int | None) -> None:
            raise OSError("no such file")

    lane = bench.lane(make_source=lambda spec: Shut())
    assert lane.burst().ending is Ending.IDLE
    row = lease(bench)
    assert row.expires <= bench.store.now()


def test_a_loop_bound_to_a_host_stays_there_when_its_worker_stops(bench: Bench) -> None:
    class Bound(Polled):
        host_bound = True

    def make(spec: LoopSpec) -> Source:
        return Bound()

    lane = bench.lane(make_source=make, lease_ttl=timedelta(seconds=0.2))
    running = bench.burst(lane)
    sampled(bench, 2)
    lane.stop()
    running.report()
    time.sleep(0.5)
    assert bench.lane(region="west", host="host-b", make_source=make).burst().ending is Ending.IDLE
    heir = bench.lane(region="west", host="host-a", make_source=make)
    again = bench.burst(heir)
    sampled(bench, 2)
    heir.stop()
    assert again.report().ending is Ending.STOPPED


def test_a_slow_source_costs_the_others_no_more_than_its_own_time(bench: Bench) -> None:
    def make(spec: LoopSpec) -> Source:
        return Slow() if spec.name == "slow" else bench.source(spec)

    lane = bench.lane([LoopSpec(name="slow", rate_hz=2, source="mock"), MAIN], make_source=make)
    running = bench.burst(lane)
    sampled(bench, 40)
    lane.stop()
    report = running.report().loops
    assert report["main"].skipped <= 3 * (report["slow"].samples + 1)
    assert report["main"].samples >= 40


def test_several_loops_share_one_lane_at_their_own_rates(bench: Bench) -> None:
    lane = bench.lane([MAIN, DEMO])
    running = bench.burst(lane)
    sampled(bench, 12, "demo")
    lane.stop()
    report = running.report()
    for spec, period in ((MAIN, 20_000), (DEMO, 50_000)):
        assert unbroken(bench, spec.name, period, report.loops[spec.name].skipped)
    assert bench.store.registered == {"main": 50, "demo": 20}
    assert 2 <= report.loops["main"].samples / report.loops["demo"].samples <= 3


def test_a_loop_that_becomes_free_joins_at_the_next_burst(bench: Bench) -> None:
    bench.store.acquire(lease_name("demo"), "west/host-b/1/1", timedelta(seconds=0.3))
    lane = bench.lane([MAIN, DEMO])
    first = bench.burst(lane)
    sampled(bench, 20)
    assert not stored(bench, "demo", 50_000)
    second = bench.burst(lane)
    sampled(bench, 5, "demo")
    lane.stop()
    assert set(first.report().loops) == {"main"}
    assert set(second.report().loops) == {"main", "demo"}


def test_lateness_is_left_for_others_to_read(bench: Bench, tmp_path: Path) -> None:
    lane = bench.lane(stats_dir=tmp_path / "run")
    running = bench.burst(lane)
    sampled(bench, 10)
    lane.stop()
    report = running.report()
    said = json.loads((tmp_path / "run" / "lateness-main.json").read_text())
    assert set(said) == {"p50_ms", "p99_ms", "max_ms", "n", "since"}
    assert said["n"] == report.loops["main"].samples
    assert 0 <= said["p50_ms"] <= said["p99_ms"] <= said["max_ms"] == report.loops["main"].max_ms
    assert list((tmp_path / "run").iterdir()) == [tmp_path / "run" / "lateness-main.json"]
    assert json.loads(json.dumps(report.as_json()))["loops"]["main"]["samples"] == said["n"]


def test_a_store_that_hangs_does_not_stop_the_sampling(bench: Bench) -> None:
    lane = bench.lane()
    running = bench.burst(lane)
    sampled(bench, 5)
    with bench.store.lock:
        reads = len(bench.sources[0].reads)
        wait_until(lambda: len(bench.sources[0].reads) > reads + 25)
    lane.stop()
    report = running.report().loops["main"]
    assert unbroken(bench, skipped=report.skipped)
    assert len(stored(bench)) == report.samples


def test_a_stored_sample_from_the_future_does_not_hold_up_the_source(bench: Bench) -> None:
    ahead = to_us(datetime.now(UTC)) + 86_400_000_000
    bench.store.register("main", 50, "mock")
    bench.store.add("main", Block.of([(ahead, Reading(0.1, 0.2, 0.3, 0.4))]))
    lane = bench.lane()
    bench.burst(lane)
    wait_until(lambda: len(bench.store.rows["main"]) > 3)
    [opened] = bench.sources[-1].opened_at
    assert opened is not None
    assert opened < ahead


@pytest.mark.deadlines
def test_another_rate_is_taken_at_the_next_burst_without_a_hole(bench: Bench) -> None:
    lane = bench.lane()
    first = bench.burst(lane)
    sampled(bench, 10)
    setting = LoopSetting(loop="main", rate_hz=20, declared_hz=50, sync_mode="observer_resonance")
    bench.store.commanded["main"] = setting
    second = bench.burst(lane)
    before = first.report()
    assert before.ending is Ending.HANDED_OVER
    sampled(bench, 10)
    assert bench.store.registered == {"main": 20}
    third = bench.burst(lane)
    assert second.report().ending is Ending.HANDED_OVER
    sampled(bench, 2)
    lane.stop()
    third.report()
    assert len(bench.sources) == 2, "the loop is taken anew once"
    times = sorted(bench.store.rows["main"])
    steps = [after - time_ for time_, after in pairwise(times)]
    turn = max(place for place, step in enumerate(steps) if step == 20_000) + 1
    assert 0 < steps[turn] <= 50_000, "no tick of either grid is missing between the two"
    assert all(time_ % 50_000 == 0 for time_ in times[turn + 1 :])
    assert lease(bench).epoch == 2
