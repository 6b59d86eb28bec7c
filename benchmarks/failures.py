"""How well failures are told apart: the tests' corpus of real exceptions, judged. JSON on stdout.

    python benchmarks/failures.py

Cases that need a server whose program is not installed are left out and named on standard error.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _machine import machine

from lumen_workers.pipelines.failures import POLICIES
from lumen_workers.pipelines.verdicts import judge

ROUNDS = 2000


def corpus() -> dict[str, Any]:
    """The confusion matrix over every case that can be provoked here."""
    # The tests know how to provoke them.
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from support.failures.case import run
    from support.failures.corpus import CASES, report
    from support.failures.peers import Peers
    from support.servers import postgres_bin

    from lumen_workers.domain.errors import DependencyError
    from lumen_workers.local.broker import find_program

    absent = set() if postgres_bin() else {"postgres"}
    try:
        find_program()
    except DependencyError:
        absent.add("redis")
    peers = Peers()
    try:
        found = [run(one, peers) for one in CASES if one.needs not in absent]
    finally:
        peers.close()
    if absent:
        sys.stderr.write(f"left out: what needs {', '.join(sorted(absent))}\n")
    return report(found)


def verdict_us() -> float:
    """Microseconds that a verdict takes on an error with two causes (median)."""
    error = RuntimeError("the upload failed")
    error.__cause__ = RuntimeError("the remote said no")
    error.__cause__.__cause__ = ConnectionRefusedError(111, "refused")
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        judge(error)
        took.append(time.perf_counter() - start)
    return round(statistics.median(took) * 1e6, 1)


def main() -> None:
    """Judge and print one JSON object."""
    figures = {
        "machine": machine(),
        "corpus": corpus(),
        "policies": {name: asdict(policy) for name, policy in POLICIES.items()},
        "verdict_us": verdict_us(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
