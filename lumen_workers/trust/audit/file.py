"""``audit.log.jsonl``, checked without any store: what was exported once must still be one whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lumen_workers.domain.errors import CheckFailed, NotFound
from lumen_workers.trust.audit.chain import ChainCheck
from lumen_workers.trust.audit.faults import AttestedHead, AuditReport, with_unknown
from lumen_workers.trust.audit.rows import parse_line

MAX_LINE: Final = 16 * 1024**2
MAX_CHAINS: Final = 1000

Progress = Callable[[int], None]
"""Told now and then how many rows have been read."""

STEP: Final = 20_000
"""How many rows lie between two such words."""


def verify_file(
    path: Path,
    heads: Sequence[AttestedHead] = (),
    *,
    known: Collection[str] | None = None,
    progress: Progress = lambda _: None,
) -> AuditReport:
    """Check every chain in the file, and that the attested heads lie on them.

    A file names no heads of its own, so lines that were cut off its end are missed only by an attested head. ``known``
    as for ``with_unknown``. Raises NotFound, CheckFailed for what is no such file, OSError.
    """
    checks: dict[str, ChainCheck] = {}
    for number, (chain, row) in enumerate(_rows(path), start=1):
        check = checks.get(chain)
        if check is None:
            if len(checks) == MAX_CHAINS:
                raise CheckFailed(f"{path}: more than {MAX_CHAINS} chains; this is no audit log of ours")
            own = [head for head in heads if head.chain == chain]
            check = checks[chain] = ChainCheck(chain, own)
        check.feed(row)
        if number % STEP == 0:
            progress(number)
    if any(check.doubtful for check in checks.values()):
        for chain, row in _rows(path):
            checks[chain].look_again(row)
    for chain in {head.chain for head in heads} - checks.keys():
        checks[chain] = ChainCheck(chain, [head for head in heads if head.chain == chain])
    reports = [checks[chain].finish(headed=False) for chain in sorted(checks)]
    return AuditReport(chains=with_unknown(reports, known), heads=len(heads))


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Chain and row of each line; what is no JSON is a row of the chain before it, or of none."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotFound(f"{path} is not there; `lumen audit export` writes one") from None
    chain = ""
    with stream:
        while line := stream.readline(MAX_LINE):
            try:
                row = parse_line(line)
            except ValueError:
                yield chain, {}
                continue
            chain = row["chain"] if isinstance(row.get("chain"), str) else chain
            yield chain, row
