"""The log's server on the loopback address: requests a second, and how long they take. JSON on stdout.

    python benchmarks/log_server.py [--entries 100000] [--seconds 4] [--connections 4]

`lumen log serve` in a process of its own, over a log of ``entries``; connections are kept alive, and each sends its
next request when it has the answer. The client shares the machine: it does as little as it can. ``entry`` asks for
another entry each time; ``present`` is the same without a size, so that no cache may keep it; ``revalidated`` has an
ETag that still holds. ``cpu_us`` is the server's processor time for a request, ``rss_mib`` its resident memory at the
end.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from _machine import machine
from log import fill

LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")

Paths = Callable[[random.Random], tuple[str, str]]
"""The next path, and further header lines."""


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The server's URL, and its process."""
    env = {**os.environ, "LUMEN_HOME": str(home)}
    command = [*LUMEN, "log", "serve", "--port", "0"]
    with subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], psutil.Process(process.pid)
        finally:
            process.terminate()


async def asked(host: str, path: str, more: str, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> int:
    """One request on a connection; the answer's status."""
    reader, writer = streams
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
    return int(head[9:12])


async def load(host: str, paths: Paths, seconds: float, connections: int) -> tuple[dict[str, float], int]:
    """Requests a second and their latency; how many there were, those of the warm-up included."""
    took: list[float] = []
    early: list[float] = []
    wrong: list[int] = []
    name, _, port = host.partition(":")

    async def client(seed: int, end: float, notes: list[float]) -> None:
        chance = random.Random(seed)
        streams = await asyncio.open_connection(name, int(port))
        while (begin := time.perf_counter()) < end:
            status = await asked(host, *paths(chance), streams)
            notes.append(time.perf_counter() - begin)
            if status not in (200, 304):
                wrong.append(status)
        streams[1].close()
        await streams[1].wait_closed()

    await asyncio.gather(*(client(seed, time.perf_counter() + 0.5, early) for seed in range(connections)))
    begin = time.perf_counter()
    await asyncio.gather(*(client(seed, begin + seconds, took) for seed in range(connections)))
    elapsed = time.perf_counter() - begin
    if wrong:
        raise SystemExit(f"the server answered {wrong[0]}")
    took.sort()
    return {
        "requests_per_s": round(len(took) / elapsed),
        "p50_ms": round(took[len(took) // 2] * 1e3, 2),
        "p95_ms": round(took[len(took) * 95 // 100] * 1e3, 2),
        "p99_ms": round(took[len(took) * 99 // 100] * 1e3, 2),
    }, len(took) + len(early)


def measure(home: Path, entries: int, seconds: float, connections: int) -> dict[str, Any]:
    """Each kind of request in turn."""
    fill(home / "log", entries)
    tiles = entries // 256
    with serving(home) as (url, process):
        host = urlsplit(url).netloc
        connection = http.client.HTTPConnection(host)
        connection.request("GET", "/checkpoint")
        tag = connection.getresponse().getheader("ETag")
        connection.close()

        def number(chance: random.Random) -> str:
            index = chance.randrange(tiles)
            return f"{index:03d}" if index < 1000 else f"x{index // 1000:03d}/{index % 1000:03d}"

        kinds: dict[str, Paths] = {
            "checkpoint": lambda chance: ("/checkpoint", ""),  # noqa: ARG005
            "revalidated": lambda chance: ("/checkpoint", f"If-None-Match: {tag}\r\n"),  # noqa: ARG005
            "tile": lambda chance: (f"/tile/0/{number(chance)}", ""),
            "bundle": lambda chance: (f"/tile/entries/{number(chance)}", ""),
            "entry": lambda chance: (f"/v1/log/entry/{chance.randrange(entries)}?size={entries}", ""),
            "present": lambda chance: (f"/v1/log/entry/{chance.randrange(entries)}", ""),
        }
        found = {}
        for name, paths in kinds.items():
            before = sum(process.cpu_times()[:2])
            figures, count = asyncio.run(load(host, paths, seconds, connections))
            used = sum(process.cpu_times()[:2]) - before
            found[name] = {**figures, "cpu_us": round(used / count * 1e6)}
        memory = process.memory_info().rss / 2**20
        return {"entries": entries, "connections": connections, "kinds": found, "rss_mib": round(memory, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as folder:
        figures = measure(Path(folder), given.entries, given.seconds, given.connections)
    sys.stdout.write(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
