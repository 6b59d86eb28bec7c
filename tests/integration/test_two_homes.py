"""Two machines, as two homes that share only store, broker and archive: one falls silent, the other stands in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.processes import eventually
from support.workers import RedisServer

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.runs import Cause, OwedState, RunStatus

ROOT = Path(__file__).resolve().parents[2]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
A, B = "ap-northeast-2", "us-west-2"

pytestmark = [pytest.mark.redis, pytest.mark.postgres]


class Machine:
    """One region's home, configured by hand as docs/operations.md tells it."""

    def __init__(self, folder: Path, region: str, shared: dict[str, str]) -> None:
        self.region = region
        self.configs = folder / f"configs-{region}"
        self.configs.mkdir()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        self.env = {
            **clean,
            **shared,
            "LUMEN_HOME": str(folder / region),
            "LUMEN_REGION": region,
            "LUMEN_HOST": f"host-of-{region}",
            "LUMEN_CONFIGS": str(self.configs),
            "LUMEN_LEASE_S": "3",
        }
        (self.configs / "loops.yaml").write_text("loops:\n  main: {source: mock, rate_hz: 5}\n")
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, peers: dict[str, str], roots: list[str]) -> None:
        known = {"peers": peers, "roots": roots, "messages": "signed"}
        (self.configs / "lumen.yaml").write_text(json.dumps({"regions": [A, B], "stand_in": {"after_s": 10}, **known}))

    def call(self, *words: str) -> Any:
        ran = subprocess.run(
            [*LUMEN, *words, "--json"], env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def start(self) -> None:
        self.process = subprocess.Popen([*LUMEN, "run", "--quiet", "--regions", self.region], env=self.env, cwd=ROOT)

    def kill(self) -> None:
        """The machine loses its power."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(children, timeout=20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def machines(
    tmp_path: Path, postgres_url_factory: Callable[[], str], broker: RedisServer
) -> Iterator[tuple[Machine, Machine, SqlStore]]:
    url = postgres_url_factory()
    shared = {"LUMEN_STORE_URL": url, "LUMEN_BROKER_URL": broker.url, "LUMEN_ARCHIVE": str(tmp_path / "archive")}
    pair = [Machine(tmp_path, region, shared) for region in (A, B)]
    for machine in pair:
        machine.configure({}, [])
    shown = {machine.region: machine.call("pki", "show") for machine in pair}
    roots = [told["root_fingerprint"] for told in shown.values()]
    for machine in pair:
        peers = {region: told["fingerprint"] for region, told in shown.items() if region != machine.region}
        machine.configure(peers, roots)
    store = open_store(url)
    yield pair[0], pair[1], store
    for machine in pair:
        machine.stop()
    store.close()


def test_a_machine_that_loses_its_power_costs_no_day(machines: tuple[Machine, Machine, SqlStore]) -> None:
    a, b, store = machines
    for machine in (a, b):
        machine.start()
    eventually(lambda: {A, B} <= {s.region for s in store.ticks.states() if s.entry == "reconcile" and s.ended}, 90)

    # Both live: A wins, B verifies A's day with A's pinned key and the archive's copy.
    first = a.call("enqueue", "daily", "--day", "2026-01-29", "--wait", "--timeout", "90")
    assert (first["status"], first["winner"], first["executed_by"]) == ("done", True, A)
    eventually(lambda: [row.done_by for row in store.owed.rows("cross_verify")] == [B], 60)
    assert b.call("archive", "verify", "2026-01-29", "--require", A)["root"] == first["digest"]

    # A is gone without a word; what is asked of it is done by B, in A's name, as a new attempt.
    a.kill()
    asked = b.call("enqueue", "daily", "--region", A, "--day", "2026-01-30")
    eventually(lambda: any(r.status is RunStatus.DONE for r in store.runs.rows(day=date(2026, 1, 30))), 90)
    [taken] = store.runs.rows(day=date(2026, 1, 30))
    assert (taken.region, taken.executed_by, taken.cause, taken.winner) == (A, B, Cause.TAKEOVER, True)
    assert taken.trace_id == asked["trace_id"]
    assert {alarm.kind for alarm in store.notices.alarms(standing=True)} == {"region_silent"}
    status = b.call("status")
    states = {row["region"]: row["state"] for row in status["regions"]}
    assert states == {A: "silent", B: "alive"}
    # The loop has no home: B samples it now.
    eventually(lambda: (lease := store.leases.get("sampler:main")) is not None and lease.holder.startswith(B), 60)

    # A comes back: its old message does nothing, the alarm is over, the cross-verification of B's day is A's.
    a.start()
    eventually(lambda: store.notices.alarms(standing=True) == [], 90)
    eventually(lambda: all(row.state is OwedState.DONE for row in store.owed.rows("cross_verify")), 90)
    assert {row.done_by for row in store.owed.rows("cross_verify")} == {A, B}
    assert len(store.runs.rows(day=date(2026, 1, 30))) == 1
    assert len(store.runs.results("daily")) == 2
    refused = store.tallies.rows("lumen_messages_refused_total")
    assert refused == [], refused
