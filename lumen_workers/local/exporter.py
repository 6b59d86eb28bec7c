"""`lumen exporter`: settings in, metrics out."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from lumen_workers import __version__, bootstrap
from lumen_workers.config import Settings
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.ports import Store
from lumen_workers.local.lanes import depths
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.push import push, write_textfile
from lumen_workers.observability.server import Exporter
from lumen_workers.observability.view import View
from lumen_workers.pipelines.failures import CLASSES
from lumen_workers.pipelines.tasks import PIPELINES
from lumen_workers.schedule import entries

DEFAULT_PORT: Final = 9108


class Watched:
    """The store, opened at first use: one that is away is told by each scrape, not by an exporter that ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: Store | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = bootstrap.store_of(self._settings)
            return self._store

    def close(self) -> None:
        """Give the store back."""
        if self._store is not None:
            self._store.close()


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Answer until SIGINT or SIGTERM. Raises ConfigError, EnvironmentFault."""
    store = Watched(settings)
    token = settings.env.exporter_token
    exporter = Exporter(
        host=host,
        port=port,
        store=store,
        collector=StoreCollector(store, view(settings)),
        token=token.get_secret_value() if token else None,
    )

    def stop(*_: Any) -> None:
        threading.Thread(target=exporter.stop, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    shown = f"[{exporter.host}]" if ":" in exporter.host else exporter.host
    _tell(sys.stdout, f"metrics at http://{shown}:{exporter.port}/metrics")
    try:
        exporter.serve()
    finally:
        store.close()


def write(settings: Settings, folder: Path, every_s: float | None) -> None:
    """Write node exporter's text file, once, or every so many seconds until SIGINT or SIGTERM.

    Raises what went wrong the only time; again and again, it is told on standard error and tried the next time.
    """
    _repeat(settings, lambda collector: f"wrote {write_textfile(folder, collector)}", every_s)


def send(settings: Settings, url: str, every_s: float | None) -> None:
    """Push to a Pushgateway, in the same way."""
    _repeat(settings, lambda collector: f"pushed to {push(url, collector)}", every_s)


def _repeat(settings: Settings, work: Callable[[StoreCollector], str], every_s: float | None) -> None:
    store = Watched(settings)
    collector = StoreCollector(store, view(settings))
    try:
        if every_s is None:
            _tell(sys.stdout, work(collector))
            return
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        told = ""
        while not ended.is_set():
            try:
                stream, said = sys.stdout, work(collector)
            except LumenError as error:
                stream, said = sys.stderr, f"lumen: {error}"
            if said != told:
                _tell(stream, said)
                told = said
            ended.wait(every_s)
    finally:
        store.close()


def _tell(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


def view(settings: Settings) -> View:
    """What is watched. Raises ConfigError for a schedule that is wrong."""
    return View(
        regions=settings.regions,
        stages={pipeline.name: tuple(stage.name for stage in pipeline.stages) for pipeline in PIPELINES},
        classes=CLASSES,
        schedule=entries(settings),
        version=__version__,
        code_version=settings.env.pipeline_version or bootstrap.code_version(),
        depths=depths(settings),
    )
