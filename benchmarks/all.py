"""Run every benchmark of this folder, each in a process of its own, and print one JSON document.

Usage: all.py [NAME...]      NAME is a file's stem, such as ``store``; without any, all of them run.

A benchmark is a script that prints one JSON document on standard output. The result is
``{"started": ISO, "seconds": {name: s}, "results": {name: document}, "failed": [name]}``; what a benchmark says on
standard error passes through. Exit code: 0, or 1 when one failed, or 2 for an unknown name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def known() -> list[str]:
    """The benchmarks' names, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "all" and not path.stem.startswith("_"))


def run(names: Sequence[str]) -> dict[str, Any]:
    """The document of the benchmarks ``names``."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    seconds: dict[str, float] = {}
    results: dict[str, Any] = {}
    failed: list[str] = []
    for name in names:
        sys.stderr.write(f"benchmark {name}\n")
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, FOLDER / f"{name}.py"], stdout=subprocess.PIPE, text=True, check=False)
        seconds[name] = round(time.perf_counter() - begin, 1)
        try:
            results[name] = json.loads(done.stdout)
        except ValueError:
            results[name] = None
        if done.returncode or results[name] is None:
            failed.append(name)
    return {"started": started, "seconds": seconds, "results": results, "failed": failed}


def main(arguments: Sequence[str]) -> int:
    names = known()
    unknown = [name for name in arguments if name not in names]
    if unknown:
        sys.stderr.write(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    document = run(arguments or names)
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 1 if document["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
