"""What is told to people: alarms, letters and the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import Alarm, Letter, LetterState, Send, SendState


class NoticeStore(Protocol):
    """Alarms and letters."""

    def raise_alarm(
        self,
        key: str,
        kind: str,
        severity: AlarmSeverity,
        detail: str,
        *,
        facts: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> bool:
        """Write it, or let a resolved one stand again. False: it stands already."""

    def resolve(self, key: str, by: str) -> bool:
        """It is over. False: it does not stand."""

    def alarms(self, *, standing: bool = False, limit: int | None = None) -> list[Alarm]:
        """Alarms, oldest first; ``standing``: only those that are not resolved; ``limit``: only so many, the newest."""

    def alarm(self, key: str) -> Alarm | None:
        """One alarm."""

    def unrouted(self) -> list[Alarm]:
        """Alarms that the outbox has not taken over, oldest first."""

    def route(self, alarm: Alarm, sends: Sequence[Send]) -> bool:
        """Put ``sends`` into the outbox and mark the alarm, in one transaction. False: somebody else has."""

    def refuse(self, task: str, region: str, reason: str, payload: str, trace_id: str | None) -> Letter:
        """Keep a message that was refused."""

    def letters(
        self, *, state: LetterState | None = None, trace_id: str | None = None, limit: int | None = None
    ) -> list[Letter]:
        """Letters, oldest first; ``limit``: only so many, the newest."""

    def letter_counts(self) -> dict[str, int]:
        """How many letters there are in each state."""

    def letter(self, letter_id: str) -> Letter:
        """One letter. Raises NotFound."""

    def handle(self, letter_id: str, state: LetterState, by: str) -> bool:
        """kept → replayed or discarded, once. False: it was handled."""

    def take_back(self, letter_id: str, by: str) -> None:
        """replayed by ``by`` → kept: what was to be sent could not be."""


class SendStore(Protocol):
    """The outbox: each row is told once, or says why not."""

    def add(self, sends: Sequence[Send]) -> int:
        """Write new ones; known message ids are left alone."""

    def claim(self, holder: str, hold: timedelta) -> Send | None:
        """The oldest due one → sending, held for ``hold``; None: nothing is due."""

    def settle(self, send: Send, state: SendState, *, detail: str, not_before: datetime | None = None) -> bool:
        """sending → what came of it, by its holder. False: its time ran out and it is in doubt."""

    def doubt(self) -> list[Send]:
        """Those that were begun and whose time has run out: → in_doubt. Returns them."""

    def decide(self, message_id: str, state: SendState, by: str) -> bool:
        """in_doubt or failed → due (send it again) or sent (it has arrived), as somebody who knows says.

        False: it is neither in doubt nor failed. Raises NotFound.
        """

    def rows(self, *, state: SendState | None = None, limit: int | None = None) -> list[Send]:
        """Rows, newest first."""

    def undecided(self, limit: int) -> list[Send]:
        """The newest that are in doubt or have failed, at most ``limit``."""

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
