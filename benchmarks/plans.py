"""Whether a bracket finds what its plan promises when the noise has to be found out first. JSON on stdout.

Usage: plans.py [RUNS]      default: 500 plans a cell
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs.plans import planning

SEED = 20260131
CELLS = ((0.0, 0.0), (0.9, 0.0), (0.9, 0.2), (0.98, 0.0), (0.98, 0.2), (0.98, 0.5))


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 500
    cells = [
        {"phi": phi, "white": white, **asdict(planning(phi=phi, white=white, runs=runs, seed=SEED))}
        for phi, white in CELLS
    ]
    print(json.dumps({"machine": machine(), "runs": runs, "cells": cells}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
