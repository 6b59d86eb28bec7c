"""Writes the file forms of one loop."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from lumen_workers.archive.forms.effects import COLUMNS, effect_row
from lumen_workers.archive.forms.events import event_row
from lumen_workers.archive.forms.findings import quote_row, risk_row
from lumen_workers.archive.forms.journal import journal_line
from lumen_workers.archive.forms.names import EFFECTS, HISTORY, METRICS, QUOTES, RISKS, Progress
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import EnvironmentFault, NotFound
from lumen_workers.domain.journal import FILES
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import Block
from lumen_workers.loop.metrics_csv import HEADER, format_block

Row = TypeVar("Row")


def export_loop(
    store: Store,
    loop: str,
    target: Path,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    upto: int | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write the file forms of ``loop`` below ``target``; returns relative path → rows.

    ``start`` (inclusive) and ``end`` (exclusive) bound the samples' times and the ``ts`` of events and of the journal's
    lines (an effect, a quote and a risk stand at their event's); None is unbounded. ``upto`` leaves out rows above that
    ledger number. The bytes follow from the rows alone: UTF-8, ``\\n``, fixed order of keys and columns. Each file
    appears whole or not at all and replaces one that is there. Memory stays bounded by one block of samples and the
    ledgers' rows.
    Raises NotFound for an unknown loop, EnvironmentFault when a file cannot be written.
    """
    if loop not in store.loops.rates():
        raise NotFound(f"loop {loop!r}: unknown; known are {', '.join(store.loops.rates()) or 'none'}")
    events = store.rules.events(loop, start=start, end=end, upto=upto)
    effects = store.effects.rows(loop, start=start, end=end, upto=upto)
    quotes = store.findings.quotes(loop, start=start, end=end, upto=upto)
    risks = store.findings.risks(loop, start=start, end=end, upto=upto)
    lines = store.journal.rows(loop=loop, start=start, end=end, upto=upto)
    done = {METRICS: 0}
    with _file(target / METRICS) as file:
        file.write(HEADER + "\n")
        for block in _samples(store, loop, start, end, upto):
            file.write(format_block(block))
            done[METRICS] += len(block)
            if progress:
                progress(METRICS, done[METRICS])
    with _file(target / EFFECTS) as file:
        writer = csv.writer(_Lines(file))
        writer.writerow(COLUMNS)
        writer.writerows(effect_row(event, effect) for event, effect in effects)
    done[EFFECTS] = len(effects)
    done[HISTORY] = _json_lines(target / HISTORY, events, event_row)
    done[QUOTES] = _json_lines(target / QUOTES, quotes, quote_row)
    done[RISKS] = _json_lines(target / RISKS, risks, risk_row)
    for kind, name in FILES.items():
        done[name] = _write(target / name, (journal_line(entry) for entry in lines if entry.kind == kind))
    return done


def _samples(
    store: Store, loop: str, start: datetime | None, end: datetime | None, upto: int | None
) -> Iterator[Block]:
    span = store.samples.span(loop)
    if span is None:
        return iter(())
    start_us = span[0] if start is None else to_us(start)
    end_us = span[1] + 1 if end is None else to_us(end)
    return iter(store.samples.scan(loop, start_us, end_us, upto=upto))


def _json_lines(path: Path, rows: Iterable[Row], form: Callable[[Row], dict[str, Any]]) -> int:
    return _write(path, (json.dumps(form(row), ensure_ascii=False, allow_nan=False) for row in rows))


def _write(path: Path, lines: Iterable[str]) -> int:
    count = 0
    with _file(path) as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


class _Lines:
    """Ends rows with a plain newline. The writer must believe in CR LF: only then it quotes a cell with a CR in it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, row: str) -> None:
        self._file.write(row.removesuffix("\r\n") + "\n")


@contextmanager
def _file(path: Path) -> Iterator[IO[str]]:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise EnvironmentFault(f"{path}: cannot be written: {error.strerror}; free space or rights") from error
    finally:
        with suppress(OSError):
            part.unlink()
