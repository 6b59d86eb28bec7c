"""How often the guardrail ends an experiment that hurts nobody, and how soon one that does. JSON on stdout.

Usage: guard.py [RUNS]      default: 1000 unaffected experiments a row, and a fifth as many that get worse
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs.guard import LASTS_S, alarms

from lumen_workers.experiments.pace import Guard

SEED = 20260131
LEVELS = (0.999, 0.9995, 0.9998, 0.9999)
SD = 0.02
HURT = 0.05
AT_S = LASTS_S - 600


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 1000
    rail = Guard()
    cells = []
    for phi in (0.9, 0.98):
        false = alarms(phi=phi, runs=runs, seed=SEED, levels=LEVELS, sd=SD)
        hurt = alarms(phi=phi, runs=runs // 5, seed=SEED + 1, levels=LEVELS, sd=SD, hurt=HURT, at_s=AT_S)
        for level, own, found in zip(LEVELS, false, hurt, strict=True):
            cells.append({"phi": phi, "level": level, "false": asdict(own), "hurt": asdict(found)})
    document = {
        "machine": machine(),
        "runs": runs,
        "hurt_runs": runs // 5,
        "hurt": HURT,
        "sd": SD,
        "minutes": LASTS_S / 60,
        "window_s": rail.window_s,
        "baseline_s": rail.baseline_s,
        "level": rail.level,
        "cells": cells,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
