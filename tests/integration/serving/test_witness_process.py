"""Witnesses as processes: killed at the worst moment, started twice, on a machine that has nothing else of Lumen."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.plain_log import PlainLog, cosigned
from support.served import ask, served

from lumen_workers.trust.keys import create_key, load_ed25519
from lumen_workers.trust.notes import Cosigner, parse_vkey
from lumen_workers.trust.tlog.witness import Witness
from lumen_workers.web.witness import MOST_BYTES, make_witness_app

NAME = "witness.example/w1"
MAIN = "from lumen_workers.cli.main import main; main()"

KILLED = """
import os, signal
from lumen_workers.trust import notes
def die(self, text, timestamp):
    os.kill(os.getpid(), signal.SIGKILL)
notes.Cosigner.cosign = die
"""
"""The tree is remembered; the cosignature never comes to be."""

KILLED_BEFORE = """
import os, signal
from lumen_workers.trust.tlog import witness
def die(path, data):
    os.kill(os.getpid(), signal.SIGKILL)
witness.replace_file = die
"""
"""Everything has been checked; nothing is remembered."""


@dataclass
class Machine:
    """A folder without a home. ``started`` are the processes that are to end with the test."""

    folder: Path
    log: PlainLog
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, *words: str, before: str = "") -> str:
        """A witness's URL."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        command = [sys.executable, "-c", before + MAIN, "log", "witness", "--state", str(self.state), "--name", NAME]
        command += [*(words or ("--log", self.log.vkey)), "--port", "0"]
        process = subprocess.Popen(command, env=env, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        assert process.stdout is not None
        self.printed = [process.stdout.readline() for _ in range(2)]
        found = re.fullmatch(r"witness at (http://\S+)\n", self.printed[1])
        assert found is not None, self.printed
        return found[1]

    def end(self, number: int) -> int:
        """End what was started last; its exit code."""
        self.started[-1].send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end of what was started last; its exit code."""
        process = self.started.pop()
        code = process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
        return code

    def seen(self, url: str, old: int, size: int) -> None:
        """The witness cosigns it, now."""
        status, _, body = ask(url, "/add-checkpoint", "POST", self.log.request(old, size))
        assert status == 200, body
        public = load_ed25519(self.state / "witness.pem").public_key().public_bytes_raw()
        at = cosigned(self.log.checkpoint(size), body.decode().rstrip("\n"), NAME, public)
        assert abs(at - time.time()) < 60


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    log = PlainLog(tmp_path / "log")
    log.add(100)
    made = Machine(tmp_path, log)
    yield made
    while made.started:
        made.end(signal.SIGKILL)


def test_it_needs_nothing_but_its_folder(machine: Machine) -> None:
    url = machine.start()
    key = parse_vkey(machine.printed[0].strip())
    assert key.name == NAME
    assert stat.S_IMODE((machine.state / "witness.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.state.stat().st_mode) == 0o700
    assert ask(url, "/healthz")[::2] == (200, b"ok\n")
    status, headers, body = ask(url, "/add-checkpoint", "POST", machine.log.request(3, 10))
    # To the letter: clients compare the type so.
    assert (status, headers["content-type"], body) == (409, "text/x.tlog.size", b"0\n")
    machine.seen(url, 0, 10)
    assert ask(url, "/add-checkpoint")[0] == 405
    assert ask(url, "/add-checkpoint/", "POST", b"x")[0] == 404
    assert machine.end(signal.SIGTERM) == 0
    made = {path.name.partition(".")[2] for path in machine.state.iterdir()}
    assert made == {"pem", "checkpoint", "checkpoint.lock"}
    assert {path.name for path in machine.folder.iterdir()} == {"state"}
    (machine.folder / "policy").write_text(f"log {machine.log.vkey}\nquorum none\n")
    url = machine.start("--log", str(machine.folder / "policy"))
    assert parse_vkey(machine.printed[0].strip()) == key
    machine.seen(url, 10, 20)


def fork_of(machine: Machine, same: int) -> PlainLog:
    fork = PlainLog(machine.folder / "fork")
    fork.add(same)
    fork.add(100 - same, "fork")
    return fork


def test_killed_between_its_memory_and_its_answer(machine: Machine) -> None:
    """What was remembered may not have left; what has left was remembered. A fork is refused in either case."""
    fork = fork_of(machine, 10)
    url = machine.start(before=KILLED)
    with pytest.raises(ConnectionError):
        ask(url, "/add-checkpoint", "POST", machine.log.request(0, 20))
    assert machine.ended() == -signal.SIGKILL
    url = machine.start()
    for size in (20, 30):
        assert ask(url, "/add-checkpoint", "POST", fork.request(0, size))[::2] == (409, b"20\n")
    assert ask(url, "/add-checkpoint", "POST", fork.request(20, 20))[0] == 409
    assert ask(url, "/add-checkpoint", "POST", fork.request(20, 30))[0] == 422
    machine.seen(url, 20, 20)
    machine.seen(url, 20, 30)


def test_killed_before_it_has_a_memory_nothing_has_left(machine: Machine) -> None:
    url = machine.start(before=KILLED_BEFORE)
    with pytest.raises(ConnectionError):
        ask(url, "/add-checkpoint", "POST", machine.log.request(0, 20))
    assert machine.ended() == -signal.SIGKILL
    fork = fork_of(machine, 10)
    machine.log = fork
    url = machine.start()
    machine.seen(url, 0, 20)


def test_two_processes_with_one_memory_and_many_who_ask(machine: Machine) -> None:
    """Of two histories, asked for everywhere at once, one alone is ever cosigned beyond where they part."""
    fork = fork_of(machine, 10)
    urls = [machine.start(), machine.start()]
    cosigned_roots: list[tuple[int, bytes]] = []
    failures: list[str] = []

    def climb(url: str, log: PlainLog) -> None:
        size = 0
        for target in range(10, 101, 10):
            for _ in range(200):
                status, headers, body = ask(url, "/add-checkpoint", "POST", log.request(min(size, target), target))
                if status == 200:
                    cosigned_roots.append((target, log.root(target)))
                    size = target
                elif status == 409 and headers["content-type"] == "text/x.tlog.size":
                    size = int(body)
                    if size <= target:
                        continue
                elif status not in (409, 422):
                    failures.append(f"{status} {body!r}")
                break

    threads = [threading.Thread(target=climb, args=(url, log)) for url in urls for log in (machine.log, fork)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    roots = dict(cosigned_roots)
    assert all(roots[size] == root for size, root in cosigned_roots)
    # Somebody has come to the end, and all of it is one history.
    assert 100 in roots
    winner = machine.log if roots[100] == machine.log.root(100) else fork
    assert all(winner.root(size) == root for size, root in cosigned_roots)


def test_bodies_without_end(machine: Machine) -> None:
    create_key(machine.state / "witness.pem")
    cosigner = Cosigner(NAME, load_ed25519(machine.state / "witness.pem"))
    witness = Witness(machine.state, cosigner, [parse_vkey(machine.log.vkey)])
    with served(make_witness_app(witness, body_s=0.5)) as url:
        assert ask(url, "/add-checkpoint", "POST", b"x" * (MOST_BYTES + 1))[0] == 413
        host, port = url.removeprefix("http://").split(":")
        for head in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
            with socket.create_connection((host, int(port)), timeout=20) as slow:
                slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
                assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        with socket.create_connection((host, int(port)), timeout=20) as gone:
            gone.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nold")
        machine.seen(url, 0, 10)


def test_its_own_trouble_is_told_as_that(machine: Machine) -> None:
    create_key(machine.state / "witness.pem")
    cosigner = Cosigner(NAME, load_ed25519(machine.state / "witness.pem"))
    witness = Witness(machine.state, cosigner, [parse_vkey(machine.log.vkey)])
    with served(make_witness_app(witness)) as url:
        machine.seen(url, 0, 10)
        (memory,) = machine.state.glob("*.checkpoint")
        kept = memory.read_bytes()
        memory.write_bytes(b"")
        status, _, body = ask(url, "/add-checkpoint", "POST", machine.log.request(0, 20))
        assert (status, str(machine.folder) in body.decode()) == (503, False)
        memory.unlink()
        memory.mkdir()
        assert ask(url, "/add-checkpoint", "POST", machine.log.request(0, 20))[0] == 503
        memory.rmdir()
        memory.write_bytes(kept)
        machine.seen(url, 10, 20)
