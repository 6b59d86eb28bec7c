"""The heads of audit chains that the days' evidence names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from lumen_workers.trust.audit.faults import AttestedHead, AuditFault
from lumen_workers.trust.dsse import EnvelopeFault, parse_envelope
from lumen_workers.trust.evidence.form import FormFault, parse_evidence
from lumen_workers.trust.evidence.question import Question
from lumen_workers.trust.evidence.verify import verify_evidence
from lumen_workers.trust.pki.trust_file import TrustFile
from lumen_workers.trust.statement import StatementFault, parse_statement

AUDIT: Final = "audit:"
"""Before the name of a chain, among a statement's materials; its annotation ``seq`` is the chain's length."""

SIGNED: Final = ("root", "chain", "signature", "statement")
"""The checks of an evidence file that must hold for its heads to count. When it was signed plays no part: a
certificate that has run out since makes a head no less binding."""

FOREIGN: Final = ("root_not_pinned", "root_mismatch")
"""Why evidence of somebody else's is refused."""

HeadReader = Callable[[bytes, str], Sequence[AttestedHead]]
"""Reads the heads in an evidence file; the second argument is its name. Raises EvidenceRefused."""


class EvidenceRefused(ValueError):
    """The evidence does not count; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def said_heads(data: bytes, source: str) -> list[AttestedHead]:
    """A ``HeadReader`` that believes every evidence file: no signature is looked at."""
    try:
        said = parse_statement(parse_envelope(parse_evidence(data).envelope).payload)
    except (FormFault, EnvelopeFault, StatementFault) as fault:
        raise EvidenceRefused(fault.reason) from None
    heads = []
    for material in said.materials:
        if not material.name.startswith(AUDIT):
            continue
        seq = material.annotations.get("seq")
        if type(seq) is not int or seq < 0:
            raise EvidenceRefused("statement_malformed")
        if seq:
            chain = material.name.removeprefix(AUDIT)
            heads.append(AttestedHead(chain=chain, seq=seq, sha256=material.sha256, source=source))
    return heads


def signed_heads(roots: Sequence[str], now: datetime, trust_file: TrustFile | None = None) -> HeadReader:
    """A ``HeadReader`` that counts evidence whose signer's certificate leads to one of ``roots`` (fingerprints).

    ``trust_file``: what is known of rotations since.
    """

    question = Question(roots=roots, now=now, trust_file=trust_file)

    def read(data: bytes, source: str) -> list[AttestedHead]:
        checks = {check.name: check for check in verify_evidence(data, question).checks}
        failed = next((check for check in checks.values() if check.status == "failed"), None)
        if any(checks[name].status != "ran" for name in SIGNED):
            raise EvidenceRefused(failed.reason if failed else "evidence_malformed")
        return said_heads(data, source)

    return read


def read_heads(
    files: Iterable[tuple[str, bytes | None]], read: HeadReader
) -> tuple[list[AttestedHead], list[AuditFault], int]:
    """The heads in evidence files (name, bytes; None: unreadable), what was refused, and how many are of other roots.

    Evidence under a root that is not pinned here is no fault: several homes may share an archive.
    """
    heads: list[AttestedHead] = []
    refused: list[AuditFault] = []
    foreign = 0
    for source, data in files:
        try:
            if data is None:
                raise EvidenceRefused("evidence_missing")
            heads += read(data, source)
        except EvidenceRefused as fault:
            if fault.reason in FOREIGN:
                foreign += 1
            else:
                refused.append(
                    AuditFault(chain="", seq=None, reason="evidence_refused", detail=f"{source}: {fault.reason}")
                )
    return heads, refused, foreign
