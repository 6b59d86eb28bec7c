"""A store in memory with the loop ``main``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lumen_workers.adapters.store import SqlStore, open_store


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    yield opened
    opened.close()
