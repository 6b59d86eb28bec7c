"""What a drift two periods long does to brackets, by its size, and to looking after each pair. JSON on stdout.

docs/drift.svg is drawn from the document by ``_tables.py``, with the table.

Usage: drift.py [RUNS]      default: 1000 experiments a size
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
from support.proofs.brackets import SD, looking, measure

SEED = 20260131
SIZES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)
LOOKS = ((2, 0.0), (6, 0.0), (6, 1.0), (6, 8.0), (7, 8.0), (8, 8.0))


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 1000
    sizes = [
        {"drift": size}
        | {
            order: asdict(measure(phi=0.9, pairs=10, order=order, effect=0.0, drift=size * SD, runs=runs, seed=SEED))
            for order in ("randomised", "abab")
        }
        for size in SIZES
    ]
    looks = [
        {
            "burn_in": burn_in,
            "drift": drift,
            **asdict(looking(runs=40 * runs, looks=60, burn_in=burn_in, seed=SEED, drift=drift)),
        }
        for burn_in, drift in LOOKS
    ]
    print(json.dumps({"machine": machine(), "runs": runs, "sizes": sizes, "looks": looks}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
