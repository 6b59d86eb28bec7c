"""The session file (S01's hand-off): what the next session needs to know of a gateway, in this home."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import Field

from lumen_workers.config import Settings
from lumen_workers.config.files import Strict, read
from lumen_workers.domain import journal
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import ConfigError, EnvironmentFault
from lumen_workers.domain.gateway import Gateway, Status
from lumen_workers.domain.ports import Store
from lumen_workers.loop.phrases import SHOWN

HANDOFF: Final = "HANDOFF"
_MAIN: Final = "main"


class SessionFile(Strict):
    """``session_restore_*.yaml``. ``checksum`` is over everything else in it."""

    gateway_id: str
    version: str
    loop: str
    last_status: str
    since: str
    restore_paths: dict[str, str]
    loop_rate_hz: int
    sync_mode: str
    signer: str | None
    resonance_hash_16: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that a restore needs: whether it is so, and what was found."""

    what: str
    ok: bool
    found: str


def session_path(settings: Settings, loop: str) -> Path:
    """The file in the home; loops but ``main`` have their name in it."""
    name = settings.gateway.handoff.next_session_restore
    return settings.home / (name if loop == _MAIN else f"{name.removesuffix('.yaml')}.{loop}.yaml")


def write_session(settings: Settings, store: Store, gateway: Gateway, by: str) -> Path | None:
    """Leave the session file, and a line in the gateway's log; None where the configuration wants none.

    Raises EnvironmentFault.
    """
    handoff = settings.gateway.handoff
    if not handoff.persist_session:
        return None
    path = session_path(settings, gateway.loop)
    data = _session(settings, store, gateway)
    if settings.gateway.safety.checksum == "auto":
        data["checksum"] = _checksum(data)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise EnvironmentFault(f"{path}: cannot be written: {error.strerror}; free space or rights") from None
    if handoff.log_handoff_point:
        said = {"tag": HANDOFF, "from": gateway.status.value, "to": gateway.status.value, "by": by, "why": path.name}
        store.journal.append(gateway.loop, journal.GATEWAY, said)
    return path


def restore_check(settings: Settings, store: Store, loop: str) -> list[Check]:
    """What the next session would find. Nothing is changed."""
    gateway = store.gateways.get(loop)
    lines = store.journal.rows(journal.GATEWAY, loop, limit=1)
    status = "no gateway" if gateway is None else gateway.status.value
    key = None if gateway is None else gateway.key
    signed = "none" if key is None else f"set by {key.signer}"
    synced = iso(lines[-1].ts) if lines else "empty"
    checks = [
        Check(what="status is locked", ok=gateway is not None and gateway.status is Status.LOCKED, found=status),
        Check(what="a phrase is there", ok=key is not None, found=signed),
        Check(what="the sync log is there", ok=bool(lines), found=synced),
    ]
    if settings.gateway.handoff.persist_session:
        checks.append(_file_check(settings, store, gateway, session_path(settings, loop)))
    return checks


def _file_check(settings: Settings, store: Store, gateway: Gateway | None, path: Path) -> Check:
    what = "the session file says the same"
    if not path.exists():
        return Check(what=what, ok=False, found=f"{path.name} is not there")
    try:
        found = read(path, SessionFile)
    except ConfigError as error:
        return Check(what=what, ok=False, found=str(error))
    told = found.model_dump()
    checksum = told.pop("checksum")
    if settings.gateway.safety.checksum == "auto" and not hmac.compare_digest(checksum or "", _checksum(told)):
        return Check(what=what, ok=False, found=f"{path.name} was changed: its checksum does not match")
    expected = None if gateway is None else _session(settings, store, gateway)
    differ = sorted(key for key in told if expected is None or told[key] != expected[key])
    return Check(what=what, ok=not differ, found=f"differs in {', '.join(differ)}" if differ else path.name)


def _session(settings: Settings, store: Store, gateway: Gateway) -> dict[str, Any]:
    file, key = settings.gateway, gateway.key
    return {
        "gateway_id": file.gateway.id,
        "version": file.gateway.version,
        "loop": gateway.loop,
        "last_status": gateway.status.value,
        "since": iso(gateway.since),
        "restore_paths": {**file.loop.paths.model_dump(), "sync_log": journal.FILES[journal.GATEWAY]},
        "loop_rate_hz": store.loops.rates()[gateway.loop],
        "sync_mode": store.loops.settings()[gateway.loop].sync_mode,
        "signer": None if key is None else key.signer,
        "resonance_hash_16": None if key is None else key.phrase_sha256[:SHOWN],
    }


def _checksum(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
