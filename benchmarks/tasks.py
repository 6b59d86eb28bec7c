"""What a task of ours costs over a bare Celery task with the same options: processor and wall. JSON on stdout.

    python benchmarks/tasks.py [--rounds 9] [--postgres URL]

One real Redis; one prefork worker with one child for each kind. Every round gives each worker a block of messages, one
worker after the other, and the ratios are made within a round: whatever else the machine does, it does it to both.
Blocks of ours are a run's five stages with the hand-over from each to the next and the election at the end; the bare
tasks beside them do the same bodies and hand over nothing.

Without ``--postgres`` a private server is started if its programs are installed; otherwise its part is null.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from _lane import STAGING, VERSION, Cost, Worker, broker
from _machine import machine
from _work import BODIES_MS, DONE, FRESH, STAGES, pipeline_of
from store import postgres

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.ids import new_trace_id, run_id
from lumen_workers.domain.runs import Run, RunStatus, Seal
from lumen_workers.engine.flow import stage_task

ROUNDS = 9
NOTHING = 400
"""Tasks in a block that have nothing to do."""

RUNS = {0: 20, 20: 8, 100: 3}
"""Runs of five stages in a block, by the body's milliseconds."""

BARE = {0: 400, 20: 40, 100: 15}
"""Bare tasks in a block."""


class Ours:
    """A worker of ours and its store, seen by whoever gives it work."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.store: SqlStore = open_store(worker.settings.store_url)
        self._days = (date(2000, 1, 1) + timedelta(days=number) for number in count())

    def tick(self, name: str) -> Cost:
        """A block of one tick's messages."""
        for _ in range(NOTHING):
            self.worker.dispatcher.send(
                f"lumen.{name}", region=STAGING, lane="jobs", payload={}, trace_id=new_trace_id()
            )
        return self.worker.run(NOTHING)

    def stages(self, ms: int) -> Cost:
        """A block of runs, each five stages."""
        made = [self.make(pipeline_of(ms).name, next(self._days)) for _ in range(RUNS[ms])]
        for run in made:
            self.worker.dispatcher.send(
                stage_task(run.pipeline, STAGES[0]),
                region=STAGING,
                lane="jobs",
                payload={"run_id": run.run_id, "attempt": 1},
                trace_id=run.trace_id,
            )
        cost = self.worker.run(len(made) * len(STAGES))
        ends = {self.store.runs.get(run.run_id).status for run in made}
        if ends != {RunStatus.DONE}:
            raise SystemExit(f"runs ended {', '.join(ends)}:\n{self.worker.log()[-4000:]}")
        return cost

    def make(self, pipeline: str, day: date) -> Run:
        """A queued run and its seal, by whose messages it begins."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        end = start + timedelta(days=1)
        seal = Seal(
            pipeline=pipeline, day=day, revision=1, start=start, end=end, cutoff=end, watermark={}, settings={},
            code_version=VERSION, config_digest=self.worker.settings.config_digest, prev_digest=None,
            sealed_at=self.store.now(),
        )  # fmt: skip
        self.store.runs.seal(seal)
        region = self.worker.region
        run = Run(
            run_id=run_id(pipeline, day, region, VERSION, 1), pipeline=pipeline, day=day, revision=1, region=region,
            attempt=1, status=RunStatus.QUEUED, trace_id=new_trace_id(), queued_at=self.store.now(), assigned=region,
        )  # fmt: skip
        return self.store.runs.create(run, "benchmark")


def bare_block(worker: Worker, task: str, number: int) -> Cost:
    """A block of bare tasks."""
    worker.stage(task, number)
    return worker.run(number)


Variants = list[tuple[str, Callable[[], Cost]]]


def blocks(bare: Worker, ours: dict[str, Ours]) -> Iterator[tuple[str, Variants]]:
    """Each comparison: its name, and its variants, the bare one first."""
    for name in (DONE, FRESH):
        ticks: Variants = [("bare", partial(bare_block, bare, "bare.nothing", NOTHING))]
        yield name, ticks + [(kind, partial(one.tick, name)) for kind, one in ours.items()]
    for ms in BODIES_MS:
        stages: Variants = [("bare", partial(bare_block, bare, f"bare.{ms}", BARE[ms]))]
        yield f"stage_{ms}", stages + [(kind, partial(one.stages, ms)) for kind, one in ours.items()]


def measure(bare: Worker, ours: dict[str, Ours], rounds: int, only: Sequence[str]) -> dict[str, Any]:
    """Every comparison, interleaved."""
    figures: dict[str, Any] = {}
    for name, variants in blocks(bare, ours):
        if only and name not in only:
            continue
        for _, block in variants:  # the first of its kind pays for imports, connections and prepared statements
            block()
        found: dict[str, list[Cost]] = {kind: [] for kind, _ in variants}
        for _ in range(rounds):
            for kind, block in variants:
                found[kind].append(block())
        figures[name] = {kind: _told(costs, found["bare"]) for kind, costs in found.items()}
    return figures


def _told(costs: list[Cost], bare: list[Cost]) -> dict[str, Any]:
    """One variant's figures for each task; ratios and overheads over the bare one in the same round."""
    told: dict[str, Any] = {"tasks": sum(cost.tasks for cost in costs)}
    for kind in ("cpu_ms", "wall_ms"):
        mine, theirs = ([getattr(cost, kind) for cost in found] for found in (costs, bare))
        told[kind] = _spread(mine)
        if costs is not bare:
            told[f"{kind.removesuffix('_ms')}_ratio"] = _spread([a / b for a, b in zip(mine, theirs, strict=True)])
            told[f"{kind.removesuffix('_ms')}_over_ms"] = _spread([a - b for a, b in zip(mine, theirs, strict=True)])
    told["child_cpu_ms"] = round(statistics.median(cost.child_s / cost.tasks * 1e3 for cost in costs), 3)
    return told


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 3),
        "median": round(statistics.median(values), 3),
        "max": round(max(values), 3),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"blocks of each kind (default {ROUNDS})")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one comparison, such as stage_0")
    parser.add_argument("--postgres", metavar="URL", help="an empty database to use instead of a private server")
    given = parser.parse_args()
    logging.disable()
    figures: dict[str, Any] = {"machine": machine(), "rounds": given.rounds}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumen-bench-")))
        server = stack.enter_context(broker())
        url = stack.enter_context(postgres(given.postgres))

        def worker(app: str, region: str, **env: str) -> Worker:
            made = Worker(server, folder / region, app, region, **env)
            stack.callback(made.close)
            return made

        bare = worker("bare", "bare")
        ours = {"sqlite": Ours(worker("ours", "sqlite"))}
        if url is not None:
            ours["postgresql"] = Ours(worker("ours", "postgresql", LUMEN_STORE_URL=url))
        for one in ours.values():
            stack.callback(one.store.close)
        figures |= measure(bare, ours, given.rounds, given.only)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
