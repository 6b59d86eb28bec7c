"""The log served, a witness that runs elsewhere, and strangers who ask both: real processes, real sockets."""

from __future__ import annotations

import base64
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
from support.processes import eventually

from lumen_workers.trust import merkle

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

    def attest(self, name: str) -> dict[str, Any]:
        (self.folder / name).write_text(f"{name}\n")
        made: dict[str, Any] = json.loads(self.call("attest", name, "--force", "--json"))[0]
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


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


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
    for _ in range(3):
        place.attest("more.txt")
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


def test_what_the_server_says(place: Place) -> None:
    for number in range(3):
        place.attest(f"{number}.txt")
    url = place.start("log", "serve", "--port", "0")
    status, headers, head = ask(url, "/checkpoint")
    assert (status, headers["cache-control"]) == (200, "public, max-age=5")
    assert head == (place.home / "log" / "checkpoint").read_bytes()
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert ask(url, "/checkpoint", If_None_Match=headers["etag"])[0] == 304

    status, headers, tile = ask(url, "/tile/0/000.p/3")
    assert (status, len(tile), "immutable" in headers["cache-control"]) == (200, 96, True)
    status, headers, part = ask(url, "/tile/0/000.p/3", Range="bytes=32-63")
    assert (status, part, headers["content-range"]) == (206, tile[32:64], "bytes 32-63/96")
    assert ask(url, "/tile/0/000.p/3", Range="bytes=-32")[2] == tile[64:]
    assert ask(url, "/tile/0/000.p/3", Range="bytes=96-")[0] == 416
    status, headers, body = ask(url, "/tile/0/000.p/3", "HEAD")
    assert (status, headers["content-length"], body) == (200, "96", b"")

    told = json.loads(ask(url, "/v1/log/root")[2])
    assert told["size"] == 3
    for size in (None, 3, 2):
        query = "" if size is None else f"?size={size}"
        status, headers, body = ask(url, f"/v1/log/entry/1{query}")
        found = json.loads(body)
        assert (status, "immutable" in headers["cache-control"]) == (200, size is not None)
        proof = [bytes.fromhex(item) for item in found["proof"]]
        hashed = merkle.leaf_hash(base64.b64decode(found["entry"]))
        assert hashed.hex() == found["leafHash"]
        assert merkle.verify_inclusion(hashed, 1, found["size"], proof, bytes.fromhex(found["rootHash"]))
        assert found["rootHash"] == told["rootHash"] or size == 2
    assert ask(url, "/healthz")[::2] == (200, b"ok\n")
    metrics = ask(url, "/metrics")[2].decode()
    assert "tlog_entries_total 3.0" in metrics
    assert "tlog_inclusion_ok 1.0" in metrics
    assert ask(url, "/trust.json")[2] == (place.home / "trust" / "trust.json").read_bytes()


REFUSED = [
    ("/tile/0/000", "GET", 404),
    ("/tile/0/000.p/0", "GET", 404),
    ("/tile/0/000.p/01", "GET", 404),
    ("/checkpoint/", "GET", 404),
    ("/tile/0/001.p/1", "GET", 404),
    ("/tile/0/../../../keys/log.pem", "GET", 404),
    ("/tile/0/%2e%2e/%2e%2e/keys/log.pem", "GET", 404),
    ("/../keys/log.pem", "GET", 404),
    ("/tile/entries/0000", "GET", 404),
    ("/v1/log/entry/1", "GET", 404),
    ("/v1/log/entry/-1", "GET", 400),
    ("/v1/log/entry/0?size=2", "GET", 404),
    ("/v1/log/entry/0?size=01", "GET", 400),
    ("/v1/log/entry/x", "GET", 400),
    ("/checkpoint", "POST", 405),
    ("/docs", "GET", 404),
]


def test_what_the_server_does_not_say(place: Place) -> None:
    place.attest("one.txt")
    url = place.start("log", "serve", "--port", "0")
    for path, method, status in REFUSED:
        answer = ask(url, path, method)
        assert answer[0] == status, path
        assert set(json.loads(answer[2])) == {"error"}, path


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


def test_a_log_without_entries(place: Place) -> None:
    url = place.start("log", "serve", "--port", "0")
    status, headers, body = ask(url, "/checkpoint")
    assert (status, headers["retry-after"], json.loads(body)["error"]) == (503, "5", "the log has no checkpoint yet")


def test_a_witness_remembers_over_its_end_and_never_cosigns_a_fork(place: Place) -> None:
    for number in range(3):
        place.attest(f"{number}.txt")
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
    for number in range(6):
        forked.attest(f"x{number}.txt")
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


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("serve", "--host", "0.0.0.0"), "--public"),
    (("witness", "--state", "s", "--name", "w"), "a witness needs a log"),
    (("witness", "--state", "s", "--name", "w", "--log", "x"), "no verifier key"),
    (("witness", "--state", "s", "--name", "a b", "--show-key"), "white space"),
    (("proof", "0"), "there is no entry 0"),
    (("show",), "no checkpoint yet"),
]


def test_wrong_usage(place: Place) -> None:
    for words, said in WRONG:
        ran = place.run("log", *words)
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr
