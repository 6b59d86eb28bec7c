"""A broker and real Celery processes over one home. Whatever is started here ends with the test."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from support.authority import Authority
from support.processes import eventually
from support.servers import missing

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import DependencyError
from lumen_workers.local.broker import find_program
from lumen_workers.local.ports import free_port
from lumen_workers.worker import guard

REGION = "us-west-2"
JOBS = f"{REGION}.jobs"
ROOT = Path(__file__).resolve().parents[2]

LOOPS = """
loops:
  main: {source: mock, rate_hz: 5}
"""


class RedisServer:
    """A Redis that only this test session reaches. Its memory is gone with :meth:`stop`."""

    def __init__(self, program: Path | None = None) -> None:
        try:
            self._program = program or find_program()
        except DependencyError:
            missing("redis-server")
        self._folder = Path(tempfile.mkdtemp(prefix="lumen-redis-", dir="/tmp"))
        self._socket = self._folder / "redis.sock"
        self.url = f"redis+socket://{self._socket}"
        self.client = redis.Redis(unix_socket_path=str(self._socket))
        self._process: subprocess.Popen[bytes] | None = None
        self._options: tuple[str, ...] = ()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self._program), "--port", "0", "--unixsocket", str(self._socket), "--save", "", *self._options]
        self._process = subprocess.Popen(guarded(command), cwd=self._folder, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and remove its folder."""
        self.stop()
        self.client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class SecureRedis(RedisServer):
    """The same on a TLS port of the loopback address, with the access list that `lumen broker acl` makes.

    ``admin`` may everything; ``password`` has a region's.
    """

    def __init__(self, *, mutual: bool = True, address: str = "127.0.0.1", expired: bool = False) -> None:
        super().__init__()
        self.authority = Authority(self._folder / "tls")
        self._certificate = self.authority.issue("broker", address=address, expired=expired)
        self._mutual = mutual
        self.port = free_port()
        self.passwords: dict[str, str] = {}
        self.admin = secrets.token_hex(16)
        self.client = redis.Redis(unix_socket_path=str(self._socket), username="admin", password=self.admin)
        self.acl = self._folder / "acl" / "users.acl"

    def start(self) -> None:
        """Start it; the access list must be there."""
        certificate, key = map(str, self._certificate)
        self._options = (
            *("--tls-port", str(self.port), "--bind", "127.0.0.1", "--aclfile", str(self.acl)),
            *("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", str(self.authority.file)),
            *("--tls-auth-clients", "yes" if self._mutual else "no"),
        )
        super().start()

    def allow(self, *regions: str, **env: str) -> None:
        """Make the access list by the command, and a user for the test itself."""
        folder = self.acl.parent
        made = lumen("broker", "acl", "--out", str(folder), LUMEN_REGIONS=",".join(regions), **env)
        assert made.returncode == 0, made.stderr
        self.passwords = {region: (folder / f"{region}.password").read_text().strip() for region in regions}
        digest = hashlib.sha256(self.admin.encode()).hexdigest()
        with self.acl.open("a") as file:
            file.write(f"user admin on #{digest} ~* &* +@all\n")

    def url_of(self, region: str) -> str:
        """The region's own."""
        return f"rediss://{region}:{self.passwords[region]}@127.0.0.1:{self.port}/0"

    def variables(self, region: str) -> dict[str, str]:
        """What a region's processes are told."""
        certificate, key = self.authority.issue(region, client=True)
        return {
            "LUMEN_BROKER_URL": self.url_of(region),
            "LUMEN_BROKER_CA": str(self.authority.file),
            "LUMEN_BROKER_CERT": str(certificate),
            "LUMEN_BROKER_KEY": str(key),
        }

    def denied(self) -> list[tuple[str, str, str]]:
        """What was refused since the last call: user, reason, command or key."""
        found = [(str(row["username"]), str(row["reason"]), str(row["object"])) for row in self.client.acl_log()]
        self.client.acl_log_reset()
        return found


class System:
    """Processes over one home: ``beat_schedule.py`` and ``configs/`` are the home's own where they are given."""

    def __init__(self, folder: Path, broker: RedisServer, *, schedule: str | None = None, **env: str) -> None:
        self.broker = broker
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        configs = folder / "configs"
        configs.mkdir()
        (configs / "loops.yaml").write_text(LOOPS)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")},
            "LUMEN_HOME": str(self.home),
            "LUMEN_BROKER_URL": broker.url,
            "LUMEN_CONFIGS": str(configs),
            "LUMEN_REGION": REGION,
            # All processes of a test are of one version, even while files are being edited.
            "LUMEN_PIPELINE_VERSION": "0123456789abcdef",
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        if schedule is not None:
            (folder / "beat_schedule.py").write_text(schedule)
            shutil.copytree(ROOT / "configs", configs, dirs_exist_ok=True, ignore=shutil.ignore_patterns("loops.yaml"))
            self.env["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.folder = folder
        self.store: SqlStore = open_store(f"sqlite:///{self.home}/lumen.db")
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """Start ``celery -A lumen_workers`` with ``arguments``; what it prints is appended to ``log(name)``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                guarded([sys.executable, "-m", "celery", "-A", "lumen_workers", "--quiet", *arguments]),
                cwd=self.folder,
                env={**self.env, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def worker(self, lane: str = "jobs") -> subprocess.Popen[bytes]:
        """A region's worker, as `lumen run` starts it; returns when it takes messages."""
        ready = self.log(lane).count(" ready.")
        pool = ("--pool", "threads", "--concurrency", "2") if lane == "sampler" else ("--concurrency", "1")
        process = self.start(
            lane,
            *("worker", "-Q", f"{REGION}.{lane}", "-n", f"lumen-{lane}@{REGION}-%h", *pool),
            *("--without-mingle", "--without-gossip", "--task-events", "--loglevel", "INFO"),
            LUMEN_LANE=lane,
        )
        eventually(lambda: self.log(lane).count(" ready.") > ready or process.poll() is not None)
        assert process.poll() is None, self.log(lane)
        return process

    def beat(self, name: str = "beat") -> subprocess.Popen[bytes]:
        """A region's beat."""
        return self.start(name, "beat", "--loglevel", "INFO", LUMEN_LANE="beat")

    def log(self, name: str) -> str:
        """What a process has printed."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def lumen(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self._run([str(Path(sys.executable).parent / "lumen"), *arguments], env)

    def celery(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``celery -A lumen_workers`` to its end."""
        return self._run([sys.executable, "-m", "celery", "-A", "lumen_workers", *arguments], env)

    def push(self, body: bytes | str, headers: Any, *, kind: str = "application/json", queue: str = JOBS) -> None:
        """Put a message into a queue, as a stranger would."""
        message = {
            "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
            "content-type": kind,
            "content-encoding": "utf-8",
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": str(uuid4()),
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
            },
        }
        self.broker.client.lpush(queue, json.dumps(message))

    def call(self, task: str, queue: str = JOBS, **payload: Any) -> str:
        """A well-formed message for one task; returns its trace id."""
        number = str(uuid4())
        self.push(json.dumps([[], payload, None]), {"task": task, "id": number}, queue=queue)
        return number.replace("-", "")

    def idle(self, queue: str = JOBS) -> bool:
        """Whether nothing waits and nothing is being worked on."""
        return self.broker.client.llen(queue) == 0 and self.broker.client.hlen(f"unacked.{queue}") == 0

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.store.close()

    def _run(self, command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def lumen(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no variables of ours but ``env``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    command = [str(Path(sys.executable).parent / "lumen"), *arguments]
    return subprocess.run(command, env={**kept, **env}, capture_output=True, text=True, check=False, timeout=60)


def guarded(command: list[str]) -> list[str]:
    """``command``, ended by the kernel should this test process be killed."""
    return guard.launch_argv(command, mode="signal", parent=os.getpid()) if sys.platform == "linux" else command


def stays(condition: Any, seconds: float) -> None:
    """Check that ``condition()`` holds all the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(0.1)
