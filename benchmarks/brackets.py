"""How often the intervals of brackets hold, what they find, and what looking after each pair costs. JSON on stdout.

Usage: brackets.py [RUNS]      default: 1000 experiments a cell
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from _machine import machine
from support.proofs import early, response
from support.proofs.brackets import PACE, RATE_HZ, SD, carried, looking, measure

from lumen_workers.experiments.bracket.noise import Noise
from lumen_workers.experiments.bracket.power import power

SEED = 20260131


def main(arguments: Sequence[str]) -> None:
    runs = int(arguments[0]) if arguments else 1000
    cells = []
    for phi in (0.9, 0.98):
        for pairs in (10, 20):
            for order, drift, effect in (
                ("randomised", 0.0, 0.0),
                ("randomised", 0.0, 0.02),
                ("randomised", SD, 0.0),
                ("randomised", SD, 0.02),
                ("abab", SD, 0.0),
            ):
                found = measure(
                    phi=phi, pairs=pairs, order=order, effect=effect, drift=drift, runs=runs, seed=SEED, drawn=runs // 4
                )
                cells.append(
                    {"phi": phi, "pairs": pairs, "order": order, "drift": drift, "effect": effect, **asdict(found)}
                )
    planned = []
    for phi in (0.9, 0.98):
        for pairs in (10, 20):
            plan = power(Noise.known(phi, SD), PACE, pairs, RATE_HZ, 0.01)
            found = measure(
                phi=phi, pairs=pairs, order="randomised", effect=plan.mde, drift=0.0, runs=runs, seed=SEED + 1
            )
            planned.append({"phi": phi, "pairs": pairs, "effect": plan.mde, "promised": plan.power, **asdict(found)})
    looks = {
        "null": asdict(looking(runs=10 * runs, looks=60, burn_in=6, seed=SEED)),
        "effect": asdict(looking(runs=10 * runs, looks=60, burn_in=6, seed=SEED, effect=0.5)),
    }
    carry = {str(part): carried(carry=part, runs=runs // 2, pairs=20, seed=SEED) for part in (0.0, 0.01, 0.02)}
    ends = [
        {
            "kind": kind,
            "pairs": pairs,
            "effect": effect,
            **asdict(early.ends(kind=kind, pairs=pairs, effect=effect, runs=10 * runs, seed=SEED)),
        }
        for kind in early.KINDS
        for pairs in (20, 60)
        for effect in (0.0, 0.5)
    ]
    constants = [
        {
            "tau_s": tau_s,
            "pairs": pairs,
            "phi": phi,
            **asdict(response.measure(tau_s=tau_s, pairs=pairs, phi=phi, runs=runs // 5, seed=SEED)),
        }
        for tau_s in (2.0, 5.0, 15.0)
        for pairs in (6, 20)
        for phi in (0.9, 0.98)
    ]
    document = {
        "machine": machine(),
        "runs": runs,
        "cells": cells,
        "planned": planned,
        "looks": looks,
        "carry": carry,
        "ends": ends,
        "constants": constants,
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
