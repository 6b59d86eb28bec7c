"""A full day through the whole pipeline in one process: seconds by stage, and the process's highest memory.

    python benchmarks/day.py [--runs 3]

The day: 432,000 samples of ``main`` at 5 Hz (AR(1) around a level, in [0, 1]), 50 rule events that move it, their
effects, quotes and risks. They are prepared once in a fresh home on SQLite; then ``lumen daily`` closes the day in a
process of its own, each time in a fresh copy of that home. ``runs`` holds every run, ``median`` the middle one by time.

``process_s`` is the whole command with its start and imports, ``seconds`` the stages together, ``stages`` each.
``peak_mib`` is the highest resident memory of the command's process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _machine import machine

LOOP = "main"
RATE_HZ = 5
EVENTS = 50
REGION = "ap-northeast-2"
SEED = 20260131

# This process stays small and imports nothing big: a child's peak begins with the memory of the one that started it.


def prepare(home: Path) -> dict[str, Any]:
    """Fill the store of ``home`` with yesterday: samples, events, effects, findings."""
    from datetime import timedelta

    from lumen_workers import bootstrap, config
    from lumen_workers.domain.clock import day_bounds, day_of, to_us
    from lumen_workers.effects.tracker import compute_due
    from lumen_workers.findings.speaker import speak

    settings = config.load(home=home, region=REGION)
    store = bootstrap.store_of(settings)
    day = day_of(store.now(), settings.zone) - timedelta(days=1)
    start, end = day_bounds(day, settings.zone)
    block, events = made(to_us(start), to_us(end))
    write_s = timed(lambda: store.samples.add(LOOP, block))
    store.rules.insert(events)
    effects_s = timed(lambda: compute_due(store, LOOP, settings.effect_options, store.now()))
    speak(store, LOOP, bootstrap.thresholds(settings), settings.locale)
    found = {
        "samples": len(block),
        "events": len(events),
        "effects": len(store.effects.rows(LOOP)),
        "quotes": len(store.findings.quotes(LOOP)),
        "risks": len(store.findings.risks(LOOP)),
    }
    store.close()
    return {"day": day.isoformat(), **found, "write_samples_s": write_s, "compute_effects_s": effects_s}


def made(start_us: int, end_us: int) -> tuple[Any, list[Any]]:
    """The day's samples as one block, and its events, spread evenly."""
    import numpy as np

    from lumen_workers.domain.clock import from_us
    from lumen_workers.domain.records import RuleEvent
    from lumen_workers.domain.signals import Block, period_us
    from lumen_workers.loop.noise import ar1_noise

    ts = np.arange(start_us, end_us, period_us(RATE_HZ), dtype=np.int64)
    values = np.array([0.15, 0.30, 0.45, 0.25]) + ar1_noise(SEED, 1_000_000, len(ts), 0.9, 0.02)
    steps = (np.array([-0.04, -0.01, 0.06, -0.03]), np.array([0.05, 0.05, -0.02, 0.01]))
    events = []
    for number in range(EVENTS):
        at_us = start_us + (end_us - start_us) * (2 * number + 1) // (2 * EVENTS)
        # Every second change does good and stays for ten minutes, the others do harm for as long.
        during = (ts >= at_us) & (ts < at_us + 600_000_000)
        values[during] += steps[number % 2]
        at = from_us(at_us)
        events.append(
            RuleEvent(
                event_id=f"ev-{number:06}",
                loop=LOOP,
                seq=0,
                ts=at,
                actor="benchmark",
                rule="creative_min",
                old=0.22 if number % 2 else 0.24,
                new=0.24 if number % 2 else 0.22,
                applied_at=at,
            )
        )
    return Block(ts, values.clip(0.0, 1.0).round(6)), events


def close_day(home: Path, day: str) -> dict[str, Any]:
    """``lumen daily`` in a process of its own."""
    command = [str(Path(sys.executable).with_name("lumen")), "daily", "--day", day, "--region", REGION, "--json"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LUMEN_HOME": str(home)})
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.stdout.close()
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"lumen daily ended with {code}: {said.decode()}")
    run = json.loads(said)
    assert run["status"] == "done"
    stages = {stage["name"]: stage["seconds"] for stage in run["stages"]}
    return {
        "stages": stages,
        "seconds": round(sum(stages.values()), 3),
        "process_s": round(seconds, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mib": round(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1),
    }


def measure(runs: int) -> dict[str, Any]:
    """Prepare once, close the day ``runs`` times."""
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as name:
        first = Path(name) / "prepared"
        prepared = json.loads(
            subprocess.run(
                [sys.executable, __file__, "--prepare", str(first)], stdout=subprocess.PIPE, check=True
            ).stdout
        )
        done = []
        for number in range(runs):
            home = Path(name) / str(number)
            shutil.copytree(first, home)
            done.append(close_day(home, prepared["day"]))
            archive = home / "archive" / prepared["day"]
            sizes = {
                "bundle_mib": mib(next(archive.glob("bundle.tar.*"))),
                "pdf_kib": round(next(archive.rglob("*.pdf")).stat().st_size / 2**10),
            }
            shutil.rmtree(home)
        prepared["store_mib"] = mib(first / "lumen.db")
    middle = sorted(done, key=lambda run: run["process_s"])[len(done) // 2]
    return {"prepared": prepared, "made": sizes, "median": middle, "runs": done}


def timed(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return round(time.perf_counter() - begin, 3)


def mib(path: Path) -> float:
    return round(path.stat().st_size / 2**20, 1)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="how often the day is closed (default 3)")
    parser.add_argument("--prepare", type=Path, metavar="HOME", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.prepare is not None:
        print(json.dumps(prepare(given.prepare)))
        return
    print(json.dumps({"machine": machine(), "sqlite": measure(max(1, given.runs))}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
