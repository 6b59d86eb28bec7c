"""The log served, a witness that runs elsewhere, and strangers who ask both: real processes, real sockets."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.plain_log import vkey
from support.processes import eventually
from support.served import ask

ROOT = Path(__file__).resolve().parents[2]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
ONE_FILE = (sys.executable, str(ROOT / "verify_lumen.py"))


@dataclass
class Place:
    """A home, and what runs on it."""

    folder: Path
    running: list[subprocess.Popen[str]]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def env(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        return {**clean, "LUMEN_HOME": str(self.home)}

    def run(self, *words: str | Path, program: tuple[str, ...] = LUMEN) -> subprocess.CompletedProcess[str]:
        command = [*program, *map(str, words)]
        return subprocess.run(
            command, env=self.env(), cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def call(self, *words: str | Path) -> str:
        ran = self.run(*words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def start(self, *words: str | Path) -> str:
        """Start a server; returns its URL."""
        process = subprocess.Popen(
            [*LUMEN, *map(str, words)], env=self.env(), cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        self.running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"at (http://\S+)", line):
                return match[1]
        raise AssertionError("it has ended")

    def end(self, number: int = signal.SIGTERM) -> None:
        """End what was started first."""
        process = self.running.pop(0)
        process.send_signal(number)
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()

    def attest(self, *names: str) -> dict[str, Any]:
        """Attest files at once; what is told of the last one."""
        for name in names:
            (self.folder / name).write_text(f"{name}\n")
        made: dict[str, Any] = json.loads(self.call("attest", *names, "--force", "--json"))[-1]
        return made

    def witness(self, *, port: int = 0) -> str:
        vkey = self.call("log", "key").strip()
        return self.start(
            "log", "witness", "--state", "state", "--name", "w.example", "--log", vkey, "--port", str(port)
        )

    def trust_witness(self, url: str) -> None:
        key = self.call("log", "witness", "--state", "state", "--name", "w.example", "--show-key").strip()
        root = self.home / "keys" / "development-root"
        self.call("pki", "trust", "--root", root, "--witness", f"{key} {url}", "--quorum", "1")

    def root(self) -> str:
        fingerprint: str = json.loads(self.call("pki", "show", "--json"))["root_fingerprint"]
        return fingerprint


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, [])
    yield made
    while made.running:
        made.end()


def test_a_witness_gives_evidence_its_time_and_strangers_can_ask_the_log(place: Place) -> None:
    place.attest("zero.txt")
    place.trust_witness(place.witness())
    made = place.attest("one.txt")
    root = place.root()
    offline = place.run("verify", "one.txt", "--root", root, "--offline", "--json")
    assert (offline.returncode, json.loads(offline.stdout)["verdict"]) == (0, "VALID"), offline.stdout
    stranger = place.run("one.txt", "--root", root, "--json", program=ONE_FILE)
    assert json.loads(stranger.stdout)["verdict"] == "VALID"

    url = place.start("log", "serve", "--port", "0")
    index = str(made["index"])
    asked = place.run(
        "--tlog", url, "--index", index, "--root", root, "--artifact", "one.txt", "--json", program=ONE_FILE
    )
    told = json.loads(asked.stdout)
    assert (asked.returncode, told["ok"], told["artifact"]["verdict"]) == (0, True, "VALID"), asked.stdout
    place.attest("more.txt", "and.txt", "others.txt")
    later = place.run("verify", "one.txt", "--root", root, "--tlog", url, "--json")
    assert (later.returncode, json.loads(later.stdout)["ok"]) == (0, True), later.stdout
    other = place.run(
        "--tlog", url, "--index", "0", "--root", root, "--artifact", "one.txt", "--json", program=ONE_FILE
    )
    assert (other.returncode, json.loads(other.stdout)["reason"]) == (1, "entry_mismatch")
    wrong = place.run("--tlog", url, "--index", "0", "--root", "ab" * 32, "--json", program=ONE_FILE)
    assert (wrong.returncode, json.loads(wrong.stdout)["reason"]) == (1, "root_mismatch")
    beyond = place.run("--tlog", url, "--index", "99", "--root", root, program=ONE_FILE)
    assert (beyond.returncode, "index_out_of_range" in beyond.stdout) == (1, True)


def test_the_server_opens_no_key_and_no_store(place: Place) -> None:
    place.attest("one.txt")
    shutil.rmtree(place.home / "keys")
    (place.home / "lumen.db").unlink()
    hook = (
        "import sys; opened = open(sys.argv.pop(1), 'a')\n"
        "def note(event, args):\n"
        "    if event in ('open', 'sqlite3.connect'):\n"
        "        opened.write(f'{event} {args[0]}\\n'); opened.flush()\n"
        "sys.addaudithook(note)\n"
        "from lumen_workers.cli.main import main; main()"
    )
    command = [sys.executable, "-c", hook, place.folder / "opened", "log", "serve", "--port", "0"]
    process = subprocess.Popen(
        [str(word) for word in command], env=place.env(), cwd=place.folder, stdout=subprocess.PIPE, text=True
    )
    place.running.append(process)
    assert process.stdout is not None
    url = process.stdout.readline().split(" at ")[1].strip()
    for path in ("/checkpoint", "/v1/log/root", "/v1/log/entry/0", "/tile/0/000.p/1", "/metrics", "/trust.json"):
        assert ask(url, path)[0] == 200, path
    opened = (place.folder / "opened").read_text()
    assert str(place.home / "log" / "checkpoint") in opened
    assert str(place.home / "keys") not in opened
    assert "sqlite3.connect" not in opened
    assert not (place.home / "keys").exists()


def test_a_witness_remembers_over_its_end_and_never_cosigns_a_fork(place: Place) -> None:
    place.attest("one.txt", "two.txt", "three.txt")
    url = place.witness()
    place.trust_witness(url)
    place.attest("four.txt")
    checkpoint = (place.home / "log" / "checkpoint").read_bytes()
    assert checkpoint.count("— ".encode()) == 2
    place.end(signal.SIGKILL)
    url = place.witness(port=int(url.rpartition(":")[2]))

    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/add-checkpoint", b"old 0\n\n" + checkpoint)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type"), answer.read()) == (
        409,
        "text/x.tlog.size",
        b"4\n",
    )
    connection.request("POST", "/add-checkpoint", b"x" * 200_000)
    assert connection.getresponse().status == 413
    connection.close()

    # The log's operator puts an old copy back and goes on from it: same key, another history.
    fork = place.folder / "fork"
    shutil.copytree(place.home, fork)
    shutil.rmtree(fork / "log")
    for path in fork.glob("lumen.db*"):
        path.unlink()
    forked = Place(place.folder / "elsewhere", [])
    forked.folder.mkdir()
    fork.rename(forked.home)
    forked.attest(*(f"x{number}.txt" for number in range(6)))
    assert (forked.home / "log" / "checkpoint").read_bytes().count("— ".encode()) == 1
    told = forked.run("verify", "x5.txt", "--policy", "strict", "--json")
    assert json.loads(told.stdout)["reason"] == "quorum_required"
    place.attest("five.txt")
    assert (place.home / "log" / "checkpoint").read_bytes().count("— ".encode()) == 2

    # And who serves the fork is found out by whoever has older evidence.
    root, served = place.root(), forked.start("log", "serve", "--port", "0")
    for program, words in ((LUMEN, ("verify",)), (ONE_FILE, ())):
        asked = place.run(*words, "four.txt", "--root", root, "--tlog", served, "--json", program=program)
        assert (asked.returncode, json.loads(asked.stdout)["reason"]) == (1, "log_forked"), asked.stdout
    forked.end()


def test_a_witness_that_is_away_costs_a_moment_not_the_evidence(place: Place) -> None:
    place.attest("zero.txt")
    url = place.witness()
    place.trust_witness(url)
    place.end()
    place.attest("one.txt")
    told = json.loads(place.run("verify", "one.txt", "--json").stdout)
    assert (told["ok"], told["verdict"]) == (True, "NO_TIME")
    place.witness(port=int(url.rpartition(":")[2]))
    eventually(lambda: place.attest("two.txt")["index"] > 0, 20)
    assert json.loads(place.run("verify", "two.txt", "--json").stdout)["verdict"] == "VALID"


WITNESS_KEY = vkey("w.example", Ed25519PrivateKey.from_private_bytes(bytes(32)), 4)

WRONG: list[tuple[tuple[str, ...], str]] = [
    (("serve", "--host", "0.0.0.0"), "--public"),
    (("witness", "--state", "s", "--name", "w"), "a witness needs a log"),
    (("witness", "--state", "s", "--name", "w", "--log", "x"), "no verifier key"),
    (("witness", "--state", "s", "--name", "w", "--log", "policy"), "policy, line 1"),
    (("witness", "--state", "s", "--name", "w", "--log", WITNESS_KEY), "witness's, not a log's"),
    (("witness", "--state", "s", "--name", "w", "--host", "192.0.2.1", "--show-key"), "--public"),
    (("witness", "--state", "s", "--name", "a b", "--show-key"), "white space"),
    (("proof", "0"), "there is no entry 0"),
    (("show",), "no checkpoint yet"),
]


def test_wrong_usage(place: Place) -> None:
    (place.folder / "policy").write_text("what is this\n")
    for words, said in WRONG:
        ran = place.run("log", *words)
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr
