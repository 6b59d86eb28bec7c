"""A store with a history, the exporter's process, a real Prometheus that scrapes it: asked by its API."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from support.metrics import closed, failed, get
from support.processes import eventually
from support.servers import missing

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.failures import AlarmSeverity

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "compose" / "prometheus"
REGIONS = ("ap-northeast-2", "us-west-2")
TOKEN = "a-token-of-some-length"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that end with the test."""
    with ExitStack() as stack:

        def begin(*command: str, **env: str) -> subprocess.Popen[str]:
            clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
            process = subprocess.Popen(
                command, env=clean | env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
            )

            def end() -> None:
                process.terminate()
                process.communicate(timeout=20)

            stack.callback(end)
            return process

        yield begin


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose store has days behind it."""
    folder = tmp_path / "home"
    folder.mkdir()
    store = open_store(f"sqlite:///{folder}/lumen.db")
    history(store)
    store.close()
    return folder


def history(store: SqlStore) -> None:
    today = store.now().date()
    for number in range(3):
        closed(store, today - timedelta(days=number + 1), REGIONS[0])
    failed(store, today - timedelta(days=1), REGIONS[1], "pdf", "build")
    store.pulses.beat(REGIONS[0], "jobs", "host", f"{REGIONS[0]}/host/1", "0badcafe" * 8)
    store.notices.raise_alarm("x", "digest_mismatch", AlarmSeverity.PAGE, "other bytes")


def exporter(start: Start, home: Path, *words: str, **env: str) -> str:
    """Start one; returns its URL."""
    process = start(
        sys.executable,
        "-m",
        "lumen_workers",
        "exporter",
        "--port",
        "0",
        *words,
        LUMEN_HOME=str(home),
        PYTHONPATH=str(ROOT),
        **env,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"metrics at (http://127\.0\.0\.1:\d+)/metrics\n", line)
    assert found, line
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.prometheus
def test_prometheus_sees_what_the_store_has(tmp_path: Path, home: Path, start: Start) -> None:
    if shutil.which("prometheus") is None:
        missing("prometheus")
    target = exporter(start, home, LUMEN_EXPORTER_TOKEN=TOKEN)
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    [job] = config["scrape_configs"]
    job["authorization"] = {"credentials": TOKEN}
    job["static_configs"] = [{"targets": [target.removeprefix("http://")]}]
    for path in (PROMETHEUS / "rules").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("interval: 1m", "interval: 1s"))
    config["rule_files"] = [str(tmp_path / "*.rules.yml"), str(tmp_path / "*.alerts.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    api = f"127.0.0.1:{free_port()}"
    start(
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={api}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    )

    def query(text: str) -> dict[str, float]:
        answer = get(f"http://{api}/api/v1/query?query={quote(text)}")
        rows = json.loads(answer.text)["data"]["result"]
        return {row["metric"].get("region", ""): float(row["value"][1]) for row in rows}

    def ready() -> bool:
        try:
            # Groups of rules are computed at moments of their own.
            wanted = ('ALERTS{alertname="LumenIntegrityMismatch", alertstate="firing"}', "lumen:days_success:count")
            return get(f"http://{api}/-/ready").status == 200 and all(query(text) for text in wanted)
        except OSError:
            return False

    eventually(ready, 20.0)
    assert query('up{job="lumen"}') == {"": 1}
    assert set(query("lumen_region_up")) == set(REGIONS)
    assert query("max(lumen_days_success_total)") == {"": 3}
    assert query("sum by (region) (lumen_stage_failed_total) > 0") == {REGIONS[1]: 1}
    assert query("lumen:days_success:count") == {"": 3}
    assert query("lumen_remote_integrity_ok") == {"": 0}
    exemplars = json.loads(
        get(f"http://{api}/api/v1/query_exemplars?query=lumen_stage_failed_total&start=0&end=9999999999").text
    )
    [series] = exemplars["data"]
    assert series["exemplars"][0]["labels"]["trace_id"] == "b" * 32


def test_the_exporter_outlives_a_store_that_is_away(tmp_path: Path, start: Start) -> None:
    home = tmp_path / "home"
    home.mkdir()
    nowhere = f"postgresql://lumen@127.0.0.1:{free_port()}/lumen"
    url = exporter(start, home, LUMEN_STORE_URL=nowhere)
    for path in ("/metrics", "/healthz"):
        answer = get(url + path)
        assert answer.status == 503
        assert answer.text.count("\n") == 1
    assert get(f"{url}/").status == 302


def test_a_text_file_is_written_and_the_command_ends(tmp_path: Path, home: Path, start: Start) -> None:
    process = start(
        sys.executable, "-m", "lumen_workers", "exporter", "--textfile",
        LUMEN_HOME=str(home), LUMEN_TEXTFILE_DIR=str(tmp_path), PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert process.wait(60) == 0
    assert 'lumen_days_success_total{pipeline="daily"} 3.0' in (tmp_path / "lumen.prom").read_text()
