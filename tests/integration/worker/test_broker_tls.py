"""The broker over TLS, with a user for each region: the whole system works, and what is wrong is one line."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.authority import Authority
from support.processes import eventually
from support.workers import JOBS, REGION, SecureRedis, System

from lumen_workers.local.ports import free_port

pytestmark = pytest.mark.redis

OTHER = "ap-northeast-2"
SCHEDULE = """
SCHEDULE = {
    "look": {"run": "sample", "every_s": 1, "regions": "all"},
    "often": {"run": "reconcile", "every_s": 1, "regions": "all"},
}
"""


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureRedis]:
    """A Redis on a TLS port that wants certificates of its clients."""
    server = SecureRedis()
    server.allow(OTHER, REGION)
    server.start()
    yield server
    server.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Makes a system that talks to ``server`` as its region's user."""
    made: list[System] = []

    def system(server: SecureRedis, **env: str) -> System:
        variables = {**server.variables(REGION), **env}
        made.append(System(tmp_path / str(len(made)), server, schedule=SCHEDULE, **variables))
        return made[-1]

    yield system
    for found in made:
        found.close()


@pytest.mark.parametrize("messages", ["plain", "signed"])
def test_everything_that_talks_to_the_broker_works_as_the_regions_user(
    secure: SecureRedis, make: Callable[..., System], messages: str
) -> None:
    secure.client.flushall()
    secure.denied()
    system = make(secure, LUMEN_MESSAGES=messages)
    processes = [system.worker(), system.worker("sampler"), system.beat()]
    port = str(free_port())
    processes.append(system.start("flower", "flower", f"--port={port}", "--address=127.0.0.1", LUMEN_LANE="flower"))
    done = system.lumen("enqueue", "daily", "--region", REGION, "--day", "today", "--wait")
    assert done.returncode == 0, done.stderr
    called = system.celery("call", "lumen.reconcile")
    assert called.returncode == 0, called.stderr
    trace = called.stdout.strip().replace("-", "")
    eventually(lambda: trace in system.log("jobs"))
    # The winner asked the other region, which has no worker here, for a cross-verification.
    assert secure.client.llen(f"{OTHER}.jobs") == 1
    seen = system.celery("inspect", "stats", "--json")
    assert len(json.loads(seen.stdout)) == 2
    eventually(lambda: system.log("sampler").count("handed over: main") >= 2)
    doctor = json.loads(system.lumen("doctor", "--json").stdout)
    assert ("broker", "ok") in {(row["name"], row["status"]) for row in doctor}
    assert ("us-west-2", "command", "info") in secure.denied()  # the doctor asked, and says that it may not know
    assert system.store.notices.letters() == []
    # No process tells the password to others.
    told = [seen.stdout, *(system.log(name) for name in ("jobs", "sampler", "beat", "flower"))]
    told += [" ".join(psutil.Process(process.pid).cmdline()) for process in processes]
    for secret in secure.passwords.values():
        assert not [text for text in told if secret in text]
    assert "Traceback" not in "".join(told)
    for process in processes:
        # A sampler that gets SIGTERM would wait for its successor.
        process.send_signal(signal.SIGINT if process in processes[:2] else signal.SIGTERM)
    for process in processes:
        process.wait(30)
    assert secure.denied() == []


def ends_with_one_line(done: subprocess.CompletedProcess[str], code: int, server: SecureRedis) -> str:
    assert done.returncode == code, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("lumen: ")
    for secret in (*server.passwords.values(), "not-the-password"):
        assert secret not in done.stdout + done.stderr
    return line


def both(system: System, **env: str) -> Iterator[subprocess.CompletedProcess[str]]:
    """What `lumen run` and `lumen enqueue` say."""
    commands = (("run", "--duration", "1"), ("enqueue", "daily", "--day", "today"))
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda command: system.lumen(*command, **env), commands)


def test_a_certificate_of_another_authority_is_not_believed(
    secure: SecureRedis, make: Callable[..., System], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    for done in both(make(secure), LUMEN_BROKER_CA=str(stranger.file)):
        assert "certificate verify failed" in ends_with_one_line(done, 3, secure)


def test_a_client_without_a_certificate_is_turned_away(secure: SecureRedis, make: Callable[..., System]) -> None:
    for done in both(make(secure), LUMEN_BROKER_CERT="", LUMEN_BROKER_KEY=""):
        ends_with_one_line(done, 3, secure)


def test_plain_text_to_a_tls_port_ends(secure: SecureRedis, make: Callable[..., System]) -> None:
    url = secure.url_of(REGION).replace("rediss://", "redis://")
    none = dict.fromkeys(("LUMEN_BROKER_CA", "LUMEN_BROKER_CERT", "LUMEN_BROKER_KEY"), "")
    for done in both(make(secure), LUMEN_BROKER_URL=url, **none):
        ends_with_one_line(done, 3, secure)


def test_a_wrong_password_is_said(secure: SecureRedis, make: Callable[..., System]) -> None:
    url = secure.url_of(REGION).replace(secure.passwords[REGION], "not-the-password")
    for done in both(make(secure), LUMEN_BROKER_URL=url):
        line = ends_with_one_line(done, 4, secure)
        assert "invalid username-password pair" in line
        assert "correct user and password in LUMEN_BROKER_URL" in line


def test_another_regions_user_may_not_send_to_a_sampler(secure: SecureRedis, make: Callable[..., System]) -> None:
    done = make(secure).lumen("enqueue", "sample", "--region", OTHER)
    assert "no permissions to access" in ends_with_one_line(done, 4, secure).lower()


def test_a_key_that_others_may_read_is_refused(secure: SecureRedis, make: Callable[..., System]) -> None:
    system = make(secure)
    key = Path(system.env["LUMEN_BROKER_KEY"])
    key.chmod(0o644)
    for done in both(system):
        assert ends_with_one_line(done, 8, secure).endswith(f"run: chmod 600 {key}")
    worker = system.celery("worker", "-Q", JOBS)
    assert worker.stderr.splitlines()[-1].endswith(f"run: chmod 600 {key}")


@pytest.mark.parametrize(
    ("address", "expired", "words"),
    [("127.0.0.2", False, "IP address mismatch"), ("127.0.0.1", True, "certificate has expired")],
)
def test_a_certificate_for_another_host_or_of_another_time_is_not_believed(
    make: Callable[..., System], address: str, expired: bool, words: str
) -> None:
    server = SecureRedis(mutual=False, address=address, expired=expired)
    try:
        server.allow(OTHER, REGION)
        server.start()
        for done in both(make(server)):
            assert words in ends_with_one_line(done, 3, server)
    finally:
        server.close()
