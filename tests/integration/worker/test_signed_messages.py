"""Signed messages at a real worker: what is forged, changed, moved, late or repeated is refused or fenced, once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from support.processes import eventually
from support.workers import JOBS, REGION, RedisServer, System

from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.config import load
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import RunStatus
from lumen_workers.worker.build import build_app
from lumen_workers.worker.signed import CONTENT_TYPE, LIFETIME, Codec

pytestmark = pytest.mark.redis

OTHER = "ap-northeast-2"
SCHEDULE = 'SCHEDULE = {"rare": {"run": "reconcile", "every_s": 86400, "regions": "all"}}'

Raw = dict[str, Any]


class Sender:
    """A process of ``home`` that signs as the region; its messages go to a database that no worker looks at."""

    def __init__(self, broker: RedisServer, home: Path) -> None:
        variables = {"BROKER_URL": f"{broker.url}?virtual_host=1", "REGION": REGION, "MESSAGES": "signed"}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"LUMEN_{name}", value)
            self._settings = load(home=home)
        self._app = build_app(self._settings)
        path = broker.client.connection_pool.connection_kwargs["path"]
        self._client = redis.Redis(unix_socket_path=path, db=1)

    def message(self, task: str, *, queue: str = JOBS, now: datetime | None = None, **payload: Any) -> Raw:
        """A genuine message as it would lie in ``queue``, signed at ``now``."""
        moment = now or datetime.now(UTC)
        Codec(self._settings, lambda: moment).install()
        region, _, lane = queue.partition(".")
        trace = payload.pop("trace_id", None) or new_trace_id()
        CeleryDispatcher(self._app).send(task, region=region, lane=lane, payload=payload, trace_id=trace)
        found = self._client.rpop(queue)
        assert isinstance(found, bytes)
        raw: Raw = json.loads(found)
        return raw

    def command(self, data: Any) -> bytes:
        """``data``, signed as one of remote control."""
        return Codec(self._settings, lambda: datetime.now(UTC)).encode(data).encode()

    def close(self) -> None:
        self._app.close()
        self._client.close()


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, broker: RedisServer) -> Iterator[System]:
    """A system with one jobs worker that takes signed messages only."""
    broker.client.flushall()
    system = System(tmp_path_factory.mktemp("signing"), broker, schedule=SCHEDULE, LUMEN_MESSAGES="signed")
    system.worker()
    yield system
    system.close()


@pytest.fixture
def sender(signing: System) -> Iterator[Sender]:
    """The region itself."""
    made = Sender(signing.broker, signing.home)
    yield made
    made.close()


@pytest.fixture
def forger(signing: System, tmp_path: Path) -> Iterator[Sender]:
    """Somebody with a home, and so a key, of their own."""
    made = Sender(signing.broker, tmp_path / "forger")
    yield made
    made.close()


def put(system: System, raw: Raw) -> None:
    system.broker.client.lpush(JOBS, json.dumps(raw))


def counted(system: System, kind: str, reason: str) -> int:
    found = {row.labels["reason"]: row for row in system.store.tallies.rows(f"lumen_messages_{kind}_total")}
    if reason not in found:
        return 0
    assert found[reason].labels == {"region": REGION, "reason": reason}
    return found[reason].value


def is_refused(system: System, sender: Sender, raw: Raw, reason: str) -> str:
    """Put it into the queue; it makes one letter, is counted once, and the worker goes on. Returns the letter's why."""
    known = {letter.letter_id for letter in system.store.notices.letters()}
    before = counted(system, "refused", reason)
    put(system, raw)
    eventually(lambda: counted(system, "refused", reason) == before + 1)
    trace = new_trace_id()
    put(system, sender.message("lumen.effects", trace_id=trace))
    eventually(lambda: trace in system.log("jobs"))
    eventually(system.idle)
    [letter] = [letter for letter in system.store.notices.letters() if letter.letter_id not in known]
    assert letter.region == REGION
    assert counted(system, "refused", reason) == before + 1
    return letter.reason


def rewritten(raw: Raw, change: Callable[[str], str]) -> Raw:
    """``raw`` with another text inside its signed document."""
    document = json.loads(base64.b64decode(raw["body"]))
    document["body"] = change(document["body"])
    return {**raw, "body": base64.b64encode(json.dumps(document).encode()).decode()}


def renamed(raw: Raw, **headers: Any) -> Raw:
    return {**raw, "headers": {**raw["headers"], **headers}}


def test_a_plain_message_is_refused(signing: System, sender: Sender) -> None:
    raw = sender.message("lumen.reconcile")
    body = base64.b64encode(b"[[], {}, null]").decode()
    plain = {**raw, "body": body, "content-type": "application/json"}
    assert "not signed: its content is application/json" in is_refused(signing, sender, plain, "unsigned")


def test_what_only_claims_to_be_signed_is_refused(signing: System, sender: Sender) -> None:
    body = base64.b64encode(b"[[], {}, null]").decode()
    raw = {**sender.message("lumen.reconcile"), "body": body}
    assert raw["content-type"] == CONTENT_TYPE
    assert "no signed message" in is_refused(signing, sender, raw, "bad_signature")


def test_a_forged_message_is_refused(signing: System, sender: Sender, forger: Sender) -> None:
    """Also by somebody who has a key: it is not the one that is pinned."""
    reason = is_refused(signing, sender, forger.message("lumen.daily", day="2026-02-01"), "unknown_key")
    assert "a key that is not pinned here" in reason
    assert signing.store.runs.rows() == []


def test_a_changed_message_is_refused(signing: System, sender: Sender) -> None:
    raw = rewritten(sender.message("lumen.daily", day="2026-02-01"), lambda body: body.replace("02-01", "02-02"))
    assert "did not sign it" in is_refused(signing, sender, raw, "bad_signature")


@pytest.mark.parametrize(
    "headers",
    [{"task": "lumen.daily"}, {"id": "another"}, {"timelimit": [0.1, 0.1]}],
    ids=lambda value: next(iter(value)),
)
def test_a_signed_body_under_other_headers_is_refused(signing: System, sender: Sender, headers: dict[str, Any]) -> None:
    """The hole of signatures over the body alone: a harmless body becomes another task's."""
    raw = renamed(sender.message("lumen.reconcile"), **headers)
    assert f"header '{next(iter(headers))}' is" in is_refused(signing, sender, raw, "wrong_task")


@pytest.mark.parametrize("queue", [f"{OTHER}.jobs", f"{REGION}.sampler"])
def test_a_message_that_was_moved_is_refused(signing: System, sender: Sender, queue: str) -> None:
    raw = sender.message("lumen.effects", queue=queue)
    assert f"signed for {queue}, found in {JOBS}" in is_refused(signing, sender, raw, "wrong_queue")


def test_an_old_message_is_refused_by_the_stores_clock(signing: System, sender: Sender) -> None:
    raw = sender.message("lumen.reconcile", now=datetime.now(UTC) - LIFETIME - timedelta(minutes=1))
    assert is_refused(signing, sender, raw, "expired").startswith("expired at ")


def test_a_signed_command_is_no_task(signing: System, sender: Sender) -> None:
    """What is signed for remote control is not taken for a task's body."""
    raw = sender.message("lumen.reconcile")
    raw["body"] = base64.b64encode(sender.command([[], {}, None])).decode()
    assert "as a command" in is_refused(signing, sender, raw, "wrong_task")


def test_a_wrong_argument_is_refused_as_ever(signing: System, sender: Sender) -> None:
    reason = is_refused(signing, sender, sender.message("lumen.daily", dya="today"), "invalid")
    assert "dya: unknown argument" in reason


def test_a_tick_that_is_played_again_is_fenced(signing: System, sender: Sender) -> None:
    trace = new_trace_id()
    raw = sender.message("lumen.reconcile", trace_id=trace)

    def ends() -> list[str]:
        return [line for line in signing.log("jobs").splitlines() if f"{trace}: lumen.reconcile in " in line]

    put(signing, raw)
    eventually(lambda: len(ends()) == 1)
    put(signing, raw)
    eventually(lambda: len(ends()) == 2)
    assert ends()[1].endswith(": this slot has run")
    eventually(lambda: counted(signing, "fenced", "slot_done") >= 1)


def test_a_day_is_built_by_signed_messages_and_a_stage_that_is_played_again_is_fenced(
    signing: System, sender: Sender
) -> None:
    done = signing.lumen("enqueue", "daily", "--region", REGION, "--day", "2026-02-01", "--wait")
    assert done.returncode == 0, done.stderr
    [run] = [run for run in signing.store.runs.rows() if run.region == REGION]
    assert run.status is RunStatus.DONE
    letters = len(signing.store.notices.letters())
    before = counted(signing, "fenced", "stale_attempt")
    raw = sender.message("lumen.daily.verify", run_id=run.run_id, attempt=run.attempt, trace_id=run.trace_id)
    for _ in range(2):
        put(signing, raw)
    eventually(lambda: counted(signing, "fenced", "stale_attempt") == before + 2)
    # The request itself, played again, finds its run.
    put(signing, sender.message("lumen.daily", day="2026-02-01", trace_id=run.trace_id))
    eventually(signing.idle)
    eventually(lambda: f"{run.trace_id}: lumen.daily in " in signing.log("jobs"))
    assert [found.run_id for found in signing.store.runs.rows()] == [run.run_id]
    assert len(signing.store.notices.letters()) == letters


def test_celerys_own_commands_are_signed_too(signing: System) -> None:
    called = signing.celery("call", "lumen.effects")
    assert called.returncode == 0, called.stderr
    eventually(lambda: called.stdout.strip().replace("-", "") in signing.log("jobs"))
    seen = signing.celery("inspect", "active_queues", "--json")
    [[queue]] = json.loads(seen.stdout).values()
    assert queue["name"] == JOBS


def test_an_unsigned_command_is_not_obeyed(signing: System, sender: Sender) -> None:
    before = counted(signing, "refused", "unsigned")
    plain = signing.celery("control", "shutdown", LUMEN_MESSAGES="plain")
    assert "No nodes replied" in plain.stderr + plain.stdout
    eventually(lambda: counted(signing, "refused", "unsigned") == before + 1)
    assert signing.processes[0].poll() is None
    trace = new_trace_id()
    put(signing, sender.message("lumen.effects", trace_id=trace))
    eventually(lambda: trace in signing.log("jobs"))


def test_beat_signs_by_the_stores_clock(signing: System) -> None:
    before = signing.log("jobs").count("lumen.reconcile in ")
    beat = signing.beat()
    eventually(lambda: f"rare sent to {JOBS}" in signing.log("beat"))
    eventually(lambda: signing.log("jobs").count("lumen.reconcile in ") == before + 1)
    beat.terminate()
    beat.wait(30)
    assert "Traceback" not in signing.log("beat") + signing.log("jobs")
