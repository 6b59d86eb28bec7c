"""Beat: the right lanes of its region, never too much of it, and each slot once however many there are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import eventually
from support.workers import JOBS, REGION, RedisServer, System, guarded, stays

from lumen_workers.worker.beat import DEPTH_CAP

pytestmark = pytest.mark.redis

MakeSystem = Callable[..., System]

EVERY_SECOND = """
SCHEDULE = {
    "often": {"run": "reconcile", "every_s": 1, "regions": "all"},
    "also": {"run": "effects", "every_s": 1, "regions": ["us-west-2"]},
    "look": {"run": "sample", "every_s": 1},
    "elsewhere": {"run": "daily", "cron": "* * * * *", "regions": ["ap-northeast-2"]},
}
"""


def test_two_beats_feed_their_region_up_to_a_depth_and_each_slot_runs_once(make_system: MakeSystem) -> None:
    system = make_system(schedule=EVERY_SECOND)
    client = system.broker.client
    for name in ("beat-1", "beat-2"):
        system.beat(name)
    eventually(lambda: client.llen(JOBS) >= DEPTH_CAP)
    eventually(lambda: all("messages wait in" in system.log(name) for name in ("beat-1", "beat-2")))
    # Two beats may look at the same moment: one message of each above the cap.
    stays(lambda: client.llen(JOBS) <= DEPTH_CAP + 2, 2)
    assert client.llen(f"{REGION}.sampler") > 0
    assert {key for key in client.keys("*") if b"ap-northeast-2" in key} == set()

    system.worker()
    eventually(lambda: client.llen(JOBS) < 3)
    stays(lambda: client.llen(JOBS) <= 5, 2)
    lines = [line for line in system.log("jobs").splitlines() if ": lumen.reconcile in " in line]
    ran = [line for line in lines if "runs revived" in line]
    again = [line for line in lines if "this slot has run" in line]
    assert ran
    assert again
    # A slot is a second, and the log has the time of each line.
    seconds = [re.sub(r"\.\d+Z.*", "", line) for line in ran]
    assert len(ran) <= len(set(seconds)) + 2

    client.flushall()
    before = len(system.log("jobs").splitlines())
    eventually(lambda: "runs revived" in "".join(system.log("jobs").splitlines()[before:]))


def test_a_broker_that_comes_back_is_used_again(tmp_path: Path, make_system: MakeSystem, broker: RedisServer) -> None:
    system = make_system(schedule=EVERY_SECOND)
    beat, worker = system.beat(), system.worker()
    eventually(lambda: "runs revived" in system.log("jobs"))
    broker.stop()
    eventually(lambda: "not sent: " in system.log("beat"))
    broker.start()
    before = system.log("jobs").count("runs revived")
    eventually(lambda: system.log("jobs").count("runs revived") > before + 1, 60)
    assert (beat.poll(), worker.poll()) == (None, None)
    assert "Traceback" not in system.log("beat")


def test_a_mistake_in_the_schedule_stops_every_start_with_one_line(make_system: MakeSystem) -> None:
    system = make_system(schedule='SCHEDULE = {"x": {"run": "efects", "every_s": 5}}')
    lumen = str(Path(sys.executable).parent / "lumen")
    celery = [sys.executable, "-m", "celery", "-A", "lumen_workers"]
    commands = {
        "beat": [*celery, "beat"],
        "worker": [*celery, "worker"],
        "schedule": [lumen, "schedule"],
        "run": [lumen, "run", "--duration", "1"],
    }
    pipe = subprocess.PIPE
    started = {
        name: subprocess.Popen(guarded(command), cwd=system.folder, env=system.env, text=True, stdout=pipe, stderr=pipe)
        for name, command in commands.items()
    }
    for name, process in started.items():
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 2, name
        [line] = errors.splitlines()
        assert line.startswith("lumen: beat_schedule.py: entry 'x': unknown tick or pipeline 'efects'"), name
        assert printed == ""
