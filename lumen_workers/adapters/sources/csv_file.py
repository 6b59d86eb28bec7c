"""A file in the S02 form that another process appends to. Rows keep their own, exact times."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.follower import Follower
from lumen_workers.adapters.sources.options import CsvOptions
from lumen_workers.adapters.sources.problems import Problems
from lumen_workers.adapters.sources.quarantine import Quarantine, Refused
from lumen_workers.domain.clock import US
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import Block

_BACKLOG_S = 0.002
_ERROR_S = 1.0
_WAITING = 80
"""Blocks read ahead at most: some 20,000 rows."""
_AT_ONCE = 20
"""Blocks handed out in one read at most: some 5,000 rows, a fraction of a millisecond."""
_UNWRITTEN = 10_000


class CsvSource:
    """``csv:PATH``. A thread follows the file; ``read`` hands out what has come.

    A row that is no sample is counted by reason and kept in the quarantine; the rest goes on.
    """

    host_bound: bool = False

    def __init__(self, spec: LoopSpec, path: Path, options: CsvOptions, quarantine: Quarantine) -> None:
        self._name = spec.name
        self._path = path
        self._idle_s = min(0.1, 0.5 / spec.rate_hz)
        self._ahead_us = round(options.max_ahead_s * US)
        self._quarantine = quarantine
        self._problems = Problems(spec.name, spec.source)
        self._unwritten: list[Refused] = []
        self._blocks: deque[Block] = deque()
        self._follower: Follower | None = None
        self._thread: Background | None = None

    def open(self, last_us: int | None) -> None:
        """Go on behind ``last_us``. An open source is closed first."""
        self.close()
        self._follower = Follower(self._path, last_us, refuse=self._keep, problem=self._problems.note)
        self._thread = Background(f"csv-{self._name}", self._step)

    def read(self, tick_us: int, lateness_s: float) -> Block:  # noqa: ARG002 - the port's signature
        """The rows that have come, at most some 5,000; more with the next tick. Never blocks."""
        return Block.concat([self._blocks.popleft() for _ in range(min(_AT_ONCE, len(self._blocks)))])

    def close(self) -> None:
        """Stop the thread, close the file. Rows read ahead are read again after the next opening."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        self._blocks.clear()

    def problems(self) -> dict[str, int]:
        """Refused rows by reason, and what stood in the way, since the source was made: kind → count."""
        return self._problems.counts()

    def _step(self) -> float:
        if self._follower is None or len(self._blocks) >= _WAITING:
            return self._idle_s
        try:
            block, more = self._follower.poll(time.time_ns() // 1000 + self._ahead_us)
        except OSError as err:
            self._problems.note("file", f"{self._path}: {err.strerror or err}")
            return _ERROR_S
        if len(block):
            self._blocks.append(block)
        return _BACKLOG_S if more else self._idle_s

    def _keep(self, rows: list[Refused]) -> None:
        for row in rows:
            self._problems.note(row.reason, f"{self._path}:{row.line_no}: refused, kept in {self._quarantine.path}")
        waiting = self._unwritten + rows
        try:
            self._quarantine.add(waiting)
        except OSError as err:
            self._unwritten = waiting[-_UNWRITTEN:]
            self._problems.note("quarantine", f"{self._quarantine.path}: {err.strerror or err}; it is tried again")
        else:
            self._unwritten = []
