"""Sockets of the servers: answers leave at once, and a signal ends them in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.plain_log import PlainLog
from support.served import ask

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.web.listen import bind

SLOW = """
import time
from lumen_workers.trust.tlog.folder import LogFolder
read = LogFolder.read
def slowly(self, tile):
    print("reading", flush=True)
    time.sleep(1.5)
    return read(self, tile)
LogFolder.read = slowly
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_answer_waits_for_the_last_ones_acknowledgement(host: str) -> None:
    with bind(host, 0) as listener, socket.create_connection(listener.getsockname()[:2], timeout=10):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_port_that_is_taken() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(EnvironmentFault, match="choose another with --here"):
            bind("127.0.0.1", port, name="it", choose="--here")


def test_the_log_server_ends_in_order(tmp_path: Path) -> None:
    """A request that has begun has its answer; then the process ends by itself, with nothing to complain about."""
    log = PlainLog(tmp_path / "home" / "log")
    log.add(3)
    log.publish()
    env = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    env["LUMEN_HOME"] = str(tmp_path / "home")
    command = [sys.executable, "-c", SLOW + "from lumen_workers.cli.main import main; main()", "log", "serve"]
    with subprocess.Popen(
        [*command, "--port", "0"], env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[-1]
        assert ask(url, "/checkpoint")[0] == 200
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(ask(url, "/tile/0/000.p/3")[::2]))
        asking.start()
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert answers == [(200, b"".join(log.leaves))]
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    # It has left nothing behind where it read, and made nothing of what a home has.
    assert {path.name for path in (tmp_path / "home").iterdir()} == {"log"}
    assert {path.relative_to(log.folder).parts[0] for path in log.folder.rglob("*")} == {"checkpoint", "tile"}
