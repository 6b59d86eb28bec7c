"""What the bandit loses on the way, when it stops, and whether its log tells what each arm is worth. JSON on stdout.

Usage: bandit.py [RUNS]      default: 2000
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs.bandit import NEAR, NEAR_SD, Problem, regret, stopping
from support.proofs.bandit_values import values

SEED = 20260131
POINTS = 60


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 2000
    figures = {
        "machine": machine(),
        "runs": runs,
        "regret": {
            kind: {str(rounds): regret(make(rounds), runs, SEED, POINTS) for rounds in (100, 500)}
            for kind, make in (("still", Problem.still), ("switching", Problem.switching))
        },
        "stopping": {
            "five": stopping(Problem.still(300), runs // 2, SEED),
            "near": stopping(Problem.still(300, NEAR, NEAR_SD), runs // 2, SEED),
            "equal": stopping(Problem.still(300, (0.0, 0.0, 0.0)), runs // 2, SEED),
        },
        "values": {
            **{f"five, {rounds} rounds": values(Problem.still(rounds), runs, SEED) for rounds in (30, 100, 500)},
            **{
                f"three, {rounds} rounds": values(Problem.still(rounds, NEAR, NEAR_SD), runs, SEED)
                for rounds in (12, 30)
            },
        },
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
