"""What a machine may lack, looked at before it hurts; each finding says how to mend it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lumen_workers.domain.clock import Clock, SystemClock
from lumen_workers.domain.errors import LumenError
from lumen_workers.local.broker import SOCKET_LIMIT, Broker, EmbeddedBroker, ExternalBroker, resolve_broker
from lumen_workers.local.instance import holder
from lumen_workers.local.ports import LOOPBACK, free_port, is_free

MIN_PYTHON: Final = (3, 11)
MIN_REDIS: Final = (6, 2)
MIN_FILES: Final = 1024
FREE_FAIL: Final = 200_000_000
FREE_WARN: Final = 2_000_000_000
CLOCK_WARN_S: Final = 2.0
CLOCK_FAIL_S: Final = 300.0


class Health(StrEnum):
    """``warn``: it runs, but not as well as it should; ``fail``: it will not run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. ``mend`` says what to do, empty when all is well."""

    name: str
    status: Health
    detail: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class StoreView:
    """What a look at the store gave. ``location`` carries no password; ``now`` is store time.

    ``schema`` is None where nothing is there yet. ``current``: it is this code's (an older one is brought up to date
    at the start).
    """

    location: str
    schema: str | None
    current: bool
    now: datetime


def examine(
    *,
    home: Path,
    broker_url: str | None,
    store: Callable[[], StoreView],
    ports: Mapping[str, int],
    zones: Sequence[str],
    fonts: Path,
    broker_tls: Callable[[], Mapping[str, Any]] = dict,
    path: str | None = None,
    clock: Clock | None = None,
) -> list[Finding]:
    """Look at everything; never raises for what it finds.

    ``ports``: variable that sets a port → its number; ``zones``: those in use; ``fonts``: the reports' folder of fonts;
    ``broker_tls``: how an external broker is verified; ``path``: where to look for programs (None: PATH). Changes
    nothing; makes a short-lived file in the home.
    """
    return [
        _python(sys.version_info[:2]),
        *_broker(broker_url, broker_tls, home, path),
        *_store(store, clock or SystemClock()),
        _home(home),
        _disk(home),
        *_ports(ports, home),
        *(_zone(name) for name in zones),
        _fonts(fonts),
        _open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ]


def _python(version: tuple[int, ...]) -> Finding:
    shown = ".".join(map(str, version))
    if version >= MIN_PYTHON:
        return Finding(name="python", status=Health.OK, detail=shown)
    return Finding(name="python", status=Health.FAIL, detail=f"{shown} is too old", mend="install Python 3.11 or newer")


def _broker(url: str | None, tls: Callable[[], Mapping[str, Any]], home: Path, path: str | None) -> list[Finding]:
    try:
        broker: Broker = resolve_broker(url, home, tls=tls(), path=path)
    except LumenError as fault:
        return [_failed("broker", fault)]
    if isinstance(broker, ExternalBroker):
        return [_external(broker)]
    return [_program(broker), _socket(broker)]


def _program(broker: EmbeddedBroker) -> Finding:
    mend = "install redis-server 6.2 or newer, or valkey-server"
    try:
        ran = subprocess.run([broker.program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as fault:
        return Finding(name="broker", status=Health.FAIL, detail=f"{broker.program}: {fault}", mend=mend)
    found = re.search(r"v=(\d+)\.(\d+)\S*", ran.stdout)
    if found is None or (int(found[1]), int(found[2])) < MIN_REDIS:
        return Finding(name="broker", status=Health.WARN, detail=f"{broker.program}: {ran.stdout.strip()}", mend=mend)
    return Finding(name="broker", status=Health.OK, detail=f"{broker.program} {found[0].removeprefix('v=')}, private")


def _socket(broker: EmbeddedBroker) -> Finding:
    length = len(os.fsencode(broker.socket_path))
    detail = f"{broker.socket_path} ({length} bytes)"
    if length < SOCKET_LIMIT:
        return Finding(name="broker socket", status=Health.OK, detail=detail)
    return Finding(name="broker socket", status=Health.FAIL, detail=f"{detail} is too long", mend="shorten /tmp's path")


def _external(broker: ExternalBroker) -> Finding:
    import redis

    mend = "start it, or correct LUMEN_BROKER_URL, or unset it to get a private broker"
    try:
        with broker.client() as peer:
            peer.ping()
            try:
                server, memory = peer.info("server"), peer.info("memory")
            except redis.exceptions.NoPermissionError:
                # A region's user may not ask: INFO tells about everybody.
                detail = f"{broker.shown_url} answers; its version and memory policy are not for this user"
                return Finding(name="broker", status=Health.OK, detail=detail)
    except (redis.RedisError, OSError, ValueError) as fault:
        return Finding(name="broker", status=Health.FAIL, detail=f"{broker.shown_url}: {fault}", mend=mend)
    version = str(server.get("redis_version", "?"))
    policy = str(memory.get("maxmemory_policy", "?"))
    detail = f"{broker.shown_url}, version {version}, maxmemory-policy {policy}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < MIN_REDIS:
        return Finding(name="broker", status=Health.WARN, detail=detail, mend="use Redis 6.2 or newer")
    if policy != "noeviction":
        mend = "set maxmemory-policy noeviction: any other loses queued messages when memory runs short"
        return Finding(name="broker", status=Health.WARN, detail=detail, mend=mend)
    return Finding(name="broker", status=Health.OK, detail=detail)


def _store(store: Callable[[], StoreView], clock: Clock) -> list[Finding]:
    before, began = clock.now(), clock.monotonic()
    try:
        view = store()
    except LumenError as fault:
        return [_failed("store", fault)]
    took = clock.monotonic() - began
    detail = f"{view.location}, schema {view.schema}"
    if view.schema is None:
        schema = Finding(name="store", status=Health.OK, detail=f"{view.location} (will be made)")
    elif view.current:
        schema = Finding(name="store", status=Health.OK, detail=detail)
    else:
        schema = Finding(
            name="store", status=Health.WARN, detail=detail, mend="nothing to do: the next start brings it up to date"
        )
    # The store looked at its clock at some moment of the call: its length is the error of the comparison.
    off = (view.now - before).total_seconds()
    apart = max(0.0, -off, off - took)
    mend = "let the machine keep its clock by NTP (`timedatectl set-ntp true`)"
    detail = f"{apart:.1f} s from the store's"
    if apart <= CLOCK_WARN_S:
        return [schema, Finding(name="clock", status=Health.OK, detail=detail)]
    status = Health.WARN if apart <= CLOCK_FAIL_S else Health.FAIL
    return [schema, Finding(name="clock", status=status, detail=detail, mend=mend)]


def _home(home: Path) -> Finding:
    place = _existing(home)
    mend = "choose another home: --home or LUMEN_HOME"
    if blocking := [part for part in (home, *home.parents) if part.exists() and not part.is_dir()]:
        return Finding(name="home", status=Health.FAIL, detail=f"{blocking[0]} is not a folder", mend=mend)
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"lumen")
    except OSError as fault:
        detail = f"{place} cannot be written: {fault.strerror}"
        return Finding(name="home", status=Health.FAIL, detail=detail, mend=mend)
    return Finding(name="home", status=Health.OK, detail=str(home) if place == home else f"{home} (will be made)")


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(_existing(home)).free
    detail = f"{free / 1e9:.1f} GB free"
    if free >= FREE_WARN:
        return Finding(name="disk", status=Health.OK, detail=detail)
    status = Health.WARN if free >= FREE_FAIL else Health.FAIL
    return Finding(name="disk", status=status, detail=detail, mend=f"free {FREE_WARN / 1e9:g} GB, or move the home")


def _existing(path: Path) -> Path:
    """``path``, or its nearest parent that is there."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())


def _ports(ports: Mapping[str, int], home: Path) -> list[Finding]:
    try:
        running = holder(home)
    except LumenError as fault:
        return [_failed("ports", fault)]
    findings = [] if ports else [_any_port()]
    for variable, port in ports.items():
        name = f"port {port}"
        try:
            free = is_free(port)
        except LumenError as fault:
            findings.append(_failed(name, fault, mend=f"set {variable} to another port"))
            continue
        if free:
            findings.append(Finding(name=name, status=Health.OK, detail=f"free ({variable})"))
        elif running is not None:
            detail = f"in use while pid {running.pid} runs this home ({variable})"
            findings.append(Finding(name=name, status=Health.OK, detail=detail))
        else:
            detail = f"taken by another program on {LOOPBACK}"
            mend = f"stop that program, or set {variable} to another port"
            findings.append(Finding(name=name, status=Health.WARN, detail=detail, mend=mend))
    return findings


def _any_port() -> Finding:
    try:
        free_port()
    except OSError as fault:
        mend = f"let this user bind ports on {LOOPBACK}; Flower needs one"
        return Finding(name="ports", status=Health.FAIL, detail=f"none can be bound: {fault.strerror}", mend=mend)
    return Finding(name="ports", status=Health.OK, detail=f"free ones on {LOOPBACK}; Flower takes one")


def _zone(name: str) -> Finding:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mend = "correct the zone's name, or install time zone data (`apt install tzdata` or `pip install tzdata`)"
        return Finding(name=f"zone {name}", status=Health.FAIL, detail="unknown here", mend=mend)
    return Finding(name=f"zone {name}", status=Health.OK, detail="known")


def _fonts(folder: Path) -> Finding:
    mend = "install the package again: reports need its fonts"
    files = sorted(folder.glob("*.ttf"))
    try:
        damaged = [file.name for file in files if file.read_bytes()[:4] != b"\0\1\0\0"]
    except OSError as fault:
        detail = f"{fault.filename}: {fault.strerror}"
        return Finding(name="fonts", status=Health.FAIL, detail=detail, mend=mend)
    if damaged or not files:
        detail = f"{folder}: " + (f"damaged: {', '.join(damaged)}" if damaged else "none found")
        return Finding(name="fonts", status=Health.FAIL, detail=detail, mend=mend)
    return Finding(name="fonts", status=Health.OK, detail=", ".join(file.name for file in files))


def _open_files(limit: int) -> Finding:
    unlimited = limit == resource.RLIM_INFINITY
    detail = "no limit" if unlimited else f"limit {limit}"
    if unlimited or limit >= MIN_FILES:
        return Finding(name="open files", status=Health.OK, detail=detail)
    mend = f"raise it: `ulimit -n {MIN_FILES}` before the start"
    return Finding(name="open files", status=Health.WARN, detail=detail, mend=mend)


def _failed(name: str, fault: LumenError, mend: str = "") -> Finding:
    """An error of ours says in its own line, behind the semicolon, what to do."""
    what, _, then = str(fault).partition("; ")
    return Finding(name=name, status=Health.FAIL, detail=what, mend=mend or then or "see the message")


def all_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing fails; warnings do not count."""
    return all(finding.status is not Health.FAIL for finding in findings)
