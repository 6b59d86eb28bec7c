"""How often the Bayesian update is sure of a change that did nothing. JSON on stdout.

Usage: bayes.py [RUNS]      default: 2000 a cell
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs.bayes import pooling, sure

SEED = 20260131


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 2000
    cells = [
        {"phi": phi, "pooled": pooled, **sure(phi=phi, pooled=pooled, runs=runs, seed=SEED)}
        for phi in (0.0, 0.9, 0.98)
        for pooled in (1, 10)
    ]
    document = {"machine": machine(), "runs": runs, "cells": cells, "pooling": pooling(runs=runs, seed=SEED)}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
