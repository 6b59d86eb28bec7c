"""Records of the gateway (S01): whether a loop may be changed automatically, and how it came to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from lumen_workers.domain.records import Record, RuleEvent

LOCK: Final = "gateway.lock"
UNLOCK: Final = "gateway.unlock"
LOOP_SET: Final = "loop.set"
"""Commands of the control bus."""

SYNC_MODE: Final = "observer_resonance"


class Status(StrEnum):
    """Where a loop's gateway stands."""

    INITIALIZING = "initializing"
    BINDING = "binding"
    RESONATING = "resonating"
    LOCKED = "locked"

    @property
    def number(self) -> int:
        """As the exporter tells it (S03); 0 is for a loop without a gateway."""
        return list(Status).index(self) + 1


class Act(StrEnum):
    """What moves a gateway, by the tag of its line in the log."""

    INIT = "INIT"
    BIND = "BIND"
    SIGN = "SIGN"
    REKEY = "REKEY"
    RESONATE = "RESONATE"
    SILENT = "SILENT"
    LOCK = "LOCK-IN"
    UNLOCK = "UNLOCK"
    DESYNC = "DESYNC"


@dataclass(frozen=True, kw_only=True)
class Key(Record):
    """Who signed a gateway, and the SHA-256 (hex) of its phrases: the same where there is no confirm phrase apart."""

    signer: str
    phrase_sha256: str
    confirm_sha256: str


@dataclass(frozen=True, kw_only=True)
class Gateway(Record):
    """A loop's gateway. ``version`` counts its steps: a step from an older version is refused.

    ``since``: when it came to ``status``; ``entry_id``: the last line of its log.
    """

    loop: str
    status: Status
    version: int
    since: datetime
    entry_id: str
    key: Key | None = None


@dataclass(frozen=True, kw_only=True)
class Step(Record):
    """One step to ``status``; ``key`` replaces the gateway's."""

    act: Act
    status: Status
    by: str
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    key: Key | None = None


@dataclass(frozen=True, kw_only=True)
class Moved(Record):
    """What a step left: the gateway, and the rule change that undid an automatic one."""

    gateway: Gateway
    undone: RuleEvent | None = None


@dataclass(frozen=True, kw_only=True)
class LoopSetting(Record):
    """What ``loop.set`` last said of a loop. ``rate_hz`` holds while the loop is declared at ``declared_hz``."""

    loop: str
    rate_hz: int | None
    declared_hz: int | None
    sync_mode: str
