"""One region as on a machine of its own: home, keys, configuration, proxies to the servers, and `lumen run`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
from support.processes import eventually
from support.proxy import Proxy
from support.workers import guarded

from lumen_workers.engine.attesting import trust_home
from lumen_workers.local.state import State, read_state
from lumen_workers.trust.pins import open_signer
from lumen_workers.trust.pki.upkeep import ensure_root

ROOT = Path(__file__).resolve().parents[3]
INSIDE = Path(__file__).resolve().parents[1] / "inside"
WORK_MIB = 24
"""The size of the work folder, where it is a file system of its own."""


class Region:
    """Its processes are started and kept by the product's supervisor. ``configure`` comes before ``start``."""

    def __init__(self, folder: Path, name: str, *, broker: Path, store: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.home = self.folder / "home"
        self.configs = self.folder / "configs"
        (self.home / "holds").mkdir(parents=True)
        shutil.copytree(ROOT / "configs", self.configs)
        self.broker = Proxy(broker)
        self.store = Proxy(store)
        self.fingerprint = open_signer(self.home / "keys", name).fingerprint
        trust = trust_home(self.home)
        ensure_root(trust, datetime.now(UTC))
        self.root = trust.root_fingerprint
        self.env: dict[str, str] = {}
        self.small = self._mount()
        self._supervisor: subprocess.Popen[bytes] | None = None

    def configure(self, env: Mapping[str, str], files: Mapping[str, str]) -> None:
        """What its processes are told: variables, and configuration files that replace the shipped ones."""
        for name, text in files.items():
            (self.configs / name).write_text(text, encoding="utf-8")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")},
            "PYTHONPATH": os.pathsep.join([str(INSIDE), str(ROOT)]),
            "CHAOS_SCHEDULE": str(ROOT / "beat_schedule.py"),
            "LUMEN_HOME": str(self.home),
            "LUMEN_CONFIGS": str(self.configs),
            "LUMEN_REGION": self.name,
            "LUMEN_HOST": f"host-of-{self.name}",
            "LUMEN_BROKER_URL": f"redis://127.0.0.1:{self.broker.port}/0",
            **env,
        }

    def set_clock(self, ahead_s: int) -> None:
        """Its processes' clocks are so many seconds ahead, from their start; the monotonic clock is left alone.

        Comes before ``start``.
        """
        library = faketime()
        assert library is not None
        only_the_date = dict.fromkeys(("FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"), "1")
        self.env |= {"LD_PRELOAD": str(library), "FAKETIME": f"{ahead_s:+d}s", **only_the_date}

    def start(self) -> None:
        """Start `lumen run` for this region."""
        lumen = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
        with (self.folder / "lumen.log").open("ab") as log:
            self._supervisor = subprocess.Popen(
                guarded([*lumen, "run", "--quiet", "--regions", self.name]),
                env=self.env,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def supervisor(self) -> int:
        """Its pid."""
        assert self._supervisor is not None
        return self._supervisor.pid

    def state(self) -> State | None:
        """What the supervisor says of its processes."""
        with suppress(OSError, ValueError):
            return read_state(self.home)
        return None

    def pid(self, lane: str) -> int | None:
        """The main process of ``sampler``, ``jobs`` or ``beat``; None while it is down."""
        state = self.state()
        rows = state.processes if state else ()
        return next((row.pid for row in rows if row.name == f"{self.name}/{lane}"), None)

    def processes(self) -> list[psutil.Process]:
        """Every process that works on this home, whoever its parent is."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("LUMEN_HOME") == str(self.home) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    @contextmanager
    def hold(self, place: str) -> Iterator[None]:
        """Whoever comes to ``place`` (see ``inside/holds.py``) waits there until the block is left."""
        gate = self.home / "holds" / place
        gate.touch()
        try:
            yield
        finally:
            gate.unlink(missing_ok=True)

    def at(self, place: str) -> list[int]:
        """The pids of those who wait at ``place`` and live."""
        marks = (self.home / "holds").glob(f"{place}@*")
        return [pid for pid in (int(mark.name.rpartition("@")[2]) for mark in marks) if psutil.pid_exists(pid)]

    def waiting_at(self, place: str, timeout_s: float = 60) -> int:
        """The pid of the first who waits at ``place``; fails when nobody comes."""
        eventually(lambda: self.at(place), timeout_s)
        return self.at(place)[0]

    def tidy(self) -> None:
        """Remove holds and the marks of those who died at them."""
        for file in (self.home / "holds").iterdir():
            file.unlink(missing_ok=True)

    def stop(self) -> None:
        """End its processes in order; what is left after that is killed."""
        if self._supervisor is not None:
            with suppress(ProcessLookupError):
                self._supervisor.send_signal(signal.SIGTERM)
            try:
                self._supervisor.wait(45)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait(10)
            self._supervisor = None
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()

    def kill(self) -> None:
        """The machine is gone: the supervisor and, by the kernel, every process of it."""
        assert self._supervisor is not None
        self._supervisor.kill()
        self._supervisor.wait(10)

    def close(self) -> None:
        """End everything and give the mount back."""
        self.stop()
        self.broker.close()
        self.store.close()
        if self.small:
            subprocess.run(["umount", "-l", str(self.home / "work")], check=False, capture_output=True)

    def log(self) -> str:
        """The logs' last lines, for messages."""
        files = [self.folder / "lumen.log", *sorted((self.home / "logs").glob("*.log"))]
        texts = [(file.name, file.read_text(errors="replace").splitlines()[-12:]) for file in files if file.exists()]
        return "\n".join(f"--- {self.name} {name}\n" + "\n".join(lines) for name, lines in texts)

    def _mount(self) -> bool:
        """Make the work folder a small file system of its own, where this user may."""
        work = self.home / "work"
        work.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={WORK_MIB}m,mode=700", "lumen-work", str(work)]
        try:
            return subprocess.run(mount, check=False, capture_output=True).returncode == 0
        except FileNotFoundError:
            return False


def faketime() -> Path | None:
    """The library that lets a process see another time, where it is installed."""
    folders = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
    return next((path for folder in folders for path in Path("/").glob(f"{folder[1:]}/libfaketime.so.1")), None)


def notify_yaml(hook_port: int) -> str:
    """Alarms and the report go to the log, by mail and to a webhook."""
    everyone = ["log", "mail", "hook"]
    return json.dumps(
        {
            "alarms": {"page": everyone, "ticket": everyone},
            "report": everyone,
            "recipients": {
                "mail": {"channel": "email", "address": "mail@sink.test"},
                "hook": {"channel": "webhook", "url": f"http://127.0.0.1:{hook_port}/hook"},
            },
        }
    )
