"""From what a Prometheus endpoint says to one signal: matching, joining, rates, scaling. No I/O."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from lumen_workers.adapters.sources.options import SeriesOptions

_COMBINE: dict[str, Callable[[list[float]], float]] = {"sum": math.fsum, "mean": fmean, "max": max, "min": min}
Labels = frozenset[tuple[str, str]]


class Point(NamedTuple):
    """One series' value."""

    name: str
    labels: Labels
    value: float


def exposition(text: str, names: Iterable[str]) -> list[Point]:
    """The points of the metrics ``names`` in the text exposition format. Raises ValueError for what is no such text.

    Other lines are left out before parsing: a node exporter's page has thousands.
    """
    wanted = set(names)
    lines = [line for line in text.split("\n") if line.replace("{", " ", 1).split(" ", 1)[0] in wanted]
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    return [
        Point(sample.name, frozenset(sample.labels.items()), sample.value)
        for family in families
        for sample in family.samples
        if sample.name in wanted
    ]


def query_values(answer: Any) -> list[float]:
    """The values of an instant query's JSON answer (vector or scalar). Raises ValueError for anything else."""
    try:
        if answer["status"] != "success":
            raise ValueError(f"the query failed: {answer.get('error', 'no reason given')}")
        kind, result = answer["data"]["resultType"], answer["data"]["result"]
        if kind == "scalar":
            return [float(result[1])]
        if kind == "vector":
            return [float(series["value"][1]) for series in result]
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("not an answer of the query API") from None
    raise ValueError(f"the query gives a {kind}; it must give a vector or a scalar")


def scaled(options: SeriesOptions, values: list[float]) -> float | None:
    """The signal in [0, 1]; None when there is no value, or one is not finite, or the joined one is not."""
    if not values or not all(map(math.isfinite, values)):
        return None
    try:
        value = _COMBINE[options.combine](values) * options.scale + options.offset
    except OverflowError:
        return None
    if not math.isfinite(value):
        return None
    return min(max((value - options.min) / (options.max - options.min), 0.0), 1.0)


class MetricSignal:
    """One signal from scraped metrics; remembers earlier points where it needs a rate."""

    def __init__(self, options: SeriesOptions, rate_window_s: float) -> None:
        self._options = options
        self._labels = set(options.labels.items())
        self._window_s = rate_window_s
        self._past: deque[tuple[float, Mapping[Labels, float]]] = deque()

    def value(self, points: Iterable[Point], at: float) -> float | None:
        """The signal of a scrape at ``at`` (monotonic seconds); None when it is not known."""
        found = {p.labels: p.value for p in points if p.name == self._options.metric and self._labels <= p.labels}
        return scaled(self._options, self._rates(found, at) if self._options.rate else list(found.values()))

    def _rates(self, now: Mapping[Labels, float], at: float) -> list[float]:
        """Increase per second of each series since the oldest scrape in the window.

        A counter that went back was reset: what it counted before is lost, so it has no rate until the window has
        passed the reset.
        """
        past = self._past
        while len(past) > 1 and past[1][0] <= at - self._window_s:
            past.popleft()
        if past and any(now[key] < old for key, old in past[-1][1].items() if key in now):
            past.clear()
        past.append((at, now))
        first_at, first = past[0]
        if at <= first_at:
            return []
        return [(value - first[key]) / (at - first_at) for key, value in now.items() if key in first]
