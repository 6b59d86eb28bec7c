"""Effects of 1,000 events over stored samples, beside a plain pandas boolean-mask loop over the same samples.

Usage: effects.py [SAMPLES...]      default: 1000000 10000000

For each size: samples are written to a SQLite file, 1,000 events are spread over them, and two processes of their own
are timed: ``lumen`` opens the store and calls ``compute_due`` (reading windows, computing, writing 1,000 effects);
of that, ``intervals_seconds`` go into the intervals of 4,000 differences, once their windows are loaded;
``pandas`` has the samples in memory already and selects each window with a boolean mask. At more than 1,000,000
samples the mask loop does a part of the events and its seconds are scaled up: ``mask_events`` says how many it did.
Times exclude imports, opening and loading; ``peak_mib`` is the process's whole peak, ``start_mib`` what it had before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine, peak_mib

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import US, from_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.effects.intervals import differences
from lumen_workers.effects.tracker import SETTLE, compute_due
from lumen_workers.effects.windows import around

LOOP = "main"
RATE_HZ = 5
EVENTS = 1_000
MASK_EVENTS_MAX = 100
"""Events of the mask loop at more than ALL_UP_TO samples."""
ALL_UP_TO = 1_000_000
START_US = 1_767_225_600 * US
OPTIONS = EffectOptions()
CHUNK = 100_000


def write(folder: Path, count: int) -> dict[str, Any]:
    """The store and, for pandas, the same samples as arrays."""
    generator = np.random.default_rng(20260131)
    ts = START_US + np.arange(count, dtype=np.int64) * period_us(RATE_HZ)
    values = generator.random((count, len(SIGNALS))).round(6)
    store = open_store(url(folder))
    store.loops.register(LOOP, RATE_HZ, "mock")
    begin = time.perf_counter()
    for first in range(0, count, CHUNK):
        store.samples.add(LOOP, Block(ts[first : first + CHUNK], values[first : first + CHUNK]))
    seconds = time.perf_counter() - begin
    store.rules.insert([event(index, us) for index, us in enumerate(changes(count))])
    store.close()
    np.save(folder / "ts.npy", ts)
    np.save(folder / "values.npy", values)
    return {"write_seconds": round(seconds, 1), "store_mib": round((folder / "lumen.db").stat().st_size / 2**20)}


def changes(count: int) -> list[int]:
    """Instants of the events, µs, spread evenly; every window lies inside the samples."""
    period, margin = period_us(RATE_HZ), 60 * US
    places = np.linspace(START_US + margin, START_US + count * period - margin, EVENTS)
    return [int(place) for place in places]


def event(index: int, us: int) -> RuleEvent:
    ts = from_us(us)
    return RuleEvent(
        event_id=f"ev-{index:06}",
        loop=LOOP,
        seq=0,
        ts=ts,
        actor="benchmark",
        rule="risk_max",
        old=0.30 if index % 2 else 0.35,
        new=0.35 if index % 2 else 0.30,
        applied_at=ts,
    )


def lumen(folder: Path, count: int) -> dict[str, Any]:
    """Time compute_due; the sum of the Δ shows that the mask loop computed the same."""
    store = open_store(url(folder))
    before = peak_mib()
    now = from_us(START_US + count * period_us(RATE_HZ)) + SETTLE + timedelta(seconds=OPTIONS.post_s)
    begin = time.perf_counter()
    effects = compute_due(store, LOOP, OPTIONS, now)
    seconds = time.perf_counter() - begin
    intervals = inference(store, count)
    store.close()
    assert len(effects) == EVENTS
    deltas = [effect.signals["phase_diff"].delta or 0.0 for effect in effects]
    found = {"seconds": seconds, "intervals_seconds": intervals, "peak_mib": peak_mib(), "start_mib": before}
    return {**found, "deltas": deltas}


def inference(store: Store, count: int) -> float:
    """Seconds for the intervals of all events and signals, without the reading of windows."""
    windows = [around(us, OPTIONS) for us in changes(count)]
    blocks = store.samples.windows(LOOP, [one.span for one in windows])
    begin = time.perf_counter()
    found = differences([one.split(block) for one, block in zip(windows, blocks, strict=True)], RATE_HZ)
    seconds = time.perf_counter() - begin
    assert all(one is not None for event in found for one in event.values())
    return seconds


def pandas(folder: Path, count: int) -> dict[str, Any]:
    """Time the mask loop."""
    import pandas as pd

    frame = pd.DataFrame(np.load(folder / "values.npy"), columns=list(SIGNALS))
    frame["ts"] = pd.to_datetime(np.load(folder / "ts.npy"), unit="us", utc=True)
    chosen = changes(count) if count <= ALL_UP_TO else changes(count)[:: EVENTS // MASK_EVENTS_MAX]
    signals = list(SIGNALS)
    gap = pd.Timedelta(seconds=OPTIONS.gap_s)
    deltas = []
    begin = time.perf_counter()
    for us in chosen:
        at = pd.Timestamp(us, unit="us", tz="UTC")
        pre = frame[(frame["ts"] >= at - pd.Timedelta(seconds=OPTIONS.pre_s)) & (frame["ts"] < at - gap)]
        post = frame[(frame["ts"] >= at + gap) & (frame["ts"] < at + pd.Timedelta(seconds=OPTIONS.post_s))]
        deltas.append(float((post[signals].mean() - pre[signals].mean())["phase_diff"]))
    seconds = time.perf_counter() - begin
    scaled = seconds * EVENTS / len(chosen)
    return {"seconds": scaled, "mask_events": len(chosen), "peak_mib": peak_mib(), "deltas": deltas}


def measure(count: int) -> dict[str, Any]:
    """One size: write, then both in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as name:
        folder = Path(name)
        written = child("write", folder, count)
        ours, masks = child("lumen", folder, count), child("pandas", folder, count)
    step = EVENTS // masks["mask_events"]
    worst = max(abs(a - b) for a, b in zip(ours.pop("deltas")[::step], masks.pop("deltas"), strict=True))
    assert worst < 1e-9, f"the two disagree by {worst}"
    return {
        "samples": count,
        "events": EVENTS,
        **written,
        "lumen": {key: round(value, 3) for key, value in ours.items()},
        "pandas_mask": {key: round(value, 3) for key, value in masks.items()},
        "times_faster": round(masks["seconds"] / ours["seconds"], 1),
    }


def child(role: str, folder: Path, count: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--role", role, str(folder), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'lumen.db'}"


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--role"]:
        role, folder, count = arguments[1:]
        print(json.dumps({"write": write, "lumen": lumen, "pandas": pandas}[role](Path(folder), int(count))))
        return
    counts = [int(text) for text in arguments] or [1_000_000, 10_000_000]
    print(json.dumps({"machine": machine(), "effects": [measure(count) for count in counts]}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
