"""The gateway (S01): initializing → binding → resonating → locked, and what leads from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.gateway import SYNC_MODE, Act, Gateway, Status
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Record
from lumen_workers.loop import alignment
from lumen_workers.loop.alignment import Alignment, Limits

MOVES: Final[Mapping[Act, Mapping[Status | None, Status]]] = {
    Act.INIT: {
        None: Status.INITIALIZING,
        Status.INITIALIZING: Status.INITIALIZING,
        Status.BINDING: Status.INITIALIZING,
        Status.RESONATING: Status.INITIALIZING,
    },
    Act.BIND: {Status.INITIALIZING: Status.BINDING},
    Act.SIGN: {Status.BINDING: Status.BINDING, Status.RESONATING: Status.RESONATING, Status.LOCKED: Status.LOCKED},
    Act.REKEY: {Status.BINDING: Status.BINDING, Status.RESONATING: Status.RESONATING},
    Act.RESONATE: {Status.BINDING: Status.RESONATING},
    Act.SILENT: {Status.RESONATING: Status.BINDING},
    Act.LOCK: {Status.RESONATING: Status.LOCKED},
    Act.UNLOCK: {Status.LOCKED: Status.RESONATING},
    Act.DESYNC: {Status.LOCKED: Status.RESONATING},
}
"""Act → status before → status after. What is not here is refused."""


@dataclass(frozen=True, kw_only=True)
class GatewayOptions(Record):
    """What ``gateway_activation.yaml`` says. ``rate_hz`` None binds loops of any rate; ``loops``: limits of their own.

    ``phrase_sha256``: what the signing phrase must have as its hash, wherever it is set.
    """

    gateway_id: str = "lumen_field_v0_8"
    version: str = "0.8"
    rate_hz: int | None = 5
    sync_mode: str = SYNC_MODE
    personas: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    loops: Mapping[str, Limits] = field(default_factory=dict)
    rollback_on_desync: bool = True
    signer: str | None = None
    phrase_sha256: str | None = None

    def of(self, loop: str) -> Limits:
        """The limits of a loop."""
        return self.loops.get(loop, self.limits)


def after(status: Status | None, act: Act, loop: str = "main") -> Status:
    """Where ``act`` leads from ``status``. Raises UsageError, which says what comes first."""
    found = MOVES[act].get(status)
    if found is None:
        where = "has no gateway yet; `lumen gateway sign` begins" if status is None else f"is {status.value}"
        first = {
            Act.INIT: "unlock first",
            Act.REKEY: "unlock first",
            Act.LOCK: "it locks from resonating, once it is signed and samples flow",
        }
        hint = f"; {first[act]}" if status is not None and act in first else ""
        raise UsageError(f"the gateway of loop {loop!r} {where}: {act.value} is not possible{hint}")
    return found


def due(gateway: Gateway, seen: Alignment, limits: Limits, now: datetime) -> tuple[Act, str] | None:
    """The step that the samples ask for, and why. What is missing is never taken for aligned."""
    match gateway.status:
        case Status.BINDING if gateway.key is not None and seen.flowing:
            return Act.RESONATE, "samples flow"
        case Status.RESONATING if not seen.flowing and _longer(seen.silent_s, gateway, limits, now):
            return Act.SILENT, seen.why
        case Status.LOCKED if not seen.locked and _longer(seen.lost_s, gateway, limits, now):
            return Act.DESYNC, f"phase lock lost for more than {limits.tolerance_s:g} s: {seen.why}"
    return None


def _longer(seconds: float | None, gateway: Gateway, limits: Limits, now: datetime) -> bool:
    """Whether something has been so for longer than the tolerance, and all of that in the present status."""
    here = (now - gateway.since).total_seconds()
    return (here if seconds is None else min(seconds, here)) > limits.tolerance_s


def why_not_locked(store: Store, loop: str, options: GatewayOptions, now: datetime | None = None) -> str | None:
    """Why rules of ``loop`` must not be changed automatically now (store time unless given); None: they may be.

    A gateway whose phase lock has been gone for too long counts as unlocked, whether or not a tick has seen it.
    """
    gateway = store.gateways.get(loop)
    if gateway is None:
        return f"loop {loop!r} has no gateway; `lumen gateway sign` begins one"
    if gateway.status is not Status.LOCKED:
        return f"the gateway of loop {loop!r} is {gateway.status.value}, not locked"
    now = now or store.now()
    limits = options.of(loop)
    found = due(gateway, alignment.look(store, loop, limits, now), limits, now)
    return None if found is None else f"the gateway of loop {loop!r} is losing its lock: {found[1]}"


def is_locked(store: Store, loop: str, options: GatewayOptions, now: datetime | None = None) -> bool:
    """Whether rules of ``loop`` may be changed automatically now."""
    return why_not_locked(store, loop, options, now) is None
