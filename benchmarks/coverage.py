"""How often the intervals of effects hold the truth, beside intervals that take samples as independent.

Usage: coverage.py [EVENTS]      default: 1000 events a cell, four independent signals each

Prints one JSON document, and draws docs/coverage.svg when all 1,000 events are run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from _machine import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.proofs.coverage import CORE, FURTHER, LEVEL, WAYS, Cell, simulated

EVENTS = 1_000
SEED = 20260131


def measure(cell: Cell, events: int, seed: int) -> dict[str, Any]:
    """One cell, by each way; ``seconds`` is what our intervals took."""
    pairs, effects = simulated(cell, events, seed)
    tallies: dict[str, Any] = {}
    seconds = 0.0
    for way, tally in WAYS.items():
        begin = time.perf_counter()
        found = tally(pairs, effects)
        seconds = time.perf_counter() - begin if way == "ours" else seconds
        tallies[way] = {key: round(value, 4) for key, value in asdict(found).items()}
    known = {"name": cell.name, "ar": cell.ar, "effect": cell.effect, "samples": cell.samples}
    return {**known, **tallies, "seconds": round(seconds, 3)}


def main(arguments: Sequence[str]) -> None:
    events = int(arguments[0]) if arguments else EVENTS
    cells = {
        kind: [measure(cell, events, SEED + 10_000 * place) for place, cell in enumerate(chosen)]
        for kind, chosen in (("core", CORE), ("further", FURTHER))
    }
    document = {"machine": machine(), "events": events, "signals": 4, "level": LEVEL, **cells}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
