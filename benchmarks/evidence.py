"""What a stranger waits for: a day's evidence verified by the one-file verifier, and the log asked over HTTP. JSON.

    python benchmarks/evidence.py [--runs 15] [--seconds 5] [--clients 4]

``verify_s``: wall time from start to exit over one whole day's folder (432,000 samples), of ``verify_lumen.py``, of
``lumen verify`` and of an interpreter that imports cryptography's certificates and ends, in turn; medians of fresh
processes. ``requests_per_s``: on the loopback address, by ``clients`` connections that are kept alive, each path for
``seconds`` seconds, of a log of 3,000 entries.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import day
from _machine import machine

ROOT = Path(__file__).resolve().parents[1]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
ENTRIES = 3000
PATHS = {
    "checkpoint": "/checkpoint",
    "full tile": "/tile/0/001",
    "entry, at a size": "/v1/log/entry/1234?size=3000",
    "entry, at present": "/v1/log/entry/1234",
}


def verified(folder: Path, runs: int) -> dict[str, Any]:
    """One day, closed once, then verified over and over."""
    home = folder / "home"
    prepare = [sys.executable, day.__file__, "--prepare", str(home)]
    prepared = json.loads(subprocess.run(prepare, stdout=subprocess.PIPE, check=True).stdout)
    day.close_day(home, prepared["day"])
    archived = home / "archive" / prepared["day"]
    env = {**os.environ, "LUMEN_HOME": str(home)}
    shown = subprocess.run([*LUMEN, "pki", "show", "--json"], stdout=subprocess.PIPE, env=env, check=True)
    root = json.loads(shown.stdout)["root_fingerprint"]
    words = (str(archived), "--root", root)
    commands = {
        "verify_lumen.py": [sys.executable, str(ROOT / "verify_lumen.py"), *words],
        "lumen verify": [*LUMEN, "verify", *words, "--offline"],
        "imports alone": [sys.executable, "-c", "import cryptography.x509.verification"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True)
            if number:  # the first run fills the caches
                seconds[name].append(time.perf_counter() - began)
    files = [path for path in archived.rglob("*") if path.is_file()]
    return {
        "files": len(files),
        "mib": round(sum(path.stat().st_size for path in files) / 2**20, 1),
        "evidence_kib": round(next(archived.glob("*.lumen.json")).stat().st_size / 2**10, 1),
        "verify_s": {name: round(statistics.median(found), 3) for name, found in seconds.items()},
    }


def served(folder: Path, seconds: float, clients: int) -> dict[str, Any]:
    """A log server in a process of its own, asked by threads of this one."""
    home = folder / "log-home"
    fill(home)
    command = [*LUMEN, "log", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LUMEN_HOME": str(home)})
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        return {name: round(rate(port, path, seconds, clients)) for name, path in PATHS.items()}
    finally:
        server.terminate()
        server.wait()


def fill(home: Path) -> None:
    """A log of ENTRIES entries."""
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.clock import SystemClock
    from lumen_workers.trust.tlog.entries import attestation_entry

    settings = config.load(home=home)
    store = bootstrap.store_of(settings)
    sequencer = bootstrap.attestor_of(settings, store, SystemClock(), "bench").sequencer
    for number in range(ENTRIES):
        entry = attestation_entry(b"%d" % number, serial=1, trace_id=f"{number:032x}")
        store.logs.enqueue(sequencer.origin, str(number), entry, b"")
    sequencer.append()
    store.close()


def rate(port: int, path: str, seconds: float, clients: int) -> float:
    """Requests a second."""
    counts = [0] * clients
    ends = time.perf_counter() + seconds

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < ends:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise SystemExit(f"{path}: status {answer.status}")
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15, metavar="N")
    parser.add_argument("--seconds", type=float, default=5, metavar="S")
    parser.add_argument("--clients", type=int, default=4, metavar="N")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as name:
        figures = {
            "machine": machine(),
            "runs": options.runs,
            "clients": options.clients,
            "verify": verified(Path(name), options.runs),
            "requests_per_s": served(Path(name), options.seconds, options.clients),
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
