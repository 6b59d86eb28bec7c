"""The loops: newest sample, what the last change of each rule did, gateway (S03), natural rhythm (S14)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from prometheus_client.metrics_core import Metric

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments.rhythm import contributions, newest, number
from lumen_workers.observability.families import gauges
from lumen_workers.observability.view import View

FRESH_S: Final = 10.0
"""An older sample says nothing of the present: its values are left out."""


def signals(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """Values of a fresh newest sample; its age, fresh or not."""
    ages: dict[str, float] = {}
    fresh: dict[str, list[float]] = {}
    for loop in store.loops.rates():
        newest = store.samples.tail(loop, 1)
        if not len(newest):
            continue
        ages[loop] = (to_us(now) - int(newest.ts[0])) / US
        if ages[loop] <= FRESH_S:
            fresh[loop] = [float(value) for value in newest.values[0]]
    for position, signal in enumerate(SIGNALS):
        rows = (((loop,), values[position]) for loop, values in fresh.items())
        yield from gauges(f"lumen_{signal}", f"{signal} of the newest sample, 0 to 1", ("loop",), rows)
    about = "Seconds since the newest sample"
    yield from gauges("lumen_sample_age_seconds", about, ("loop",), (((loop,), age) for loop, age in ages.items()))


def deltas(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """Changes at the last change of each rule that has a computed effect, and their intervals."""
    found = [effect for loop in store.loops.rates() for effect in store.effects.latest(loop)]
    for signal in SIGNALS:
        for name, field, about in (
            ("delta", "delta", f"Change of {signal} at the rule's last change"),
            ("low", "lo", f"Lower end of the interval of the change of {signal} at the rule's last change"),
            ("high", "hi", f"Upper end of the interval of the change of {signal} at the rule's last change"),
        ):
            rows = (
                ((event.loop, event.rule), value)
                for event, effect in found
                if (value := getattr(effect.signals[signal], field)) is not None
            )
            yield from gauges(f"lumen_rule_last_{signal}_{name}", about, ("loop", "rule"), rows)


def gateways(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """Where each loop's gateway stands; unknown for a loop that has none."""
    found = {gateway.loop: gateway.status.number for gateway in store.gateways.rows()}
    rows = (((loop,), float(found.get(loop, 0))) for loop in store.loops.rates())
    about = "0 unknown, 1 initializing, 2 binding, 3 resonating, 4 locked"
    yield from gauges("lumen_gateway_status", about, ("loop",), rows)


def rhythms(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """The natural rhythm as each tuned loop's newest fresh line has it (S14)."""
    found = {loop: entry.data for loop in store.loops.rates() if (entry := newest(store, loop, now)) is not None}
    for name, about in (
        ("blend", "Weighted mean of what the surroundings add"),
        ("delta_phase", "By how much the phase target is moved"),
    ):
        rows = (((loop,), value) for loop, data in found.items() if (value := number(data, name)) is not None)
        yield from gauges(f"lumen_rhythm_{name}", about, ("loop",), rows)
    parts = (((loop, of), value) for loop, data in found.items() for of, value in contributions(data).items())
    yield from gauges("lumen_rhythm_contribution", "One part of the blend", ("loop", "of"), parts)
    troubled = (((loop,), float(data.get("problem") is not None)) for loop, data in found.items())
    about = "1: something stood in the way of the last look at the surroundings"
    yield from gauges("lumen_rhythm_problem", about, ("loop",), troubled)


def experiments(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """Whether an experiment runs on each loop, and whether something holds it."""
    found = {experiment.loop: experiment for experiment in store.experiments.rows(running=True)}
    rows = [((loop,), float(loop in found)) for loop in store.loops.rates()]
    yield from gauges("lumen_experiment_running", "1 while an experiment runs on the loop", ("loop",), rows)
    held = [((loop,), float(experiment.held is not None)) for loop, experiment in found.items()]
    yield from gauges("lumen_experiment_held", "1 while something holds the experiment", ("loop",), held)
