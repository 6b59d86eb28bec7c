"""How often the intervals of effects hold the truth, beside intervals that take samples as independent.

Usage: coverage.py [EVENTS]      default: 1000 events a cell, four independent signals each

Also: the false discovery rate over a day's findings, and how often placebo ranks raise a false alarm. The picture
docs/coverage.svg is drawn from the document by ``_tables.py``, with the tables.
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

from support.proofs.coverage import BEYOND, CORE, FURTHER, LEVEL, PHIS, WAYS, Cell, simulated
from support.proofs.discoveries import ALPHA, Q, discovery_rates, placebo_alarms

from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.placebo import QUIET_S

EVENTS = 1_000
SEED = 20261125
"""None of the series that the method was tuned on."""


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


def findings(events: int) -> dict[str, Any]:
    """False discovery rates and placebo alarms, by phi; a day of 40 changes for every two events."""
    return {
        "q": Q,
        "alpha": ALPHA,
        "quiet_s": QUIET_S,
        "discoveries": [
            {
                "phi": phi,
                "effect": effect,
                **asdict(discovery_rates(phi=phi, effect=effect, days=events // 2, seed=SEED)),
            }
            for phi in (0.0, 0.6, 0.9)
            for effect in (0.0, 0.05, 0.15)
        ],
        "placebo": [{"phi": phi, "alarms": placebo_alarms(phi=phi, events=events, seed=SEED)} for phi in PHIS],
    }


def main(arguments: Sequence[str]) -> None:
    events = int(arguments[0]) if arguments else EVENTS
    cells = {
        kind: [measure(cell, events, SEED + 10_000 * place) for place, cell in enumerate(chosen)]
        for kind, chosen in (("core", CORE), ("further", FURTHER), ("beyond", BEYOND))
    }
    document = {"machine": machine(), "events": events, "signals": len(SIGNALS), "level": LEVEL, **cells}
    print(json.dumps({**document, **findings(events)}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
