"""How often impact analyses are right on sets with known effect, and how long one takes. JSON on stdout.

Usage: impact.py [SETS]      default: 120 a cell
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from _machine import machine
from support.proofs.impact import CELLS, options, simulate, table

from lumen_workers.experiments.impact import ImpactOptions, analyse

SEED = 20260131


def timed(repeats: int = 5) -> dict[str, float]:
    """Seconds of one analysis on 1,200 rows: the first with its imports, then the median without and with the second
    opinion."""
    cell = CELLS[3]
    data, event_us = simulate(cell, np.random.default_rng(SEED))
    found: dict[str, float] = {"rows": float(len(data.ts))}
    begin = time.perf_counter()
    analyse(data, event_us, options(cell))
    found["first_with_imports_s"] = round(time.perf_counter() - begin, 3)
    for name, opinion in (("without_second_opinion_s", False), ("whole_s", True)):
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            analyse(data, event_us, replace(options(cell), opinion=opinion))
            seconds.append(time.perf_counter() - begin)
        found[name] = round(float(np.median(seconds)), 3)
    return found


def main(arguments: Sequence[str]) -> None:
    sets = int(arguments[0]) if arguments else 120
    seconds = timed()
    found = {
        "machine": machine(),
        "level": ImpactOptions().level,
        "sets": sets,
        "seconds": seconds,
        "cells": table(CELLS, sets, SEED),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
