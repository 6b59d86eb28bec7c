"""All metrics of one store, read anew at each scrape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lumen_workers.domain.ports import Store
from lumen_workers.observability.counters import Counters
from lumen_workers.observability.days import due_days, open_runs, stages
from lumen_workers.observability.families import gauge, gauges
from lumen_workers.observability.notices import notices
from lumen_workers.observability.regions import queues, regions, ticks
from lumen_workers.observability.signals import deltas, gateways, rhythms, signals
from lumen_workers.observability.view import View

PARTS: Final = (signals, deltas, gateways, rhythms, regions, ticks, queues, stages, open_runs, due_days, notices)


class StoreCollector(Collector):
    """A collector for prometheus_client. It remembers nothing: what the store does not say now is not told.

    ``store`` is asked at each scrape. Raises what the store raises (StoreUnavailable …): better no answer than half of
    one.
    """

    def __init__(self, store: Callable[[], Store], view: View) -> None:
        self._store = store
        self._view = view
        self._parts = (*PARTS, Counters(view))

    def part(self, name: str) -> Collector:
        """The families whose names begin with ``name`` alone."""
        return _Part(self, name)

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


class _Part(Collector):
    """Some families of another collector."""

    def __init__(self, whole: StoreCollector, prefix: str) -> None:
        self._whole = whole
        self._prefix = prefix

    def collect(self) -> Iterator[Metric]:
        return (family for family in self._whole.collect() if family.name.startswith(self._prefix))
