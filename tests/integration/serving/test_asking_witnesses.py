"""Witnesses that are asked: good ones, and each kind of bad one, on real sockets. None raises, none takes too long."""

from __future__ import annotations

import logging
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.logs import TestLog
from support.plain_log import PlainLog, cosigned, proof, vkey
from support.served import served

from lumen_workers.adapters.witnesses import AskWitnesses
from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.trust.notes import Cosigner, add_lines, parse_vkey
from lumen_workers.trust.tlog.policy import Policy, parse_policy
from lumen_workers.trust.tlog.witness import Answer, Witness
from lumen_workers.web.witness import make_witness_app

WITHIN_S = 4.0


def name_of(number: int) -> str:
    return f"witness.example/w{number}"


def private_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([100 + number]) * 32)


class Recorded(Witness):
    """A witness that says what it was asked."""

    def __init__(self, *args, **options) -> None:  # type: ignore[no-untyped-def]
        super().__init__(*args, **options)
        self.asked: list[bytes] = []

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        self.asked.append(body.partition(b"\n")[0])
        return super().add_checkpoint(body, now)


class Neighbourhood:
    """Witnesses and peers that only look like some."""

    def __init__(self, folder: Path, log: PlainLog, ends: ExitStack) -> None:
        self.folder = folder
        self.log = log
        self.ends = ends
        self.urls: dict[int, str] = {}
        self.connections: list[socket.socket] = []

    def good(self, number: int, now: Callable[[], float] = time.time) -> Recorded:
        state = self.folder / f"w{number}"
        state.mkdir(exist_ok=True)
        witness = Recorded(state, Cosigner(name_of(number), private_of(number)), [parse_vkey(self.log.vkey)])
        self.urls[number] = self.ends.enter_context(served(make_witness_app(witness, now=now)))
        return witness

    def bad(self, number: int, answer: Callable[[socket.socket], None]) -> None:
        """A peer that takes a request and then does ``answer`` with the connection."""
        kept = self.connections

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                kept.append(self.request)
                self.request.recv(65_536)
                with suppress(OSError):
                    answer(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.ends.callback(server.server_close)
        self.ends.callback(server.shutdown)
        self.urls[number] = f"http://127.0.0.1:{server.server_address[1]}"

    def policy(self) -> Policy:
        lines = [f"log {self.log.vkey}"]
        for number, url in self.urls.items():
            lines.append(f"witness w{number} {vkey(name_of(number), private_of(number), 4)} {url}")
        return parse_policy("\n".join([*lines, "quorum none\n"]))

    def asking(self, within_s: float = WITHIN_S) -> AskWitnesses:
        return AskWitnesses(self.policy, within_s)

    def prove(self, size: int) -> Callable[[int], list[bytes]]:
        return lambda old: proof(old, self.log.leaves[:size])

    def holds(self, line: str, number: int, size: int) -> bool:
        public = private_of(number).public_key().public_bytes_raw()
        return abs(cosigned(self.log.checkpoint(size), line, name_of(number), public) - time.time()) < 60


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Neighbourhood]:
    log = PlainLog(tmp_path / "log")
    log.add(300)
    with ExitStack() as ends:
        yield Neighbourhood(tmp_path, log, ends)


def test_all_are_asked_and_told_where_they_stood(around: Neighbourhood) -> None:
    first, second = around.good(1), around.good(2)
    asking = around.asking()
    for size in (5, 5, 300):
        asked = asking.ask(around.policy().witnesses.values(), around.log.checkpoint(size), size, around.prove(size))
        assert not asked.silent
        assert all(around.holds(asked.lines[f"w{number}"], number, size) for number in (1, 2))
    # The first time it has to be told where the witness stands; from then on it knows.
    assert first.asked == second.asked == [b"old 5", b"old 0", b"old 5", b"old 5"]


def test_one_that_was_asked_by_another_process_meanwhile(around: Neighbourhood) -> None:
    around.good(1)
    asking, other = around.asking(), around.asking()
    for size, who in ((5, asking), (100, other), (200, asking), (300, other)):
        (line,) = who(around.log.checkpoint(size), size, around.prove(size))
        assert around.holds(line, 1, size)


def test_who_has_signed_already_is_not_asked_again(around: Neighbourhood) -> None:
    first = around.good(1)
    note = around.log.checkpoint(9)
    note = add_lines(note, around.asking()(note, 9, around.prove(9)))
    second = around.good(2)
    (line,) = around.asking()(note, 9, around.prove(9))
    assert around.holds(line, 2, 9)
    assert around.asking()(add_lines(note, [line]), 9, around.prove(9)) == []
    assert (len(first.asked), len(second.asked)) == (2, 2)


OTHER = Cosigner(name_of(7), private_of(8))
"""The name of the witness that is asked, with another key."""


def reply(
    body: bytes, status: str = "200 OK", kind: str = "text/plain", extra: str = ""
) -> Callable[[socket.socket], None]:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return lambda connection: connection.sendall(head.encode() + body)


def drip(head: bytes) -> Callable[[socket.socket], None]:
    """A byte every now and then, for as long as somebody listens."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return answer


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def line_of(cosigner: Cosigner, text: bytes, at: int) -> bytes:
    return cosigner.cosign(text[: text.rindex(b"\n\n") + 1].decode(), at).encode() + b"\n"


def lie(
    at: int = 0, size: int = 300, cosigner: Cosigner | None = None, twist: bool = False
) -> Callable[[PlainLog], bytes]:
    """A cosignature at ``at`` seconds from now, of the tree of ``size`` entries."""

    def made(log: PlainLog) -> bytes:
        line = line_of(cosigner or Cosigner(name_of(7), private_of(7)), log.checkpoint(size), int(time.time()) + at)
        return line.replace(line[-20:-10], b"AAAAAAAAAA") if twist else line

    return made


LIES: dict[str, tuple[Callable[[PlainLog], bytes], str]] = {
    "of another tree": (lie(size=299), "did not sign this"),
    "by another key": (lie(cosigner=OTHER), "no cosignature of its own"),
    "by another name": (lie(cosigner=Cosigner("x", private_of(7))), "no cosignature of its own"),
    "that is twisted": (lie(twist=True), "did not sign this"),
    "from the future": (lie(at=3600), "clock is +3"),
    "from long ago": (lie(at=-200_000), "clock is -"),
    "of nothing": (lambda log: b"", "no cosignature of its own"),
    "that is the log's own": (lambda log: log.checkpoint(300).rpartition(b"\n\n")[2], "no cosignature of its own"),
    "in garbage": (lambda log: bytes(range(256)) * 8, "codec can't decode"),
    "in many lines": (lambda log: "— x AAAAAAAAAAAA\n".encode() * 3000, "no cosignature of its own"),
}

BAD: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "hangs up": (lambda connection: connection.close(), "disconnected"),
    "is no web server": (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "Protocol"),
    "fails": (reply(b"oh no", "500 Internal Server Error"), "status 500"),
    "leads elsewhere": (reply(b"", "302 Found", extra="Location: http://127.0.0.1:1/\r\n"), "status 302"),
    "does not know the log": (reply(b"this log is not known here\n", "404 Not Found"), "status 404"),
    "is somewhere else": (reply(b"301\n", "409 Conflict", "text/x.tlog.size"), "not ours"),
    "knows no number": (reply(b"0300\n", "409 Conflict", "text/x.tlog.size"), "leading zeros"),
    "knows a fork": (reply(b"another tree\n", "409 Conflict"), "status 409"),
    "changes its mind": (
        lambda connection: reply(b"%d\n" % (time.monotonic_ns() % 300), "409 Conflict", "text/x.tlog.size")(connection),
        "mind|not ours",
    ),
    "packs a bomb": (reply(b"\x1f\x8b" * 40_000, extra="Content-Encoding: gzip\r\n"), "too long|codec"),
    "stops in the middle": (
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nabc"),
        "peer closed|incomplete",
    ),
    "never stops": (flood, "too long"),
    "sends a header without end": (
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
        "Protocol|Read",
    ),
    "says nothing": (silent, "no answer|Timeout|timed out"),
    "drips a body": (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), "no answer|Error"),
    "drips a header": (drip(b"HTTP/1.1 200 OK\r\nX: "), "no answer|Error"),
}


def judged(around: Neighbourhood, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """The good witness's line is there, the bad one's is not, and the log says why."""
    around.good(1)
    asking = around.asking()
    with caplog.at_level(logging.WARNING):
        began = time.monotonic()
        lines = asking(around.log.checkpoint(), 300, around.prove(300))
        took = time.monotonic() - began
    assert [around.holds(line, 1, 300) for line in lines] == [True]
    assert took < WITHIN_S + 10, "it has waited for a peer that goes on for ever"
    (record,) = [record for record in caplog.records if record.name.endswith("witnesses")]
    assert record.getMessage().startswith(f"witness {name_of(7)}: ")
    assert any(word in record.getMessage() for word in said.split("|")), record.getMessage()


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_cosignature(around: Neighbourhood, name: str, caplog: pytest.LogCaptureFixture) -> None:
    made, said = LIES[name]
    around.bad(7, reply(made(around.log)))
    judged(around, said, caplog)


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_witness_that(around: Neighbourhood, name: str, caplog: pytest.LogCaptureFixture) -> None:
    answer, said = BAD[name]
    around.bad(7, answer)
    judged(around, said, caplog)


def test_a_dead_one_and_an_address_that_is_none(around: Neighbourhood) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        around.urls[5] = f"http://127.0.0.1:{closed.getsockname()[1]}"
    around.urls |= {2: "http://[", 3: "ftp://127.0.0.1/", 4: "http://127.0.0.1:99999/", 6: "x" * 300, 8: "http:///x"}
    around.good(1)
    asked = around.asking().ask(around.policy().witnesses.values(), around.log.checkpoint(), 300, around.prove(300))
    assert (set(asked.lines), set(asked.silent)) == ({"w1"}, {"w2", "w3", "w4", "w5", "w6", "w8"})


def test_conversations_end_with_the_deadline(around: Neighbourhood) -> None:
    """Nobody is left behind: a witness that drips for an hour must not hold a thread and a socket each time."""
    around.bad(7, drip(b"HTTP/1.1 200 OK\r\nX: "))
    around.bad(8, silent)
    assert around.asking(0.5)(around.log.checkpoint(), 300, around.prove(300)) == []
    ours = {f"witness w{number}" for number in (7, 8)}
    deadline = time.monotonic() + 5
    while any(thread.name in ours for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_ends_although_a_witness_never_answers(around: Neighbourhood, tmp_path: Path) -> None:
    around.bad(7, silent)
    (tmp_path / "policy").write_text(
        f"log {around.log.vkey}\nwitness w {vkey(name_of(7), private_of(7), 4)} {around.urls[7]}\nquorum none\n"
    )
    (tmp_path / "note").write_bytes(around.log.checkpoint())
    script = (
        "import sys; from pathlib import Path\n"
        "from lumen_workers.adapters.witnesses import AskWitnesses\n"
        "from lumen_workers.trust.tlog.policy import parse_policy\n"
        "policy = parse_policy(Path(sys.argv[1]).read_text())\n"
        "note = Path(sys.argv[2]).read_bytes()\n"
        "print(list(AskWitnesses(lambda: policy, 0.3)(note, 300, lambda old: [])))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "policy"), str(tmp_path / "note")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


def test_a_policy_that_cannot_be_read_costs_nothing_else(around: Neighbourhood) -> None:
    for error in (EnvironmentFault("the disk has gone"), ValueError("no policy"), OSError(5, "no disk")):

        def broken(error: Exception = error) -> Policy:
            raise error

        assert AskWitnesses(broken, 1)(around.log.checkpoint(), 300, around.prove(300)) == []


def test_a_log_asks_again_those_who_were_silent(tmp_path: Path) -> None:
    """A quorum of two is reached although one was away when the tree was signed."""
    with ExitStack() as ends:
        log = TestLog(tmp_path / "log")
        plain = PlainLog(tmp_path, origin=log.sequencer.origin)
        plain.private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        around = Neighbourhood(tmp_path, plain, ends)
        around.good(1)
        with socket.create_server(("127.0.0.1", 0)) as away:
            around.urls[2] = f"http://127.0.0.1:{away.getsockname()[1]}"
        sequencer = log.with_witnesses(around.asking())
        log.owe(3)
        assert sequencer.append() == 3
        assert (log.folder.checkpoint() or b"").count("— ".encode()) == 2
        around.good(2)
        assert sequencer.append() == 0
        published = log.folder.checkpoint()
        assert (published or b"").count("— ".encode()) == 3
        assert sequencer.append() == 0
        assert log.folder.checkpoint() == published
