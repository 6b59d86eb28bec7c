"""The declarations: a stage, a pipeline, a tick. Small objects; whoever runs them decides how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumen_workers.domain.runs import Run, Seal
from lumen_workers.engine.context import Context

Outputs = Mapping[str, Any]

GRACE_S = 60.0
"""Seconds between the interruption of work that takes too long and its end."""


@dataclass(frozen=True, kw_only=True)
class StageWork:
    """What a stage works with. It writes into ``folder`` (empty at the start) and reads earlier stages' folders."""

    ctx: Context
    run: Run
    seal: Seal
    folder: Path
    published: Mapping[str, Path]
    outputs: Mapping[str, Outputs]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a pipeline. ``run`` returns what later stages and the record need: JSON values only.

    ``needs`` names the stages whose folders and outputs it reads. A worker interrupts it after ``limit_s`` seconds (it
    may still say so), and ends it, with its process, ``GRACE_S`` later.
    """

    name: str
    run: Callable[[StageWork], Outputs]
    needs: tuple[str, ...] = ()
    limit_s: float = 600


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Stages in order. The output ``root`` of one of them is the run's digest.

    ``elected`` is called after the run's election; what it does must be harmless to repeat or to miss once.
    """

    name: str
    stages: tuple[Stage, ...]
    elected: Callable[[Context], None] | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            if stage.name in seen:
                raise ValueError(f"pipeline {self.name}: stage {stage.name} stands twice")
            if missing := set(stage.needs) - seen:
                raise ValueError(f"pipeline {self.name}: {stage.name} needs {', '.join(missing)}, which come later")
            seen.add(stage.name)

    def stage(self, name: str) -> Stage:
        """The stage called ``name``."""
        return next(stage for stage in self.stages if stage.name == name)

    def before(self, name: str) -> tuple[Stage, ...]:
        """The stages that come before ``name``."""
        return self.stages[: self.stages.index(self.stage(name))]

    def after(self, name: str) -> Stage | None:
        """The stage behind ``name``, or None at the end."""
        position = len(self.before(name)) + 1
        return self.stages[position] if position < len(self.stages) else None


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A short job that looks at rows and the clock, does what is due, and ends. Returns one line for the record.

    ``lane`` is ``jobs`` or ``sampler``.
    """

    name: str
    run: Callable[[Context], str]
    lane: str = "jobs"
