"""What happens in each event. Every function asks for the trial's day and lets one thing go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

import psutil
from chaos.harness.region import Region
from chaos.harness.system import CLOCK_REGION, LOOPS
from chaos.harness.trial import ENDED, Trial
from support.processes import eventually, gone

from lumen_workers.domain.clock import from_us, to_us
from lumen_workers.engine.flow import stage_task

STAGES: Final = ("build", "pdf", "freeze", "sign", "attest", "verify")
ENDS: Final = (*(f"{stage}-end" for stage in STAGES), "election")
"""Places at which work is done and not yet on record."""

PLACES: Final = (*(f"{stage}-begin" for stage in STAGES), *ENDS)

ROUND_TRIP_S: Final = 0.08


# ------------------------------------------------------------------ processes that die


def kill_child(trial: Trial, *, stage: str) -> None:
    """SIGKILL of the child that works on a stage, at its beginning or just before its work is published."""
    place = trial.choose("place", (f"{stage}-begin", f"{stage}-end"))
    with trial.victim.hold(place):
        trial.ask()
        os.kill(trial.victim.waiting_at(place), signal.SIGKILL)
        trial.hit()


def kill_worker(trial: Trial) -> None:
    """SIGKILL of a jobs worker in the middle of a stage; its children go with it."""
    place = trial.choose("place", PLACES)
    with trial.victim.hold(place):
        trial.ask()
        trial.victim.waiting_at(place)
        trial.kill(trial.victim, "jobs")
        trial.hit()


def kill_sampler(trial: Trial) -> None:
    """SIGKILL of a sampler worker. Recovery: the first sample of the region's loop after it."""
    trial.ask()
    trial.moment()
    trial.kill(trial.victim, "sampler")
    trial.hit()
    store, hit = trial.system.store, trial.hit_at
    assert hit is not None
    loop = next(name for name, home in LOOPS.items() if home == trial.victim.name)
    eventually(lambda: len(store.samples.window(loop, to_us(hit), 2**62)), 60)
    first = store.samples.window(loop, to_us(hit), 2**62).ts[0]
    trial.recovery_s = round((from_us(int(first)) - hit).total_seconds(), 2)


def kill_beats(trial: Trial, *, both: bool) -> None:
    """SIGKILL of a beat, or of both. Recovery: the first tick that a new beat has sent in the region."""
    trial.ask()
    trial.moment()
    for region in trial.system.regions.values() if both else [trial.victim]:
        trial.kill(region, "beat")
    trial.hit()
    store, hit, name = trial.system.store, trial.hit_at, trial.victim.name
    assert hit is not None
    eventually(lambda: any(p.lane == "beat" and p.region == name and p.started > hit for p in store.pulses.rows()), 60)
    since = store.now()
    eventually(lambda: any(s.region == name and s.started > since for s in store.ticks.states()), 60)
    trial.recovery_s = round((store.now() - hit).total_seconds(), 2)


def kill_region(trial: Trial) -> None:
    """SIGKILL of everything that a region has. It is started again some time later, as a machine would be."""
    trial.ask()
    trial.moment()
    family = trial.victim.processes()
    trial.victim.kill()
    trial.hit()
    eventually(lambda: all(gone(process.pid) for process in family), 15)
    time.sleep(trial.draw("away_s", 2, 40))
    trial.victim.start()


def kill_winner(trial: Trial) -> None:
    """The region that has just won the day loses its jobs worker before the report goes out."""
    with trial.victim.hold("elected"):
        with trial.other.hold("election"):
            trial.ask(both=True)
            trial.victim.waiting_at("elected")
        trial.kill(trial.victim, "jobs")
    trial.hit()


def kill_in_send(trial: Trial) -> None:
    """SIGKILL of a child that is about to send, or has sent and not yet said so: whether it came is not known."""
    place = trial.choose("place", ("send-begin", "send-end"))
    with ExitStack() as holds:
        for region in trial.system.regions.values():
            holds.enter_context(region.hold(place))
        trial.ask()
        eventually(lambda: any(region.at(place) for region in trial.system.regions.values()), 90)
        pid = next(pid for region in trial.system.regions.values() for pid in region.at(place))
        os.kill(pid, signal.SIGKILL)


# ------------------------------------------------------------------ processes that sleep


def zombie(trial: Trial) -> None:
    """SIGSTOP of a child until another attempt has ended the run, then SIGCONT: it writes on where it was."""
    place = trial.choose("place", ENDS)
    with trial.victim.hold(place):
        trial.ask()
        pid = trial.victim.waiting_at(place)
        os.kill(pid, signal.SIGSTOP)
        trial.hit()
    try:
        eventually(lambda: trial.newest(trial.victim) in ENDED, 120)
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)


def zombie_lane(trial: Trial) -> None:
    """SIGSTOP of a region's whole jobs lane until its stand-in has done the day in its name, then SIGCONT."""
    trial.ask(both=False)
    trial.moment(1.0)
    lane = _lane(trial.victim, "jobs")
    try:
        for process in lane:
            process.suspend()
        trial.hit()
        eventually(lambda: trial.newest(trial.victim) in ENDED, 120)
        time.sleep(trial.draw("longer_s", 0, 5))
    finally:
        for process in lane:
            with suppress(psutil.NoSuchProcess):
                process.resume()
    time.sleep(1)


def _lane(region: Region, lane: str) -> list[psutil.Process]:
    main = region.pid(lane)
    assert main is not None
    process = psutil.Process(main)
    return [process, *process.children(recursive=True)]


# ------------------------------------------------------------------ servers and the ways to them


def redis_kill(trial: Trial) -> None:
    """SIGKILL of Redis, which comes back with nothing."""
    trial.ask()
    trial.moment()
    trial.system.redis.stop()
    time.sleep(trial.draw("away_s", 0.2, 4))
    trial.system.redis.start()
    trial.hit()


def redis_flush(trial: Trial) -> None:
    """FLUSHALL."""
    trial.ask()
    trial.moment()
    trial.system.redis.client.flushall()
    trial.hit()


def store_restart(trial: Trial) -> None:
    """PostgreSQL ends at once and is started again."""
    trial.ask()
    trial.moment()
    trial.system.postgres.stop()
    time.sleep(trial.draw("away_s", 0.2, 4))
    trial.system.postgres.start()
    trial.hit()


def reset(trial: Trial, *, way: str) -> None:
    """Every connection of a region to a server is reset, some times."""
    trial.ask()
    for n in range(trial.choose("resets", (1, 2, 3))):
        time.sleep(trial.draw(f"after_s_{n}", 0, 1))
        trial.way(way).reset()
    trial.hit()


def blackhole(trial: Trial, *, way: str, seconds: float) -> None:
    """Nothing gets through between a region and a server, and nobody is told."""
    trial.ask()
    trial.moment()
    trial.way(way).hole(True)
    try:
        time.sleep(seconds)
    finally:
        trial.way(way).hole(False)
    trial.hit()


def latency(trial: Trial, *, way: str) -> None:
    """Each answer takes 80 ms longer, as long as the day is under way."""
    trial.way(way).delay_s = ROUND_TRIP_S / 2
    try:
        trial.ask()
        eventually(lambda: trial.newest(trial.victim) in ENDED, 120)
    finally:
        trial.way(way).delay_s = 0.0


# ------------------------------------------------------------------ messages, time, space


def duplicates(trial: Trial) -> None:
    """Every message of the day comes again and again, while it is under way and when it is over; old ones too."""
    trial.ask()
    ends = time.monotonic() + trial.draw("for_s", 2, 5)
    while time.monotonic() < ends:
        _send_again(trial, 3)
        time.sleep(trial.rng.uniform(0, 0.3))
    eventually(lambda: trial.newest(trial.victim) in ENDED, 60)
    _send_again(trial, 20)


def _send_again(trial: Trial, count: int) -> None:
    system = trial.system
    runs = system.store.runs.rows(pipeline="daily", day=trial.day) + system.store.runs.rows(limit=20)
    for run in trial.rng.choices(runs, k=count) if runs else []:
        kind = trial.rng.choice(("stage", "stage", "start", "cross_verify", "tick"))
        task, payload = (
            stage_task(run.pipeline, trial.rng.choice(STAGES)),
            {"run_id": run.run_id, "attempt": run.attempt},
        )
        if kind == "start":
            task, payload = "lumen.daily", {"day": run.day.isoformat()}
        elif kind == "cross_verify":
            found = system.store.owed.rows("cross_verify")
            if not found:
                continue
            row = trial.rng.choice(found)
            system.send("lumen.cross_verify", row.region, {"key": row.key}, run.trace_id)
            continue
        elif kind == "tick":
            task, payload = f"lumen.{trial.rng.choice(('deliver', 'reconcile', 'effects'))}", {}
        system.send(task, run.lane_region, payload, run.trace_id)


def same_instant(trial: Trial) -> None:
    """Both regions stand before the election, and go on at once."""
    with trial.victim.hold("election"), trial.other.hold("election"):
        trial.ask(both=True)
        trial.victim.waiting_at("election")
        trial.other.waiting_at("election")


def disk_full(trial: Trial) -> None:
    """The work folder has no room, or next to none, while the day is built."""
    filler = trial.victim.home / "work" / "filler"
    left = trial.choose("left_kib", (0, 4, 64, 256))
    _fill(filler, left)
    try:
        trial.ask()
        with suppress(AssertionError):
            eventually(lambda: trial.newest(trial.victim) in ENDED, 15)
    finally:
        filler.unlink()
    trial.hit()


def _fill(filler: Path, left_kib: int) -> None:
    """Fill the file system up to ``left_kib``."""
    free = os.statvfs(filler.parent)
    filler.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left_kib * 1024)))


def clock_ahead(trial: Trial) -> None:
    """The clock of one region's processes is five minutes ahead, and something else happens."""
    trial.suffer(CLOCK_REGION)
    beside: dict[str, Callable[[Trial], None]] = {
        "nothing": Trial.ask,
        "kill-child": partial(kill_child, stage=trial.rng.choice(STAGES)),
        "kill-worker": kill_worker,
        "kill-sampler": kill_sampler,
        "redis-flush": redis_flush,
        "duplicates": duplicates,
        "same-instant": same_instant,
        "zombie": zombie,
    }
    beside[trial.choose("beside", tuple(beside))](trial)
