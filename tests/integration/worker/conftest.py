"""One Redis for the module; systems that are gone after their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.workers import RedisServer, System


@pytest.fixture(scope="module")
def broker() -> Iterator[RedisServer]:
    """A running Redis."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, broker: RedisServer) -> Iterator[System]:
    """A system with one jobs worker, which the module's tests share."""
    system = System(tmp_path_factory.mktemp("running"), broker)
    system.worker()
    yield system
    system.close()


@pytest.fixture
def make_system(tmp_path: Path, broker: RedisServer) -> Iterator[Callable[..., System]]:
    """Makes a home with an empty broker; its processes are killed after the test."""
    made: list[System] = []

    def make(**options: Any) -> System:
        broker.client.flushall()
        made.append(System(tmp_path, broker, **options))
        return made[-1]

    yield make
    for system in made:
        system.close()
