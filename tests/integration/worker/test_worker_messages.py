"""What a jobs worker does with messages: ours, those of Celery's own commands, and those that nobody should send."""

from __future__ import annotations

import json
import pickle
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.processes import eventually
from support.workers import JOBS, REGION, System

from lumen_workers.domain.notices import Letter
from lumen_workers.domain.runs import Run, RunStatus
from lumen_workers.local.ports import free_port

pytestmark = pytest.mark.redis

STAGES = ["build", "pdf", "freeze", "sign", "attest", "verify"]


def new_letters(system: System, known: set[str], count: int) -> list[Letter]:
    """Wait for ``count`` letters beyond ``known``, and for nothing to be left to do."""
    eventually(lambda: len(system.store.notices.letters()) >= len(known) + count)
    eventually(system.idle)
    found = [letter for letter in system.store.notices.letters() if letter.letter_id not in known]
    assert len(found) == count
    return found


@pytest.fixture
def known(running: System) -> set[str]:
    """The letters that are there already."""
    return {letter.letter_id for letter in running.store.notices.letters()}


def test_enqueue_shows_the_stages_and_ends_well(running: System) -> None:
    done = running.lumen("enqueue", "daily", "--region", REGION, "--day", "today", "--wait")
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stderr.splitlines() if " done in " in line]
    assert [line.split()[1] for line in shown] == STAGES


def test_celery_call_reaches_the_region_and_its_runs_have_the_messages_id(running: System) -> None:
    called = running.celery("call", "lumen.daily", "--kwargs", '{"day": "2026-02-01"}')
    assert called.returncode == 0, called.stderr
    trace_id = called.stdout.strip().replace("-", "")

    def runs() -> list[Any]:
        return [run for run in running.store.runs.rows() if run.trace_id == trace_id and run.status.final]

    eventually(runs)
    [run] = runs()
    assert (run.region, run.status, run.day.isoformat()) == (REGION, RunStatus.DONE, "2026-02-01")


def test_what_celery_call_gets_wrong_is_refused(running: System, known: set[str]) -> None:
    assert running.celery("call", "lumen.daily", "--args", '["today"]').returncode == 0
    [letter] = new_letters(running, known, 1)
    assert (letter.task, letter.region) == ("lumen.daily", REGION)
    assert "keyword arguments only" in letter.reason
    assert "today" in letter.payload


@pytest.mark.parametrize(
    ("task", "payload", "reason"),
    [
        ("lumen.daily", {"dya": "today"}, "dya: unknown argument (arguments: trace_id, day)"),
        ("lumen.daily", {"day": "someday"}, "day 'someday'"),
        ("lumen.daily", {"day": "2999-01-01"}, "has not begun"),
        ("lumen.daily", {"day": 20260201}, "day: Input should be a valid string"),
        ("lumen.daily", {"trace_id": "x"}, "trace_id: String should match"),
        ("lumen.daily.build", {"run_id": "no-such-run", "attempt": 1}, "no-such-run"),
        ("lumen.daily.build", {"run_id": "no-such-run", "attempt": 0}, "attempt: Input should be greater"),
        ("lumen.cross_verify", {"key": "daily/2000-01-01/r1"}, "no result"),
        ("lumen.nothing", {}, "unknown task 'lumen.nothing'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_arguments_are_refused(
    running: System, known: set[str], task: str, payload: dict[str, Any], reason: str
) -> None:
    running.call(task, **payload)
    [letter] = new_letters(running, known, 1)
    assert (letter.task, letter.region) == (task, REGION)
    assert reason in letter.reason


GOOD = "[[], {}, null]"


def headers(**changes: Any) -> dict[str, Any]:
    return {"task": "lumen.reconcile", "id": "0b0d4c8e-0000-4000-8000-000000000000", **changes}


@pytest.mark.parametrize(
    ("body", "head", "kind", "reason"),
    [
        (pickle.dumps([[], {}, None]), headers(), "application/x-python-serialize", "untrusted content of type pickle"),
        ("a: b", headers(), "application/x-yaml", "yaml"),
        ("{not json", headers(), "application/json", "DecodeError"),
        (b"\xff\xfe", headers(), "application/json", "DecodeError"),
        ("null", headers(), "application/json", "the body is not"),
        ("7", headers(), "application/json", "the body is not"),
        ("[7, {}, null]", headers(), "application/json", "the body is not"),
        ("[[], [], null]", headers(), "application/json", "the body is not"),
        ("[[], {}]", headers(), "application/json", "the body is not"),
        ('[[], {}, {"chain": [{"task": "lumen.effects"}]}]', headers(), "application/json", "the body is not"),
        ('[[], {"self": 1}, null]', headers(), "application/json", "unknown argument 'self'"),
        (GOOD, {"id": "x"}, "application/json", "no header 'task'"),
        (GOOD, {"task": "lumen.reconcile"}, "application/json", "no header 'id'"),
        (GOOD, headers(task="celery.map"), "application/json", "unknown task 'celery.map'"),
        (GOOD, headers(task=["x"]), "application/json", "unknown task"),
        (GOOD, headers(eta="soon"), "application/json", "invalid ETA"),
        (GOOD, headers(timelimit=["a", "b"]), "application/json", "'timelimit'"),
        (GOOD, headers(retries="x"), "application/json", "'retries'"),
        (GOOD, headers(compression="zlib"), "application/json", "decompressing"),
    ],
    ids=range(19),
)
def test_what_cannot_be_understood_is_refused_and_harms_nobody(
    running: System, known: set[str], body: bytes | str, head: dict[str, Any], kind: str, reason: str
) -> None:
    running.push(body, head, kind=kind)
    [letter] = new_letters(running, known, 1)
    assert reason in letter.reason
    done = running.call("lumen.reconcile")
    eventually(lambda: f"{done}: lumen.reconcile" in running.log("jobs"))


def test_a_message_that_comes_three_times_makes_one_run_and_one_result(running: System) -> None:
    """Also where asking once more would make something new: today, which still runs, gets a further revision."""
    number = "0b0d4c8e-0000-4000-8000-0000000000aa"
    body = json.dumps([[], {"day": "today"}, None])

    def runs() -> list[Run]:
        return [run for run in running.store.runs.rows() if run.trace_id == number.replace("-", "")]

    def deliver() -> None:
        running.push(body, headers(task="lumen.daily", id=number))

    deliver()
    deliver()
    eventually(lambda: runs() and runs()[0].status.final and running.idle())
    deliver()
    eventually(running.idle)
    [run] = runs()
    assert run.status is RunStatus.DONE
    assert [stage.name for stage in run.stages] == STAGES
    results = running.store.runs.results("daily", run.day)
    assert [result.revision for result in results if result.run_id == run.run_id] == [run.revision]
    assert max(result.revision for result in results) == run.revision
    # A stage that comes again after the end is stale.
    trace = running.call("lumen.daily.verify", run_id=run.run_id, attempt=1)
    eventually(lambda: any(trace in line and "stale:" in line for line in running.log("jobs").splitlines()))
    assert runs() == [run]


def test_celerys_own_commands_see_the_worker(running: System) -> None:
    commands = (["status"], *(["inspect", what, "--json"] for what in ("registered", "active", "active_queues")))
    with ThreadPoolExecutor() as pool:
        status, registered, active, queues = pool.map(lambda command: running.celery(*command), commands)
    assert status.returncode == 0, status.stderr
    assert "1 node online" in status.stdout
    [(name, tasks)] = json.loads(registered.stdout).items()
    assert name.startswith(f"lumen-jobs@{REGION}-")
    assert {"lumen.daily", "lumen.daily.build", "lumen.reconcile"} <= set(tasks)
    assert json.loads(active.stdout) == {name: []}
    assert [queue["name"] for queue in json.loads(queues.stdout)[name]] == [JOBS]


def test_flower_sees_the_worker_and_its_tasks(running: System) -> None:
    port = free_port()
    running.start(
        "flower", "flower", "--address=127.0.0.1", f"--port={port}", LUMEN_LANE="flower", FLOWER_UNAUTHENTICATED_API="1"
    )

    def get(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    eventually(lambda: get("/api/workers?refresh=true"))
    [(name, worker)] = get("/api/workers").items()
    assert name.startswith(f"lumen-jobs@{REGION}-")
    assert "lumen.daily" in worker["registered"]
    running.call("lumen.reconcile")
    eventually(lambda: [task for task in (get("/api/tasks") or {}).values() if task["state"] == "SUCCESS"])
    assert "lumen.reconcile" in {task["name"] for task in get("/api/tasks").values()}
    # What our own commands send is shown with its arguments, which are ids and days, and with its region.
    trace = json.loads(running.lumen("enqueue", "effects", "--json").stdout)["trace_id"]
    found: list[dict[str, Any]] = []

    def seen() -> bool:
        found[:] = [task for task in (get("/api/tasks") or {}).values() if trace in (task["kwargs"] or "")]
        return bool(found) and found[0]["state"] == "SUCCESS"

    eventually(seen)
    [task] = found
    assert (task["name"], task["args"], task["kwargs"]) == ("lumen.effects", "()", f"{{'trace_id': '{trace}'}}")
    assert (task["worker"], task["routing_key"]) == (name, JOBS)


def test_a_task_is_one_line_with_region_lane_and_trace(running: System) -> None:
    trace = running.call("lumen.effects")
    eventually(lambda: trace in running.log("jobs"))
    eventually(running.idle)
    lines = [line for line in running.log("jobs").splitlines() if trace in line]
    assert len(lines) == 1
    assert f"Z INFO {REGION}/jobs {trace}: lumen.effects in " in lines[0]
