"""The chain of days: each manifest names the root of the day before it, and each day has evidence that holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from lumen_workers.archive.evidence import evidence_in, verify_day
from lumen_workers.archive.layout import MANIFEST, attestor_of, parse_snapshot_name
from lumen_workers.archive.manifest import parse_manifest
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ports import Remote
from lumen_workers.domain.records import Record
from lumen_workers.trust.evidence.policy import DEFAULT, VerifyPolicy
from lumen_workers.trust.evidence.report import EvidenceReport
from lumen_workers.trust.pki.trust_file import TrustFile


@dataclass(frozen=True, kw_only=True)
class DayFound(Record):
    """A snapshot in the walk. ``reason`` is empty where it holds: a word of docs/evidence.md, or one of the chain's.

    ``chain_gap``: no snapshot of the day before. ``chain_broken``: none of those of the day before whose evidence holds
    has the root that the manifest names. ``chain_unlinked``: it names none, and the day before is there.
    """

    name: str
    day: date
    revision: int
    root: str | None = None
    previous: str | None = None
    verdict: str | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "snapshot": self.name,
            "day": self.day.isoformat(),
            "revision": self.revision,
            "root": self.root,
            "previous": self.previous,
            "verdict": self.verdict,
            "ok": self.ok,
            "reason": self.reason,
        }


def walk_days(
    remote: Remote,
    since: date,
    *,
    roots: tuple[str, ...],
    now: datetime,
    policy: VerifyPolicy = DEFAULT,
    trust_file: TrustFile | None = None,
    at_hand: bool = False,
    crl: bytes | None = None,
) -> Iterator[DayFound]:
    """Every snapshot from ``since`` on, oldest first, each revision: its evidence, and its link to the day before."""
    seen: dict[date, set[str]] = {}
    first: date | None = None
    for day, revision, name in _snapshots(remote, since):
        first = first or day
        with tempfile.TemporaryDirectory(prefix="lumen-walk-") as scratch:
            folder = remote.fetch(name, Path(scratch) / "snapshot")
            reports = [
                verify_day(
                    folder,
                    region,
                    roots=roots,
                    now=now,
                    day=day,
                    policy=policy,
                    trust_file=trust_file,
                    at_hand=at_hand,
                    crl=crl,
                )
                for item in evidence_in(folder)
                if (region := attestor_of(item)) is not None
            ]
            previous = _previous(folder)
        report = _best(reports)
        reason = "evidence_missing" if report is None else report.reason
        root = None if report is None else report.merkle_root
        if not reason and day != first:
            reason = _link(previous, seen.get(day - timedelta(days=1)))
        verified = seen.setdefault(day, set())
        if report is not None and report.ok and root is not None:
            verified.add(root)  # also where its own link is broken: the day after it is not to blame
        yield DayFound(
            name=name,
            day=day,
            revision=revision,
            root=root,
            previous=previous,
            verdict=None if report is None else report.verdict.value,
            reason=reason,
        )


def _snapshots(remote: Remote, since: date) -> list[tuple[date, int, str]]:
    found = []
    for name in remote.names():
        try:
            day, revision = parse_snapshot_name(name)
        except UsageError:
            continue  # a folder of somebody else's
        if day >= since:
            found.append((day, revision, name))
    return sorted(found)


def _best(reports: list[EvidenceReport]) -> EvidenceReport | None:
    """The evidence that counts: one that fails counts before those that hold."""
    return min(reports, key=lambda report: report.ok, default=None)


def _link(previous: str | None, before: set[str] | None) -> str:
    if before is None:
        return "chain_gap"
    if previous is None:
        return "chain_unlinked"
    return "" if previous in before else "chain_broken"


def _previous(folder: Path) -> str | None:
    try:
        found = parse_manifest((folder / MANIFEST).read_bytes()).seal.get("prev_digest")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, str) else None
