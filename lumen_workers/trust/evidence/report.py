"""What a verification found: every check, and one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from lumen_workers.domain.clock import iso
from lumen_workers.domain.records import Record
from lumen_workers.trust.evidence.policy import Verdict

Status = Literal["ran", "failed", "skipped"]

CHECKS: Final = (
    "read",
    "root",
    "trust",
    "envelope",
    "chain",
    "signature",
    "statement",
    "entry",
    "checkpoint",
    "inclusion",
    "time",
    "crl",
    "validity",
    "revocation",
    "subjects",
    "snapshot",
    "log",
    "policy",
)
"""The checks, in their order."""


@dataclass(frozen=True, kw_only=True)
class Check(Record):
    """One check. ``reason`` is a word of docs/evidence.md, empty where it ran and holds; ``detail`` is for people."""

    name: str
    status: Status
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class EvidenceReport(Record):
    """The answer. ``reason`` is the first failure's; ``root`` the fingerprint (hex) of the evidence's root."""

    verdict: Verdict
    checks: tuple[Check, ...]
    root: str | None = None
    development: bool = False
    signed_at: datetime | None = None
    signer: str | None = None
    day: str | None = None
    merkle_root: str | None = None

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not any(check.status == "failed" for check in self.checks)

    @property
    def reason(self) -> str:
        """The first failure's reason; empty where all hold."""
        return next((check.reason for check in self.checks if check.status == "failed"), "")

    def as_json(self) -> dict[str, Any]:
        """As docs/evidence.md has it."""
        return {
            "ok": self.ok,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "checks": [
                {"name": check.name, "status": check.status, "reason": check.reason, "detail": check.detail}
                for check in self.checks
            ],
            "root": self.root,
            "development": self.development,
            "signed_at": None if self.signed_at is None else iso(self.signed_at),
            "signer": self.signer,
            "day": self.day,
        }


def one_line(text: object) -> str:
    """A check's detail: one line that cannot steer a terminal. What was signed may still be hostile."""
    line = " ".join(str(text).split())[:300]
    return line if line.isprintable() else ascii(line)[1:-1]
