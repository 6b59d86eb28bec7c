"""Opens what a command works on; imported inside commands, so that `lumen --help` stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lumen_workers.adapters.queue.inline import InlineDispatcher
    from lumen_workers.config import Settings
    from lumen_workers.domain.ports import Store
    from lumen_workers.engine.context import Context


@contextmanager
def store() -> Iterator[tuple[Settings, Store]]:
    """Settings and the store, closed afterwards."""
    from lumen_workers import bootstrap, config

    settings = config.load()
    opened = bootstrap.store_of(settings)
    try:
        yield settings, opened
    finally:
        opened.close()


@contextmanager
def context(region: str | None = None) -> Iterator[tuple[Context, Callable[[], None]]]:
    """A context for one region whose messages this process does itself; call the second item to do them."""
    from lumen_workers import bootstrap, config
    from lumen_workers.adapters.queue.inline import InlineDispatcher
    from lumen_workers.pipelines.tasks import TASKS
    from lumen_workers.schedule import entries

    settings = config.load(region=region)
    dispatcher: InlineDispatcher = InlineDispatcher(settings.region)
    ctx = bootstrap.build(settings, dispatcher, entries(settings))
    try:
        yield ctx, lambda: dispatcher.drain(lambda task, payload: TASKS[task].run(ctx, payload))
    finally:
        ctx.store.close()
