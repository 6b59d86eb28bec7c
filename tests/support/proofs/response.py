"""Time constants of a loop whose own is known, from the switches of a bracket on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import numpy as np

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.experiments import Period
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.experiments.bracket.analysis import TIMES_TAU
from lumen_workers.experiments.bracket.design import schedule
from lumen_workers.experiments.pace import Pace
from lumen_workers.experiments.response import time_constants
from lumen_workers.loop.plant import PlantOptions, simulate

RATE_HZ: Final = 5
PACE: Final = Pace(period_s=120.0, washout_s=20.0)
VALUES: Final = {"A": 0.34, "B": 0.30}
START: Final = datetime(2026, 1, 5, tzinfo=UTC)
LEAD_S: Final = 60


class Kept:
    """As much of a store as the estimate asks for: the samples of one loop."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.samples = self

    def window(self, loop: str, start_us: int, end_us: int) -> Block:
        return self._block.slice(start_us, end_us)


@dataclass(frozen=True, kw_only=True)
class Told:
    """``known``: share of brackets that tell the τ of the signal that answers; quantiles of what they tell.

    ``false``: share of the signals that do not answer and have a τ all the same. ``warned``: share of brackets that
    call their washout too short.
    """

    known: float
    low: float | None
    median: float | None
    high: float | None
    false: float
    warned: float


def told(
    *, tau_s: float, pairs: int, seed: int, phi: float = 0.9, sd: float = 0.02, gain: float = 0.6
) -> dict[str, float | None]:
    """What one bracket tells; risk band alone answers, by ``gain`` for a change of the rule by one."""
    options = PlantOptions(phi=phi, sd=sd, tau_s=tau_s, seed=seed, gains={"risk_max": {"risk_band": gain}})
    events, periods, value = [], [], 0.35
    order = schedule(pairs, seed)
    for number, (pair, arm) in enumerate(order, 1):
        at = START + timedelta(seconds=LEAD_S + PACE.period_s * (number - 1))
        changed: dict[str, Any] = {}
        if VALUES[arm] != value:
            changed["event_id"] = f"ev-{number}"
            events.append(
                RuleEvent(
                    event_id=f"ev-{number}",
                    loop="main",
                    seq=number,
                    ts=at,
                    actor="me",
                    rule="risk_max",
                    old=value,
                    new=VALUES[arm],
                    applied_at=at,
                )
            )
        value = VALUES[arm]
        periods.append(
            Period(
                experiment_id="xp",
                number=number,
                arm=arm,
                value=value,
                pair=pair,
                opened=at,
                began=at,
                ended=at + timedelta(seconds=PACE.period_s),
                means=dict.fromkeys(SIGNALS, 0.25),
                **changed,
            )
        )
    end = to_us(START) + round((LEAD_S + PACE.period_s * len(order)) * US)
    block = simulate(options, events, to_us(START), end, RATE_HZ)
    return time_constants(cast("Store", Kept(block)), "main", periods, PACE.period_s)


def measure(*, tau_s: float, pairs: int, phi: float, runs: int, seed: int) -> Told:
    """One cell."""
    found = [told(tau_s=tau_s, pairs=pairs, seed=seed + run, phi=phi) for run in range(runs)]
    known = [one["risk_band"] for one in found if one["risk_band"] is not None]
    cuts = np.quantile(known, (0.1, 0.5, 0.9)).tolist() if known else (None, None, None)
    silent = [one[name] is not None for one in found for name in SIGNALS if name != "risk_band"]
    short = [any(tau is not None and PACE.washout_s < TIMES_TAU * tau for tau in one.values()) for one in found]
    return Told(
        known=len(known) / runs,
        low=cuts[0],
        median=cuts[1],
        high=cuts[2],
        false=float(np.mean(silent)),
        warned=float(np.mean(short)),
    )
