"""What `make chaos` has recorded so far (build/chaos.jsonl). JSON on standard output.

Where nothing is recorded yet, the suite runs for CHAOS_MINUTES (10) first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from _machine import machine

ROOT = Path(__file__).resolve().parents[1]


def recorded() -> dict[str, Any]:
    """The summary of all runs."""
    path = ROOT / "build" / "chaos.json"
    if not path.exists():
        env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        subprocess.run([sys.executable, "-m", "chaos"], cwd=ROOT, env=env, check=False)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Print one JSON object."""
    sys.stdout.write(json.dumps({"machine": machine(), **recorded()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
