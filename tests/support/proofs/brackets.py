"""Brackets on noise that is known: how often their intervals hold, what they find, what looking too often costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import stdtrit

from lumen_workers.experiments.bracket.analysis import Pair, carry_over, randomisation
from lumen_workers.experiments.bracket.design import schedule
from lumen_workers.experiments.bracket.noise import Noise
from lumen_workers.experiments.bracket.power import power
from lumen_workers.experiments.bracket.sequential import confidence_sequence
from lumen_workers.experiments.pace import Pace

Floats = NDArray[np.float64]

RATE_HZ: Final = 5
PACE: Final = Pace(period_s=120.0, washout_s=20.0)
SD: Final = 0.03
LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Found:
    """Shares of experiments. ``holds``: the paired t interval has the true effect, ``drawn``: that of randomisation,
    ``naive``: Student's t on all raw samples as if they were independent. ``finds``: the paired interval excludes 0.
    """

    holds: float
    drawn: float | None
    naive: float
    finds: float
    width: float
    foretold: float


def simulated(
    *, phi: float, pairs: int, order: str, effect: float, drift: float, runs: int, seed: int, carry: float = 0.0
) -> tuple[Floats, Floats, list[tuple[tuple[int, str], ...]]]:
    """Means float64[runs, 2·pairs] of the periods behind the washout, the raw samples' naive t bounds as
    float64[runs, 2], and each run's order. ``drift``: amplitude of a sine two periods long, of random phase.
    ``carry``: this part of the last period's effect is still there.
    """
    rng = np.random.default_rng(seed)
    ticks, washed = int(PACE.period_s * RATE_HZ), int(PACE.washout_s * RATE_HZ)
    means, naive, orders = np.empty((runs, 2 * pairs)), np.empty((runs, 2)), []
    time = np.arange(2 * pairs * ticks)
    for run in range(runs):
        plan = schedule(pairs, seed * 100_003 + run, "abab" if order == "abab" else "randomised")
        shocks = rng.standard_normal(len(time) + 500) * SD * np.sqrt(1 - phi * phi)
        noise = lfilter([1.0], [1.0, -phi], shocks)[500:]
        noise = noise + drift * np.sin(2 * np.pi * time / (2 * ticks) + rng.uniform(0, 2 * np.pi))
        held = np.array([arm == "B" for _, arm in plan], float)
        level = effect * held
        level[1:] += carry * held[:-1]
        values = (noise.reshape(2 * pairs, ticks) + level[:, None])[:, washed:]
        means[run] = values.mean(axis=1)
        b, a = values[held == 1].ravel(), values[held == 0].ravel()
        se = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        naive[run] = b.mean() - a.mean() + np.array([-1.96, 1.96]) * se
        orders.append(plan)
    return means, naive, orders


def differences(means: Floats, orders: list[tuple[tuple[int, str], ...]]) -> Floats:
    """float64[runs, pairs]: B − A in each pair."""
    sign = np.array([[1.0 if plan[2 * k][1] == "A" else -1.0 for k in range(len(plan) // 2)] for plan in orders])
    out: Floats = (means[:, 1::2] - means[:, ::2]) * sign
    return out


def measure(
    *, phi: float, pairs: int, order: str, effect: float, drift: float, runs: int, seed: int, drawn: int = 0
) -> Found:
    """One cell; the randomisation interval is worked out for the first ``drawn`` runs."""
    means, naive, orders = simulated(
        phi=phi, pairs=pairs, order=order, effect=effect, drift=drift, runs=runs, seed=seed
    )
    d = differences(means, orders)
    centre = d.mean(axis=1)
    reach = stdtrit(pairs - 1, 0.5 + LEVEL / 2) * d.std(axis=1, ddof=1) / np.sqrt(pairs)
    spans = [randomisation(row, seed, LEVEL) for row in d[:drawn]]
    return Found(
        holds=float((np.abs(centre - effect) <= reach).mean()),
        drawn=float(np.mean([span.lo <= effect <= span.hi for span in spans])) if spans else None,
        naive=float(((naive[:, 0] <= effect) & (effect <= naive[:, 1])).mean()),
        finds=float((np.abs(centre) > reach).mean()),
        width=float(np.median(2 * reach)),
        foretold=power(Noise.known(phi, SD), PACE, pairs, RATE_HZ, 0.01).mde,
    )


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Shares of null experiments that are ever called different within the looks, and the sequence's price.

    ``course``: after how many pairs, the share by the sequence and by the t interval until then.
    """

    sequence: float
    paired_t: float
    holds: float
    width: float
    course: list[tuple[int, float, float]]


def looking(*, runs: int, looks: int, burn_in: int, seed: int, effect: float = 0.0, drift: float = 0.0) -> Looks:
    """One look after each of ``looks`` pairs from ``burn_in`` on; ``effect`` in standard deviations of a difference.
    ``drift``: what the drawn order makes of a drift two periods long, so much up or down in each pair.

    ``holds``: the sequence has the true effect at all looks together. ``width``: of the sequence by that of the t
    interval, at the last look.
    """
    rng = np.random.default_rng(seed)
    d = rng.standard_normal((runs, looks)) + effect
    d += drift * rng.choice(np.array([-1.0, 1.0]), (runs, looks))
    wrong = np.zeros((3, runs), np.bool_)
    ratio, course = [], []
    for n in range(max(burn_in, 2), looks + 1):
        centre, scatter = d[:, :n].mean(axis=1), d[:, :n].std(axis=1, ddof=1)
        # The sequence's reach is a multiple of the scatter that depends on n alone.
        unit = confidence_sequence([1.0, -1.0] * (n // 2) + [0.0] * (n % 2), LEVEL)
        unit_scatter = np.array([1.0, -1.0] * (n // 2) + [0.0] * (n % 2)).std(ddof=1)
        fixed = stdtrit(n - 1, 0.5 + LEVEL / 2) * scatter / np.sqrt(n)
        wrong[1] |= np.abs(centre) > fixed
        if unit.lo is None or unit.hi is None:
            course.append((n, float(wrong[0].mean()), float(wrong[1].mean())))
            continue
        reach = (unit.hi - unit.lo) / 2 / unit_scatter * scatter
        wrong[0] |= np.abs(centre) > reach
        wrong[2] |= np.abs(centre - effect) > reach
        ratio.append(float(np.median(reach / fixed)))
        course.append((n, float(wrong[0].mean()), float(wrong[1].mean())))
    return Looks(
        sequence=float(wrong[0].mean()),
        paired_t=float(wrong[1].mean()),
        holds=1.0 - float(wrong[2].mean()),
        width=ratio[-1],
        course=course,
    )


def carried(*, carry: float, runs: int, pairs: int, seed: int) -> tuple[float, float]:
    """Mean estimate of what is carried over, and the share of intervals that exclude 0."""
    means, _, orders = simulated(
        phi=0.9, pairs=pairs, order="randomised", effect=0.05, drift=0.0, runs=runs, seed=seed, carry=carry
    )
    estimates, alarms = [], []
    for row, plan in zip(means, orders, strict=True):
        found = []
        for k in range(pairs):
            first, second = plan[2 * k][1], row[2 * k : 2 * k + 2]
            a, b = second if first == "A" else second[::-1]
            before = None if k == 0 else plan[2 * k - 1][1] == "B"
            found.append(Pair(number=k + 1, a=float(a), b=float(b), b_first=first == "B", after_b=before))
        answer = carry_over(found, LEVEL)
        if answer is not None:
            estimates.append(answer.estimate)
            alarms.append(answer.lo > 0 or answer.hi < 0)
    return float(np.mean(estimates)), float(np.mean(alarms))
