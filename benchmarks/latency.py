"""From a message's sending to the start of its work, with the broker near and 80 ms away. JSON on standard output.

    python benchmarks/latency.py [--messages 300]

One real Redis; a worker of ours and a bare Celery worker with the same options, each behind a TCP proxy of its own that
may add 40 ms in each direction. Messages are sent one at a time into idle lanes, to ours and to the bare one in turn;
bodies note the instant on the machine's monotonic clock. Hand-overs: from the end of a stage to the start of the next.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _lane import Worker, broker
from _machine import machine
from _work import NOTED, NOTES_ENV, STAGES
from tasks import Ours

from lumen_workers.domain.ids import new_trace_id
from lumen_workers.engine.flow import stage_task

if TYPE_CHECKING:
    from support.proxy import Proxy

RTT_S = 0.08
DAYS = 40
"""Runs of five stages for the hand-overs."""


class Notes:
    """What a worker's bodies have noted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()]

    def wait(self, worker: Worker, count: int) -> None:
        worker.wait(lambda: len(self.lines()) >= count, 60, 0.002)


def starts(ours: Ours, bare: Worker, notes: dict[str, Notes], messages: int) -> dict[str, list[float]]:
    """Milliseconds from sending to the body, for each message, one at a time and in turn."""
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(messages):
        for kind, worker in (("ours", ours.worker), ("bare", bare)):
            before = len(notes[kind].lines())
            task = f"lumen.{NOTED}" if kind == "ours" else "bare.noted"
            sent = time.monotonic()
            if kind == "ours":
                worker.dispatcher.send(task, region=worker.region, lane="jobs", payload={}, trace_id=new_trace_id())
            else:
                worker.sender.send_task(task, queue=worker.queue)
            notes[kind].wait(worker, before + 1)
            found[kind].append((float(notes[kind].lines()[-1][-1]) - sent) * 1e3)
            worker.wait(worker.idle, 60, 0.005)
    return found


def handovers(ours: Ours, notes: Notes, first: date) -> list[float]:
    """Milliseconds from the end of a stage's body to the beginning of the next one's."""
    found = []
    for number in range(DAYS):
        before = len(notes.lines())
        run = ours.make("bench0", first + timedelta(days=number))
        ours.worker.dispatcher.send(
            stage_task(run.pipeline, STAGES[0]),
            region=ours.worker.region,
            lane="jobs",
            payload={"run_id": run.run_id, "attempt": 1},
            trace_id=run.trace_id,
        )
        notes.wait(ours.worker, before + 2 * len(STAGES))
        ours.worker.wait(ours.worker.idle, 60, 0.005)
        instants = [float(line[-1]) for line in notes.lines()[before:]]
        found += [(begin - end) * 1e3 for end, begin in zip(instants[1::2], instants[2::2], strict=False)]
    return found


def told(values: list[float]) -> dict[str, float | int]:
    """Quantiles in milliseconds."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "count": len(values),
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        "max_ms": round(max(values), 1),
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=300, help="messages of each kind (default 300)")
    given = parser.parse_args()
    logging.disable()
    figures: dict[str, Any] = {"machine": machine(), "rtt_ms": RTT_S * 1e3}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumen-bench-")))
        server = stack.enter_context(broker())
        from support.proxy import Proxy

        proxies: list[Proxy] = []
        notes: dict[str, Notes] = {}

        def worker(app: str, region: str) -> Worker:
            proxies.append(Proxy(Path(server.url.removeprefix("redis+socket://"))))
            stack.callback(proxies[-1].close)
            notes[app] = Notes(folder / f"{app}.notes")
            env = {NOTES_ENV: str(notes[app].path)}
            made = Worker(server, folder / region, app, region, url=f"redis://127.0.0.1:{proxies[-1].port}/0", **env)
            stack.callback(made.close)
            return made

        ours, bare = Ours(worker("ours", "sqlite")), worker("bare", "bare")
        stack.callback(ours.store.close)
        for name, rtt, first in (("near", 0.0, date(2001, 1, 1)), ("far", RTT_S, date(2002, 1, 1))):
            for proxy in proxies:
                proxy.delay_s = rtt / 2
            starts(ours, bare, notes, 5)  # the first ones pay for imports and connections
            measured = starts(ours, bare, notes, given.messages)
            figures[name] = {kind: told(values) for kind, values in measured.items()}
            figures[name]["handover"] = told(handovers(ours, notes["ours"], first))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
