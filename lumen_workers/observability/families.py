"""Metric families from rows. A family without rows is left out: nothing is told of what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

Row = tuple[tuple[str, ...], float]
"""Label values, in the order of the family's labels, and the value."""


def gauges(name: str, about: str, labels: tuple[str, ...], rows: Iterable[Row]) -> Iterator[Metric]:
    """A family of gauges, or nothing."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    if family.samples:
        yield family


def gauge(name: str, about: str, value: float | None) -> Iterator[Metric]:
    """A single gauge; nothing for None."""
    return gauges(name, about, (), [] if value is None else [((), value)])
