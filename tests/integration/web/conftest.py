"""One interface for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.webs import Web, web


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as opened:
        yield opened
