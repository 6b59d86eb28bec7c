"""Signals from Prometheus: a text exposition endpoint, or a server's query API.

Each tick starts the fetch for the next one, in a thread: a row's values were fetched within the period before its
time. A fetch that fails or takes longer than the period leaves the tick missing, and so does an outdated value.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import httpx

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.options import PrometheusOptions, SeriesOptions
from lumen_workers.adapters.sources.polled import PolledSource, Tick
from lumen_workers.adapters.sources.series import MetricSignal, exposition, query_values, scaled
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import SIGNALS, Reading

_MOST_BYTES = 16 << 20


class PrometheusSource(PolledSource):
    """``prometheus:URL``."""

    def __init__(self, spec: LoopSpec, url: str, options: PrometheusOptions) -> None:
        super().__init__(spec)
        self._url = url
        self._options = options
        self._series: dict[str, SeriesOptions] = {name: getattr(options.signals, name) for name in SIGNALS}
        self._metrics: dict[str, MetricSignal] = {}
        self._client: httpx.Client | None = None
        self._latest: tuple[float, Reading] | None = None

    def _start(self) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request at INFO
        self._latest = None
        window = self._options.rate_window_s
        self._metrics = {name: MetricSignal(series, window) for name, series in self._series.items()}
        self._thread = Background(f"prometheus-{self._spec.name}", self._step)

    def close(self) -> None:
        """Stop the thread; waits for a fetch that runs, at most its time limit."""
        super().close()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _measure(self, tick: Tick) -> Reading | None:  # noqa: ARG002 - the value is the latest, whatever the tick
        latest, self._latest = self._latest, None
        if self._thread is not None:
            self._thread.wake()
        if latest is None or time.monotonic() - latest[0] > 2.0 / self._spec.rate_hz:
            return None
        return latest[1]

    def _step(self) -> None:
        try:
            values = self._scrape() if self._options.mode == "scrape" else self._query()
        except httpx.HTTPStatusError as err:
            self._problems.note("status", f"{self._url} answered {err.response.status_code}")
        except httpx.HTTPError as err:
            self._problems.note("unreachable", f"{self._url}: {err or type(err).__name__}")
        except ValueError as err:
            self._problems.note("answer", f"{self._url}: {err}")
        else:
            missing = [name for name in SIGNALS if values.get(name) is None]
            for name in missing:
                self._problems.note(f"no_value_{name}", f"{self._url} gives no value for {name}")
            if not missing:
                found = (value for name in SIGNALS if (value := values[name]) is not None)
                self._latest = (time.monotonic(), Reading(*found))

    def _scrape(self) -> dict[str, float | None]:
        text = self._get(self._url, {}).decode()
        at = time.monotonic()
        points = exposition(text, [series.metric or "" for series in self._series.values()])
        return {name: signal.value(points, at) for name, signal in self._metrics.items()}

    def _query(self) -> dict[str, float | None]:
        out: dict[str, float | None] = {}
        for name, series in self._series.items():
            if self._thread is not None and self._thread.stopping:
                break
            body = self._get(f"{self._url.rstrip('/')}/api/v1/query", {"query": series.query or ""})
            out[name] = scaled(series, query_values(json.loads(body)))
        return out

    def _get(self, url: str, params: dict[str, str]) -> bytes:
        """The body of a 2xx answer; the time limit holds for the whole of it, not for each piece."""
        if self._client is None:
            # Proxies of the environment are not for peers that the configuration names.
            self._client = httpx.Client(timeout=self._options.timeout_s, trust_env=False)
        deadline = time.monotonic() + self._options.timeout_s
        headers = {"Accept": "text/plain;version=0.0.4, application/json;q=0.9"}
        with self._client.stream("GET", url, params=params, headers=headers) as response:
            response.raise_for_status()
            return b"".join(self._bounded(response, deadline))

    def _bounded(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        size = 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > _MOST_BYTES:
                raise ValueError(f"the answer is larger than {_MOST_BYTES >> 20} MiB")
            if time.monotonic() > deadline or (self._thread is not None and self._thread.stopping):
                raise httpx.ReadTimeout("the answer took too long")
            yield piece
