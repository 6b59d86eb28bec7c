"""The running system as others see it: ``<home>/run/state.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lumen_workers.local.instance import holder, run_dir

_NAME = "state.json"


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """One process. ``status``: waiting, starting, running, backoff, stopping, stopped, failed; ``pid`` None: none."""

    name: str
    pid: int | None
    restarts: int
    status: str


@dataclass(frozen=True, kw_only=True)
class State:
    """The supervisor (``pid``, ``started`` ISO 8601 UTC), its processes, and URLs by name (``broker``, ``flower``)."""

    pid: int
    started: str
    processes: tuple[ProcessState, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)


def write_state(home: Path, state: State) -> None:
    """Replace the file atomically. Raises OSError."""
    path = run_dir(home) / _NAME
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def clear_state(home: Path) -> None:
    """Remove the file."""
    (run_dir(home) / _NAME).unlink(missing_ok=True)


def read_state(home: Path) -> State | None:
    """The state of the instance that runs now; None when none does, or when it has not written any yet."""
    present = holder(home)
    if present is None:
        return None
    try:
        data: dict[str, Any] = json.loads((run_dir(home) / _NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if data["pid"] != present.pid:
        return None  # left behind by one that was killed
    processes = tuple(ProcessState(**row) for row in data["processes"])
    return State(pid=data["pid"], started=data["started"], processes=processes, urls=data["urls"])
