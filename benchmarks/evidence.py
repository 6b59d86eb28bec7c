"""What a stranger waits for: a whole day's evidence verified by the one-file verifier, start to exit. JSON on stdout.

    python benchmarks/evidence.py [--runs 15]

``verify_s``: wall time from start to exit over one whole day's folder (432,000 samples), of ``verify_lumen.py``, of
``lumen verify`` and of an interpreter that imports cryptography's certificates and ends, in turn; medians of fresh
processes.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import day
from _machine import machine

ROOT = Path(__file__).resolve().parents[1]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")


def verified(folder: Path, runs: int) -> dict[str, Any]:
    """One day, closed once, then verified over and over."""
    home = folder / "home"
    prepare = [sys.executable, day.__file__, "--prepare", str(home)]
    prepared = json.loads(subprocess.run(prepare, stdout=subprocess.PIPE, check=True).stdout)
    day.close_day(home, prepared["day"])
    archived = home / "archive" / prepared["day"]
    env = {**os.environ, "LUMEN_HOME": str(home)}
    shown = subprocess.run([*LUMEN, "pki", "show", "--json"], stdout=subprocess.PIPE, env=env, check=True)
    root = json.loads(shown.stdout)["root_fingerprint"]
    words = (str(archived), "--root", root)
    commands = {
        "verify_lumen.py": [sys.executable, str(ROOT / "verify_lumen.py"), *words],
        "lumen verify": [*LUMEN, "verify", *words, "--offline"],
        "imports alone": [sys.executable, "-c", "import cryptography.x509.verification"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True)
            if number:  # the first run fills the caches
                seconds[name].append(time.perf_counter() - began)
    files = [path for path in archived.rglob("*") if path.is_file()]
    return {
        "files": len(files),
        "mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
        "evidence_kib": round(next(archived.glob("*.lumen.json")).stat().st_size / 2**10, 1),
        "verify_s": {name: round(statistics.median(found), 3) for name, found in seconds.items()},
    }


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, metavar="N")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as name:
        figures = {
            "machine": machine(),
            "runs": options.runs,
            "verify": verified(Path(name), options.runs),
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
