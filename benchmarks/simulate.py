"""Thirty simulated days under each policy: what they lose, and how long that takes. JSON on stdout.

Usage: simulate.py [DAYS]      default: 30
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from _machine import machine


def main(arguments: Sequence[str]) -> None:
    days = arguments[0] if arguments else "30"
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "lumen_workers", "--home", home, "simulate", "--days", days, "--json"]
        begin = time.perf_counter()
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - begin
    found = json.loads(ran.stdout)
    document = {
        "machine": machine(),
        "days": found["days"],
        "samples": found["policies"][0]["samples"],
        "seconds": round(seconds, 1),
        "policies": found["policies"],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
