"""What a start costs: ``lumen --help``, and the imports of each kind of process.

    python benchmarks/startup.py [--runs 15]

``help_s`` is the wall time of the whole command, ``bare_python_s`` that of an interpreter that does nothing (medians).
For each kind of process: seconds from the first import until it is ready for work (a worker and a beat: Celery's own
parts, the app with its tasks, and for a worker the context on a migrated store; the sampler also its lane with both
sources), the number of modules then loaded, the resident memory at its peak, and which of the big packages are among
them. Medians over fresh interpreters, one at a time, with warm file caches.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _machine import machine

BIG = (
    "alembic", "boto3", "celery", "cryptography", "httpx", "numpy", "pandas", "psutil", "psycopg", "pydantic", "redis",
    "reportlab", "rich", "scipy", "sqlalchemy", "statsmodels", "tornado",
)  # fmt: skip

READY = {
    "cli": "import lumen_workers.cli.main",
    "sampler": """
import celery.bin.worker, celery.apps.worker, celery.concurrency.thread, celery.worker.consumer, kombu.transport.redis
from lumen_workers.worker.app import app
from lumen_workers import config
from lumen_workers.adapters.sources import make_source
from lumen_workers.worker.process import context
settings = config.load()
ctx = context(app, settings)
ctx.lane()
for loop in settings.loops.values():
    make_source(loop, store=ctx.store, home=ctx.home)
""",
    "jobs": """
import celery.bin.worker, celery.apps.worker, celery.concurrency.prefork, celery.worker.consumer, kombu.transport.redis
from lumen_workers.worker.app import app
from lumen_workers import config
from lumen_workers.worker.process import context
context(app, config.load())
""",
    "beat": """
import celery.bin.beat, celery.apps.beat, kombu.transport.redis
from lumen_workers.worker.app import app
import lumen_workers.worker.beat
app.conf.beat_schedule
""",
}
"""Kind of process → what it does until it is ready."""

TELL = """
import json, resource, sys, time
_begin = time.perf_counter()
{ready}
_seconds = time.perf_counter() - _begin
_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
_tops = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps({{"seconds": _seconds, "modules": len(sys.modules), "peak_mib": _peak, "tops": sorted(_tops)}}))
"""


def kind(name: str, runs: int, home: Path) -> dict[str, Any]:
    """One kind of process; a first run, which fills the caches and migrates the store, does not count."""
    env = {
        **os.environ,
        "LUMEN_HOME": str(home),
        "LUMEN_LANE": name,
        "LUMEN_BROKER_URL": "redis://127.0.0.1:1/0",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", TELL.format(ready=READY[name])]
    told = [
        json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True).stdout) for _ in range(runs + 1)
    ][1:]
    return {
        "seconds": middle([one["seconds"] for one in told]),
        "modules": told[-1]["modules"],
        "peak_mib": round(max(one["peak_mib"] for one in told), 1),
        "big_packages": [package for package in BIG if package in told[-1]["tops"]],
    }


def walls(command: Sequence[str], runs: int) -> float:
    """Median wall time of a command, s; a first run does not count."""
    return middle(
        [timed(lambda: subprocess.run(command, stdout=subprocess.PIPE, check=True)) for _ in range(runs + 1)][1:]
    )


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def middle(seconds: Sequence[float]) -> float:
    return round(statistics.median(seconds), 3)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, metavar="N", help="starts of each (default 15; at least 10)")
    runs = max(10, parser.parse_args(arguments).runs)
    lumen = str(Path(sys.executable).with_name("lumen"))
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as home:
        figures = {
            "machine": machine(),
            "runs": runs,
            "help_s": walls([lumen, "--help"], runs),
            "bare_python_s": walls([sys.executable, "-c", ""], runs),
            "processes": {name: kind(name, runs, Path(home)) for name in READY},
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
