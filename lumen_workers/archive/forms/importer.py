"""Reads the file forms of one loop into the store: what is good is kept, what is not is counted and quarantined."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lumen_workers.archive.forms import samples
from lumen_workers.archive.forms.effects import check_header
from lumen_workers.archive.forms.ledgers import Ledgers
from lumen_workers.archive.forms.names import EFFECTS, FORMS, HISTORY, METRICS, QUOTES, RISKS, Progress
from lumen_workers.archive.forms.outcome import FileReport, ImportReport
from lumen_workers.archive.forms.quarantine import Quarantine
from lumen_workers.archive.forms.tables import table_columns
from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import check_name
from lumen_workers.domain.journal import FILES
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import RATES_HZ, Block

SOURCE: Final = "import"
"""The source of a loop that an import made."""

_BATCH: Final = 50_000
_AHEAD_US: Final = 60 * US  # how far the clock that stamped the samples may be ahead of the store's


def import_dir(
    store: Store,
    source: Path,
    loop: str,
    *,
    rate_hz: int | None = None,
    quarantine: Path,
    progress: Progress | None = None,
) -> ImportReport:
    """Take the file forms below ``source`` (those of names.FORMS that are there) into ``loop``.

    Idempotent: rows that the store has are left alone, so a second import adds nothing. A new loop is made, at
    ``rate_hz`` or at the rate estimated from the samples; sample times stay exact. Bad rows go to one file in the
    folder ``quarantine``. Samples stream: memory does not grow with their file. Where the folder has quotes or risks,
    its effects count as looked at: findings are not made a second time.

    Raises UsageError before anything is written: nothing to import, a CSV that is empty or has another header, a bad
    loop name, a ``rate_hz`` that is not in RATES_HZ or not the known loop's. Raises EnvironmentFault when a file
    cannot be read and StoreUnavailable when the store is away: what was written stays, the import can be repeated.
    """
    check_name(loop, "loop")
    present = _present(source)
    known_hz = store.loops.rates().get(loop)
    _check_rate(loop, rate_hz, known_hz)
    if METRICS in present:
        samples.check_file(source / METRICS)
    if EFFECTS in present:
        check_header(table_columns(source / EFFECTS), str(source / EFFECTS))

    files: list[FileReport] = []
    with Quarantine(quarantine, loop, source, store.now()) as refused:
        if known_hz is None and METRICS not in present:
            store.loops.register(loop, rate_hz or samples.DEFAULT_HZ, SOURCE)
        if METRICS in present:
            files.append(_metrics(store, loop, source / METRICS, refused, known_hz, rate_hz, progress))
        ledgers = Ledgers(store, loop, refused)
        for name, read in (
            (HISTORY, ledgers.history),
            (EFFECTS, ledgers.effects),
            (QUOTES, ledgers.quotes),
            (RISKS, ledgers.risks),
        ):
            if name in present:
                files.append(read(source / name))
        if QUOTES in present or RISKS in present:
            ledgers.mark_spoken()
        files += [ledgers.journal(kind, name, source / name) for kind, name in FILES.items() if name in present]
    return ImportReport(
        loop=loop,
        rate_hz=store.loops.rates()[loop],
        created=known_hz is None,
        files=tuple(files),
        quarantine=refused.path,
    )


def _present(source: Path) -> tuple[str, ...]:
    present = tuple(name for name in FORMS if (source / name).is_file())
    if not present:
        raise UsageError(f"{source}: nothing to import; expected at least one of {', '.join(FORMS)}")
    return present


def _check_rate(loop: str, rate_hz: int | None, known_hz: int | None) -> None:
    if rate_hz is None:
        return
    if rate_hz not in RATES_HZ:
        raise UsageError(f"rate {rate_hz} Hz: use one of {', '.join(map(str, RATES_HZ))}")
    if known_hz not in (None, rate_hz):
        raise UsageError(f"loop {loop!r} is known at {known_hz} Hz: leave out the rate, or import into another loop")


def _metrics(
    store: Store,
    loop: str,
    path: Path,
    refused: Quarantine,
    known_hz: int | None,
    rate_hz: int | None,
    progress: Progress | None,
) -> FileReport:
    rows = good = added = 0
    waiting: list[Block] = []
    registered = known_hz is not None

    def flush() -> None:
        nonlocal added, registered, waiting
        block, waiting = Block.concat(waiting), []
        if not registered:
            store.loops.register(loop, rate_hz or samples.estimate_rate(block), SOURCE)
            registered = True
        if len(block):
            added += store.samples.add(loop, block)

    limit_us = to_us(store.now()) + _AHEAD_US
    for count, block in samples.read_blocks(path, refused, limit_us):
        rows += count
        good += len(block)
        waiting.append(block)
        if sum(map(len, waiting)) >= _BATCH:
            flush()
        if progress:
            progress(METRICS, rows)
    flush()
    return FileReport(path=METRICS, rows=rows, added=added, known=good - added, refused=refused.counts(METRICS))
