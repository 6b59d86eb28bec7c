"""Signs of life, switches, the audit log, counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from lumen_workers.domain.regions import AuditEntry, Pulse, Switch, Tally


class PulseStore(Protocol):
    """Which lanes live."""

    def beat(self, region: str, lane: str, host: str, holder: str, code_version: str) -> None:
        """Note a sign of life."""

    def rows(self) -> list[Pulse]:
        """The last sign of each lane of each region on each host."""

    def prune(self, before: datetime) -> int:
        """Forget hosts that were last seen before ``before``; the newest sign of each lane stays, however old."""


class SwitchStore(Protocol):
    """What people have turned on."""

    def turn_on(self, name: str, by: str, note: str = "") -> bool:
        """False: it was on."""

    def turn_off(self, name: str, by: str) -> bool:
        """False: it was off."""

    def rows(self) -> list[Switch]:
        """Those that are on, by name."""


class AuditStore(Protocol):
    """The audit log: append-only, one hash chain for each writing region."""

    def append(
        self,
        actor: str,
        event: str,
        *,
        subject: str = "",
        pipeline: str = "",
        region: str = "",
        trace_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """Add a line to the chain of the actor's region (what stands before the first ``/`` of ``actor``)."""

    def rows(
        self, *, trace_id: str | None = None, subject: str | None = None, limit: int | None = None
    ) -> list[AuditEntry]:
        """Lines by time, oldest first; ``limit``: only so many, the newest."""

    def chains(self) -> dict[str, tuple[int, str]]:
        """Chain → its length and its head's hash."""

    def walk(self, chain: str) -> Iterator[AuditEntry]:
        """A whole chain, from its first line."""

    def names(self) -> list[str]:
        """Every chain that has lines or a head, sorted."""

    def raw(self, chain: str) -> Iterator[dict[str, Any]]:
        """A whole chain by number, whatever somebody has made of it: ``trust.audit.rows.AuditRow``."""


class TallyStore(Protocol):
    """Counters that survive restarts."""

    def add(self, name: str, labels: Mapping[str, str], amount: int = 1) -> None:
        """Count ``amount`` (≥ 0) more. Labels must have few values: no run id."""

    def rows(self, prefix: str = "") -> list[Tally]:
        """Counters whose name begins with ``prefix``, by name and labels."""
