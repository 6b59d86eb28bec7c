"""What is particular to one kind: signatures, refusals, keys, workers that cannot."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.foreign import NAME
from support.loops import T0, loop_spec, rule_event
from support.workers import RedisServer

from lumen_workers.adapters.actuators import make_actuator
from lumen_workers.adapters.post import Answered
from lumen_workers.bootstrap import refused
from lumen_workers.domain.clock import parse_ts
from lumen_workers.domain.errors import BuildError, ConfigError, NetworkError
from lumen_workers.domain.ports import Ack

from .conftest import KEY, Hook, Peer, celery_spec

EVENT = rule_event(1, T0, 0.22, 0.3)
RULES = {"risk_max": 0.35, "creative_min": 0.3}
SECRET = "0123456789abcdef"


def test_the_webhook_is_signed_with_its_time(hook: Hook, tmp_path: Path) -> None:
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}", actuator_options={"token_file": "token"})
    (tmp_path / "token").write_text("sesame\n")
    (tmp_path / "token").chmod(0o600)
    before = datetime.now(UTC)
    ack = make_actuator(spec, tmp_path, SECRET).apply("demo", RULES, EVENT)
    assert ack == Ack(event_id="e1")
    headers, body = hook.got[0]
    assert json.loads(body) == {
        "loop": "demo",
        "rules": RULES,
        "event_id": "e1",
        "ts": "2026-09-21T14:13:19.700000+00:00",
    }
    stamp = headers["x-lumen-timestamp"]
    assert before <= parse_ts(stamp) <= datetime.now(UTC)
    signed = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-lumen-signature"] == signed
    assert (headers["idempotency-key"], headers["authorization"]) == ("e1", "Bearer sesame")


def test_a_secrets_file_must_be_ours_alone(hook: Hook, tmp_path: Path) -> None:
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}", actuator_options={"secret_file": "secret"})
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match=r"loop demo: actuator_options\.secret_file: others may read .*chmod 600"):
        make_actuator(spec, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"ok",
        b"[1]",
        b'{"event_id": 1}',
        b'{"event_id": "e0"}',
        b"{" * 50_000,
        b'{"event_id": "e1"' + b" " * 20_000 + b"}",
    ],
)
def test_a_2xx_that_does_not_name_the_event_is_no_acknowledgement(hook: Hook, tmp_path: Path, answer: bytes) -> None:
    hook.answer = answer
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}")
    assert make_actuator(spec, tmp_path).apply("demo", RULES, EVENT) is None


@pytest.mark.parametrize(
    ("said", "applied_at"),
    [("2026-09-21T14:13:20+00:00", "2026-09-21T14:13:20+00:00"), ("2026-09-21T14:13:20", None), ("soon", None)],
)
def test_the_loops_own_time(hook: Hook, tmp_path: Path, said: str, applied_at: str | None) -> None:
    hook.applied_at = said
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}")
    ack = make_actuator(spec, tmp_path).apply("demo", RULES, EVENT)
    assert ack == Ack(event_id="e1", applied_at=None if applied_at is None else parse_ts(applied_at))


@pytest.mark.parametrize(
    ("status", "no"), [(400, True), (401, True), (404, True), (302, True), (429, False), (500, False), (503, False)]
)
def test_which_answers_are_a_no(hook: Hook, tmp_path: Path, status: int, no: bool) -> None:
    hook.status = status
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}")
    with pytest.raises(Answered) as caught:
        make_actuator(spec, tmp_path).apply("demo", RULES, EVENT)
    assert refused(caught.value) is no


def test_a_gateway_that_gave_up_is_asked_again(hook: Hook, tmp_path: Path) -> None:
    hook.status = 504
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}")
    with pytest.raises(NetworkError) as caught:
        make_actuator(spec, tmp_path).apply("demo", RULES, EVENT)
    assert not refused(caught.value)


@pytest.mark.redis
def test_an_older_acknowledgement_is_told_as_that(redis_peer: Peer, redis_server: RedisServer) -> None:
    actuator = redis_peer.make()
    assert actuator.apply("demo", RULES, EVENT) is None
    assert actuator.acknowledged("demo", EVENT) is None
    assert redis_peer.acknowledge is not None
    redis_peer.acknowledge("e0", None)
    assert actuator.acknowledged("demo", EVENT) == Ack(event_id="e0")
    redis_peer.acknowledge("e1", "2026-09-21T14:13:20+00:00")
    assert actuator.apply("demo", RULES, EVENT) == Ack(event_id="e1", applied_at=parse_ts("2026-09-21T14:13:20+00:00"))
    redis_server.client.set(f"{KEY}:ack", "{broken")
    assert actuator.acknowledged("demo", EVENT) is None


@pytest.mark.redis
def test_a_redis_loop_may_do_without_acknowledging(redis_peer: Peer, redis_server: RedisServer) -> None:
    spec = replace(redis_peer.spec, actuator=f"{redis_peer.spec.actuator} other:key", actuator_options={"ack": "none"})
    assert redis_peer.make(spec).apply("demo", RULES, EVENT) == Ack()
    assert json.loads(redis_server.client.get("other:key"))["event_id"] == "e1"  # type: ignore[arg-type]


@pytest.mark.redis
def test_a_redis_that_says_no(redis_peer: Peer, redis_server: RedisServer) -> None:
    redis_server.client.hset(f"{KEY}:ack", "a", "b")
    with pytest.raises(Exception, match=r"did not take lumen:rules:demo: .*WRONGTYPE") as caught:
        redis_peer.make().apply("demo", RULES, EVENT)
    assert not refused(caught.value)
    redis_server.client.delete(f"{KEY}:ack")


@pytest.mark.redis
def test_a_worker_that_does_not_know_the_task(redis_server: RedisServer, celery_worker: object, tmp_path: Path) -> None:
    setting = {"rate": {"set": "rate_limit", "task": "foreign.play"}, "processes": {"set": "pool"}}
    actuator = make_actuator(celery_spec(redis_server.url, apply=setting), tmp_path)
    with pytest.raises(
        BuildError, match=f"rate limit 5/s of task foreign.play: worker {NAME} says: unknown task"
    ) as no:
        actuator.apply("demo", {"rate": 5, "processes": 2}, EVENT)
    assert refused(no.value)


@pytest.mark.redis
def test_every_named_worker_must_answer(redis_server: RedisServer, celery_worker: object, tmp_path: Path) -> None:
    actuator = make_actuator(celery_spec(redis_server.url, workers=[NAME, "gone@there"], timeout_s=1.5), tmp_path)
    with pytest.raises(NetworkError, match="no answer from gone@there"):
        actuator.apply("demo", {"rate": 5, "processes": 2}, EVENT)
