"""`lumen run` and its neighbours as a stranger meets them: real processes, signals, pipes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.metrics import get
from support.processes import eventually, gone
from support.servers import missing

from lumen_workers.adapters.store import open_store

ROOT = Path(__file__).resolve().parents[2]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
REGION = "us-west-2"
STARTED_S = 60.0


class Home:
    """A home, and the command for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        self.env: Mapping[str, str] = {**clean, "LUMEN_HOME": str(folder)}
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command; its output goes to pipes."""
        process = subprocess.Popen(
            [*LUMEN, *words], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.started.append(process)
        return process

    def call(self, *words: str) -> tuple[int, str, str]:
        """Run the command to its end: code, standard output, standard error."""
        process = self.start(*words)
        out, err = process.communicate(timeout=90)
        return process.returncode, out, err

    def json(self, *words: str) -> Any:
        """The JSON that a command prints."""
        code, out, err = self.call(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    def system(self, *words: str) -> subprocess.Popen[str]:
        """Start `lumen run` for one region and wait until all of its workers run."""
        process = self.start("run", "--quiet", "--regions", REGION, *words)
        eventually(lambda: process.poll() is not None or self.works(), STARTED_S)
        assert process.poll() is None, process.communicate()
        return process

    def works(self) -> bool:
        """Whether every worker takes work: the jobs lane has done a tick, the sampler has sampled."""
        if not (self.folder / "run" / "state.json").exists():
            return False
        store = open_store(f"sqlite:///{self.folder}/lumen.db")
        try:
            done = {state.entry for state in store.ticks.states() if state.ended is not None}
            return "effects" in done and all(store.samples.span(loop) for loop in store.loops.rates())
        finally:
            store.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A new home; what is started for it is ended."""
    if shutil.which("redis-server") is None and shutil.which("valkey-server") is None:
        missing("redis-server")
    made = Home(tmp_path / "home")
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def below(process: subprocess.Popen[str]) -> dict[int, str]:
    """Every process below ``process`` (pid → its words), pool children included."""
    children = psutil.Process(process.pid).children(recursive=True)
    return {child.pid: " ".join(child.cmdline()) for child in children}


def answers(url: str) -> bool:
    try:
        return get(url).status == 200
    except OSError:
        return False


@pytest.mark.redis
def test_a_running_system(home: Home) -> None:
    system = home.system()
    status = home.json("status")
    assert status["pid"] == system.pid
    running = {row["name"] for row in status["processes"] if row["status"] == "running"}
    assert running >= {"broker", f"{REGION}/sampler", f"{REGION}/jobs", f"{REGION}/beat"}
    assert {row["loop"] for row in status["loops"]} == {"main", "demo"}
    assert all(row["sampled_by"].startswith(f"{REGION}/") for row in status["loops"])
    assert set(status["urls"]) == {"broker", "flower", "metrics", "web"}

    for words in (("run",), ("demo",)):
        code, out, err = home.call(*words)
        assert (code, out, err.count("\n")) == (8, "", 1)
        assert f"is in use by pid {system.pid}" in err
        assert f"`lumen stop --home {home.folder}`" in err

    code, out, err = home.call("enqueue", "daily", "--region", REGION, "--day", "today", "--wait", "--json")
    assert code == 0
    assert json.loads(out)["status"] == "done"
    assert [line.split()[1] for line in err.splitlines()] == [
        "queued,",
        "build",
        "pdf",
        "freeze",
        "sign",
        "attest",
        "verify",
    ]

    eventually(lambda: answers(status["urls"]["metrics"]), STARTED_S)
    metrics = get(status["urls"]["metrics"]).text
    assert "lumen_broker_up 1.0" in metrics
    assert f'lumen_queue_depth{{lane="jobs",region="{REGION}"}}' in metrics
    assert 'lumen_phase_diff{loop="main"}' in metrics

    web = status["urls"]["web"]
    eventually(lambda: answers(f"{web}/healthz"), STARTED_S)
    assert json.loads(get(f"{web}/v1/rules/main").text)["loop"] == "main"

    below_it = below(system)
    assert home.call("stop") == (0, f"stopped pid {system.pid}\n", "")
    assert system.wait(timeout=30) == 0
    assert all(gone(pid) for pid in below_it)
    assert home.json("status")["processes"] == []
    assert home.call("stop") == (0, f"nothing runs for {home.folder}\n", "")


@pytest.mark.redis
def test_a_system_for_a_while(home: Home) -> None:
    code, out, err = home.call("run", "--regions", REGION, "--duration", "3")
    assert (code, err) == (0, "")
    assert "stopping after 3 s" in out
    assert "flower: http://127.0.0.1:" in out
    assert {path.name for path in (home.folder / "logs").iterdir()} >= {"lumen.log", "broker.log"}


@pytest.mark.redis
def test_nothing_outlives_a_killed_system_and_it_starts_again(home: Home) -> None:
    system = home.start("run", "--quiet", "--regions", REGION)
    # The broker, three workers, and the two children of the jobs worker's pool.
    eventually(lambda: sum(" worker " in words for words in below(system).values()) >= 4, STARTED_S)
    below_it = below(system)
    assert len(below_it) >= 6
    system.send_signal(signal.SIGKILL)
    system.wait(timeout=10)
    eventually(lambda: all(gone(pid) for pid in below_it), 10.0)

    assert home.json("status")["pid"] is None
    code, out, err = home.call("enqueue", "effects")
    assert (code, out) == (6, "")
    assert err == "lumen: there is no broker; start one with `lumen run`, or set LUMEN_BROKER_URL\n"
    code, _, err = home.call("run", "--quiet", "--regions", REGION, "--duration", "1")
    assert (code, err) == (0, "")


def test_ctrl_c_is_one_line(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    waiting = home.start("daily", "--day", "2026-01-31")
    try:
        assert waiting.stderr is not None
        first = waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        _, rest = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert "queued" in first or "build" in first
    assert waiting.returncode == 130
    assert rest.splitlines()[-1] == "lumen: interrupted"
    assert "Traceback" not in rest
    code, out, _ = home.call("daily", "--day", "2026-01-31", "--json")
    assert (code, json.loads(out)["status"]) == (0, "done")


@pytest.mark.parametrize("words", [("status",), ("schedule", "--json"), ("--help",)])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = Home(tmp_path / "home")
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*LUMEN, *words], env=home.env, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def limited(size: int) -> Callable[[], None]:
    """Runs in the child: the kernel lets none of its files grow beyond ``size`` bytes."""

    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_that_takes_no_more_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.call("rules", "set", "risk_max", "0.3")[0] == 0
    for words in (("rules", "set", "risk_max", "0.25"), ("daily", "--day", "2026-01-31")):
        failed = subprocess.run(
            [*LUMEN, *words],
            env=home.env,
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=limited(4096),
            cwd=ROOT,
        )
        assert (failed.returncode, failed.stdout) == (3, "")
        assert failed.stderr == f"lumen: store sqlite:///{home.folder}/lumen.db: disk I/O error\n"
    assert home.json("rules", "get")["risk_max"] == 0.3
    assert home.call("daily", "--day", "2026-01-31")[0] == 0
