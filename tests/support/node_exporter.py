"""A real prometheus-node-exporter on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

PROGRAMS = ("prometheus-node-exporter", "node_exporter")


@contextmanager
def node_exporter() -> Iterator[str]:
    """The URL of its metrics; the process ends with the block. Skips without the program, fails so under ``CI``."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        reason = "prometheus-node-exporter is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    collectors = [f"--collector.{name}" for name in ("cpu", "loadavg", "meminfo", "time")]
    process = subprocess.Popen(
        [program, f"--web.listen-address={address}", "--collector.disable-defaults", *collectors],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://{address}/metrics"
    try:
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urlopen(url, timeout=2) as answer:
                answer.read()
            return
        except (URLError, ConnectionError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
