"""How often the Bayesian update is sure of a change that did nothing, and holds what one did. JSON on stdout.

Usage: bayes.py [RUNS]      default: 1000 a cell
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs.bayes import held, pooling, sure

SEED = 20260131
DAYS = 0.02


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 1000
    cells = [
        {
            "phi": phi,
            "pooled": pooled,
            **sure(phi=phi, pooled=pooled, runs=runs, seed=SEED),
            "held": held(phi=phi, pooled=pooled, runs=runs, seed=SEED + 1),
            "held_days": held(phi=phi, pooled=pooled, runs=runs, seed=SEED + 2, days=DAYS),
        }
        for phi in (0.0, 0.9, 0.98)
        for pooled in (1, 2, 5, 10)
    ]
    pooled = pooling(runs=runs, seed=SEED)
    document = {"machine": machine(), "runs": runs, "days": DAYS, "cells": cells, "pooling": pooled}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
