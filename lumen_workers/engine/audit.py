"""The audit log in the store: verified against the days' evidence, and written as S21's file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from lumen_workers.domain.ports.control import AuditStore
from lumen_workers.trust.audit.chain import ChainCheck, Head
from lumen_workers.trust.audit.faults import AttestedHead, AuditReport, ChainReport, with_unknown
from lumen_workers.trust.audit.file import STEP, Progress
from lumen_workers.trust.audit.rows import dump_line
from lumen_workers.trust.files import replacing


def verify_store(
    audit: AuditStore,
    heads: Sequence[AttestedHead] = (),
    *,
    known: Collection[str] | None = None,
    progress: Progress = lambda _: None,
) -> AuditReport:
    """Check every chain of the store, its head, and that the attested heads lie on it. Writers need not pause.

    ``known`` as for ``with_unknown``.
    """
    reports: list[ChainReport] = []
    for chain in sorted({*audit.names(), *(head.chain for head in heads)}):
        before = sum(report.rows for report in reports)
        own = [head for head in heads if head.chain == chain]
        reports.append(_verify_chain(audit, chain, own, progress, before))
    return AuditReport(chains=with_unknown(reports, known), heads=len(heads))


def _verify_chain(
    audit: AuditStore, chain: str, heads: Sequence[AttestedHead], progress: Progress, before: int
) -> ChainReport:
    check = ChainCheck(chain, heads, _head(audit, chain))
    for number, row in enumerate(audit.raw(chain), start=before + 1):
        check.feed(row)
        if number % STEP == 0:
            progress(number)
    if check.doubtful:
        for row in audit.raw(chain):
            check.look_again(row)
    return check.finish(_head(audit, chain))


def _head(audit: AuditStore, chain: str) -> Head | None:
    found = audit.chains().get(chain)
    return None if found is None else Head(*found)


def export_audit(audit: AuditStore, path: Path) -> dict[str, int]:
    """Write ``audit.log.jsonl``: all chains, sorted, in one step. Returns each chain's lines. Raises OSError.

    It writes what is there, whole or not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with replacing(path) as stream:
        for chain in audit.names():
            counts[chain] = 0
            for row in audit.raw(chain):
                stream.write(dump_line(row))
                counts[chain] += 1
    return counts
