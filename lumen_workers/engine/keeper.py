"""Keeps a lease alive while work runs under it."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from lumen_workers.domain.clock import Clock
from lumen_workers.domain.errors import LeaseLost
from lumen_workers.domain.ports import LeaseStore
from lumen_workers.domain.runs import Lease

log = logging.getLogger(__name__)


class Kept:
    """A lease under renewal. ``lost`` is set once it must be taken to have ended."""

    def __init__(self) -> None:
        self.lost: LeaseLost | None = None


@contextmanager
def keep(leases: LeaseStore, lease: Lease, ttl: timedelta, clock: Clock) -> Iterator[Kept]:
    """Renew ``lease`` at once and then every third of ``ttl``; leaving the block with a lost lease raises LeaseLost.

    A renewal that the store does not answer is tried again until, by this process's own monotonic clock, the lease
    must be taken to have ended: then it counts as lost. The time runs from before the last renewal was sent.
    """
    done = threading.Event()
    kept = Kept()
    seconds = ttl.total_seconds()

    def renew() -> None:
        # At once: how long ago the lease was taken is not known here.
        held_since = clock.monotonic()
        pause = 0.0
        while not done.wait(pause):
            pause = seconds / 3
            asked = clock.monotonic()
            try:
                leases.renew(lease, ttl)
            except LeaseLost as error:
                kept.lost = error
                return
            except Exception as error:  # noqa: BLE001  (a thread that ends in silence would renew no more)
                if clock.monotonic() - held_since > seconds:
                    kept.lost = LeaseLost(f"lease {lease.name}: not renewed for {seconds:g} s: {error}")
                    return
                log.warning("lease %s: renewal failed, trying again: %s", lease.name, error)
            else:
                held_since = asked

    # In this thread's context: what the renewal logs belongs to the same work.
    inside = contextvars.copy_context()
    thread = threading.Thread(target=inside.run, args=(renew,), name=f"keep {lease.name}", daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        done.set()
        thread.join()
    if kept.lost is not None:
        raise kept.lost
