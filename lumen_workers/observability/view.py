"""What the metrics need besides the store: values, and two things to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lumen_workers.engine.schedule import Entry

Depths = Mapping[tuple[str, str], tuple[int, float | None]]
"""(region, lane) → how many messages wait, and how long the oldest has (seconds; None: not known)."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What is watched. ``stages`` is pipeline → its stages, ``classes`` the classes of failures that there are.

    ``depths`` asks the broker; None means that it did not answer.
    """

    regions: tuple[str, ...]
    stages: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...]
    schedule: Mapping[str, Entry]
    version: str
    code_version: str
    depths: Callable[[], Depths | None] | None = None
