"""All metrics of one store, read anew at each scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lumen_workers.domain.ports import Store
from lumen_workers.observability.counters import Counters
from lumen_workers.observability.days import due_days, open_runs, stages
from lumen_workers.observability.evidence import logs
from lumen_workers.observability.families import gauge, gauges
from lumen_workers.observability.notices import notices
from lumen_workers.observability.regions import queues, regions, ticks
from lumen_workers.observability.signals import deltas, experiments, gateways, rhythms, signals
from lumen_workers.observability.view import View

Part = Callable[[Store, View, datetime], Iterator[Metric]]

PARTS: Final[tuple[Part, ...]] = (
    signals,
    deltas,
    gateways,
    experiments,
    rhythms,
    regions,
    ticks,
    queues,
    stages,
    open_runs,
    due_days,
    notices,
    logs,
)


class StoreCollector(Collector):
    """A collector for prometheus_client. It remembers nothing: what the store does not say now is not told.

    ``store`` is asked at each scrape. Raises what the store raises (StoreUnavailable …): better no answer than half of
    one.
    """

    def __init__(self, store: Callable[[], Store], view: View) -> None:
        self._store = store
        self._view = view
        self._parts: tuple[Part, ...] = (*PARTS, Counters(view))

    def only(self, part: Part) -> Collector:
        """A collector of one of the parts; it reads nothing else."""
        return _Only(self._store, self._view, part)

    def collect(self) -> Iterator[Metric]:
        """Every family that has something to tell."""
        begin = time.perf_counter()
        store, view = self._store(), self._view
        now = store.now()
        families = [family for part in self._parts for family in part(store, view, now)]
        yield from families
        build = ((view.version, view.code_version[:8]), 1.0)
        yield from gauges("lumen_build_info", "This exporter's code", ("version", "code_version"), [build])
        about = "How long this scrape took to read"
        yield from gauge("lumen_exporter_scrape_seconds", about, time.perf_counter() - begin)


class _Only(Collector):
    """One part."""

    def __init__(self, store: Callable[[], Store], view: View, part: Part) -> None:
        self._store = store
        self._view = view
        self._part = part

    def collect(self) -> Iterator[Metric]:
        store = self._store()
        return self._part(store, self._view, store.now())
