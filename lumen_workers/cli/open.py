"""Opens what a command works on; imported inside commands, so that `lumen --help` stays quick."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lumen_workers.adapters.queue.inline import InlineDispatcher
    from lumen_workers.config import Settings
    from lumen_workers.domain.ports import Dispatcher, Store
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
def context(region: str | None = None) -> Iterator[tuple[Context, Callable[[Callable[[], object]], None]]]:
    """A context for one region whose messages this process does itself.

    The second item does them all; what it is given is called after each. Raises UsageError for an unknown region.
    """
    from lumen_workers import bootstrap, config
    from lumen_workers.adapters.queue.inline import InlineDispatcher
    from lumen_workers.pipelines.tasks import TASKS
    from lumen_workers.schedule import entries

    settings = config.load()
    if region is not None:
        settings = config.load(region=settings.check_region(region))
    dispatcher: InlineDispatcher = InlineDispatcher(settings.region)
    ctx = bootstrap.build(settings, dispatcher, entries(settings))

    def drain(after: Callable[[], object]) -> None:
        def handle(task: str, payload: Mapping[str, Any]) -> None:
            try:
                TASKS[task].run(ctx, payload)
            finally:
                after()

        dispatcher.drain(handle)

    try:
        yield ctx, drain
    finally:
        ctx.store.close()


@contextmanager
def sender() -> Iterator[tuple[Settings, Store, Dispatcher]]:
    """Settings, the store and the way to the workers. Raises NoBroker where there is none."""
    from lumen_workers.adapters.queue.celery import CeleryDispatcher
    from lumen_workers.domain.errors import NoBroker
    from lumen_workers.local.instance import holder

    with store() as (settings, opened):
        # Without a broker of one's own there is one while `lumen run` runs; a killed one leaves its note behind.
        if settings.env.broker_url is None and holder(settings.home) is None:
            raise NoBroker
        from lumen_workers.worker.app import app as celery

        yield settings, opened, CeleryDispatcher(celery)


def person(settings: Settings) -> str:
    """Who works at this shell, as the audit log names them: ``<region>/<host>/<user>``."""
    return f"{settings.region}/{settings.env.host}/{getpass.getuser()}"


def known_loop(rates: dict[str, int], loop: str | None) -> None:
    """Raises UsageError for a loop that the store does not know; None is every loop."""
    from lumen_workers.domain.errors import UsageError

    if loop is not None and loop not in rates:
        raise UsageError(f"unknown loop {loop!r}; this home has: {', '.join(rates)}")
