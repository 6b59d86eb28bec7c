"""The whole system on PostgreSQL: two regions' real workers build one day, and the other one verifies it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.processes import eventually

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import day_of
from lumen_workers.domain.runs import OwedState

ROOT = Path(__file__).resolve().parents[2]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
REGIONS = ("ap-northeast-2", "us-west-2")


@pytest.mark.redis
@pytest.mark.postgres
def test_two_regions_on_postgresql(postgres_url_factory: Callable[[], str], tmp_path: Path) -> None:
    url = postgres_url_factory()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    env = {**clean, "LUMEN_HOME": str(tmp_path / "home"), "LUMEN_STORE_URL": url}

    def lumen(*words: str) -> Any:
        ran = subprocess.run([*LUMEN, *words, "--json"], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    system = subprocess.Popen([*LUMEN, "run", "--quiet"], env=env, cwd=ROOT)
    store = open_store(url)
    try:
        eventually(lambda: {"main", "demo"} <= {x for x in store.loops.rates() if store.samples.span(x)}, 90)
        # One day for both, told once: midnight may come in between.
        day = day_of(store.now(), ZoneInfo("Asia/Seoul")).isoformat()
        runs = [lumen("enqueue", "daily", "--region", region, "--day", day, "--wait") for region in REGIONS]
        assert [run["status"] for run in runs] == ["done", "superseded"]
        assert [run["executed_by"] for run in runs] == list(REGIONS)
        assert runs[0]["digest"] == runs[1]["digest"]
        assert [run["winner"] for run in runs] == [True, False]
        eventually(lambda: all(row.state is OwedState.DONE for row in store.owed.rows("cross_verify")), 30)
        assert [row.done_by for row in store.owed.rows("cross_verify")] == [REGIONS[1]]
        verified = lumen("archive", "verify", runs[0]["day"], "--require", REGIONS[0], "--require", REGIONS[1])
        assert verified["root"] == runs[0]["digest"]
        assert store.notices.alarms() == []
        assert not (tmp_path / "home" / "lumen.db").exists(), "something went to a local store"
    finally:
        store.close()
        system.terminate()
        assert system.wait(60) == 0
