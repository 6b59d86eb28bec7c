"""Signing and checking without a broker: what the headers say must be what was signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kombu.exceptions import ContentDisallowed, DecodeError

from lumen_workers import bootstrap
from lumen_workers.adapters.store import open_store
from lumen_workers.config import Settings, load
from lumen_workers.domain.errors import ConfigError, UsageError
from lumen_workers.engine.context import Context
from lumen_workers.engine.outcome import Fence, Fenced
from lumen_workers.pipelines.tasks import Message, Task
from lumen_workers.trust.messages import Fault, Forged, sign_message
from lumen_workers.worker import consumer, signed
from lumen_workers.worker.refusal import Expired, Refusal, Refused, refusal_of, told
from lumen_workers.worker.signed import COMMAND_LIFETIME, CONTENT_TYPE, EMBEDDED, LIFETIME, Claims, Codec, Draft
from lumen_workers.worker.tasks import perform

NOW = datetime(2026, 2, 1, 9, 5, tzinfo=UTC)
QUEUE = "us-west-2.jobs"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS: dict[str, Any] = {
    "task": "lumen.daily.build",
    "id": "x",
    "retries": 0,
    "eta": None,
    "expires": None,
    "timelimit": [1800, 1740],
}
KWARGS = {"run_id": "r", "attempt": 2, "trace_id": TRACE}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LUMEN_REGION", "us-west-2")
    return load(home=tmp_path)


@pytest.fixture
def codec(settings: Settings) -> Codec:
    return Codec(settings, lambda: NOW)


@pytest.fixture
def claims(codec: Codec) -> Claims:
    _, _, embedded = codec.decode(codec.encode(Draft(HEADERS, QUEUE, (), KWARGS)))
    found: Claims = embedded[EMBEDDED]
    return found


def message(claims: Claims, **changes: Any) -> Any:
    payload = [[], KWARGS, {EMBEDDED: claims}]
    return SimpleNamespace(headers={**HEADERS, **changes}, payload=payload, content_type=CONTENT_TYPE)


def test_everything_that_matters_is_signed(claims: Claims) -> None:
    assert claims.model_dump() == {
        "kind": "task",
        "task": "lumen.daily.build",
        "id": "x",
        "queue": QUEUE,
        "attempt": 2,
        "trace_id": TRACE,
        "steering": {"eta": None, "expires": None, "retries": 0, "timelimit": [1800, 1740]},
        "arguments": ([], KWARGS),
        "issued": NOW,
        "expires": NOW + LIFETIME,
    }


def test_a_message_as_it_was_signed_passes_both_checks(claims: Claims) -> None:
    consumer.check(message(claims))
    signed.check(message(claims), [QUEUE])


@pytest.mark.parametrize(
    "change",
    [
        {"task": "lumen.daily.sign"},
        {"id": "y"},
        {"timelimit": [0.1, 0.1]},
        {"expires": "2026-01-01T00:00:00Z"},
        {"eta": "2999-01-01T00:00:00Z"},
        {"retries": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_header_that_was_not_signed_so_is_refused(claims: Claims, change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"header '{next(iter(change))}' is .* was signed") as caught:
        signed.check(message(claims, **change), [QUEUE])
    assert caught.value.refusal is Refusal.WRONG_TASK


def test_a_message_for_another_queue_is_refused(claims: Claims) -> None:
    with pytest.raises(Refused, match=r"signed for us-west-2.jobs, found in us-west-2.sampler") as caught:
        signed.check(message(claims), ["us-west-2.sampler"])
    assert caught.value.refusal is Refusal.WRONG_QUEUE


def test_a_command_is_no_task(codec: Codec) -> None:
    payload = codec.decode(codec.encode({"method": "ping"}))
    assert payload == {"method": "ping"}
    with pytest.raises(Refused, match="signed as a command"):
        signed.check(SimpleNamespace(headers=HEADERS, payload=payload), [QUEUE])


def test_json_cannot_pretend_to_be_verified_claims() -> None:
    pretended = [[], {}, {EMBEDDED: {"task": "lumen.reconcile"}}]
    with pytest.raises(Exception, match="the body is not"):
        consumer.check(SimpleNamespace(headers={"task": "lumen.reconcile", "id": "x"}, payload=pretended))


def test_an_old_command_is_refused(codec: Codec, settings: Settings) -> None:
    then = datetime.now(UTC) - COMMAND_LIFETIME - timedelta(minutes=1)
    old = signed.Command(issued=then, expires=then + COMMAND_LIFETIME, data='{"method": "shutdown"}')
    document = sign_message(old.model_dump(mode="json"), bootstrap.signer_of(settings), region="us-west-2")
    with pytest.raises(Forged, match="too old"):
        codec.decode(document)


@pytest.mark.parametrize("body", [{"kind": "task"}, {"kind": "other"}, [], None, {"task": "lumen.daily"}])
def test_a_genuine_signature_over_something_else_is_not_understood(codec: Codec, settings: Settings, body: Any) -> None:
    document = sign_message(body, bootstrap.signer_of(settings), region="us-west-2")
    with pytest.raises(ValueError, match="signed, but not as we sign"):
        codec.decode(document)


def test_another_machine_needs_the_fingerprint_and_nothing_else(
    codec: Codec, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = codec.encode(Draft(HEADERS, "ap-northeast-2.jobs", (), KWARGS))
    configs = tmp_path / "configs"
    configs.mkdir()
    monkeypatch.setenv("LUMEN_CONFIGS", str(configs))
    monkeypatch.setenv("LUMEN_REGION", "ap-northeast-2")
    stranger = Codec(load(home=tmp_path / "other"), lambda: NOW)
    with pytest.raises(Forged, match="not pinned here"):
        stranger.decode(document)
    fingerprint = bootstrap.signer_of(settings).fingerprint
    (configs / "lumen.yaml").write_text(f"peers: {{us-west-2: {fingerprint}}}\n")
    peer = Codec(load(home=tmp_path / "other"), lambda: NOW)
    assert peer.decode(document)[:2] == [[], KWARGS]


def test_a_key_that_another_home_holds_is_not_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lumen.yaml").write_text(f"peers: {{ap-northeast-2: {'a' * 64}}}\n")
    monkeypatch.setenv("LUMEN_CONFIGS", str(tmp_path))
    monkeypatch.delenv("LUMEN_REGION", raising=False)
    codec = Codec(load(home=tmp_path / "home"), lambda: NOW)
    with pytest.raises(ConfigError, match=r"the key of region ap-northeast-2 is not in .*; set LUMEN_REGION"):
        codec.install()
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("error", "refusal", "words"),
    [
        (Refused(Refusal.WRONG_QUEUE, "w"), Refusal.WRONG_QUEUE, "w"),
        (DecodeError(Forged(Fault.UNKNOWN_KEY, "k")), Refusal.UNKNOWN_KEY, "k"),
        (DecodeError(Forged(Fault.BAD_SIGNATURE, "b")), Refusal.BAD_SIGNATURE, "b"),
        (DecodeError(ValueError("v")), Refusal.UNDECODABLE, "DecodeError: v"),
        (ContentDisallowed("c"), Refusal.UNDECODABLE, "ContentDisallowed: c"),
        (Expired("e"), Refusal.EXPIRED, "e"),
        (UsageError("u"), Refusal.INVALID, "u"),
        (KeyError("task"), Refusal.INVALID, "KeyError: 'task'"),
    ],
)
def test_every_error_has_one_reason(error: Exception, refusal: Refusal, words: str) -> None:
    assert refusal_of(error) is refusal
    assert told(error) == words


def test_expiry_is_judged_by_the_stores_clock_and_counted() -> None:
    store = open_store("sqlite://")
    ctx = cast("Context", SimpleNamespace(store=store, region="us-west-2"))
    done: Callable[[Context, Any], str] = lambda _, __: Fenced("stale", Fence.STALE_ATTEMPT)  # noqa: E731
    task = Task(name="lumen.test", lane="jobs", message=Message, handle=done)
    now = store.now()
    assert perform(ctx, task, (), {"trace_id": TRACE}, expires=now + timedelta(minutes=1)) == "stale"
    late = perform(ctx, task, (), {"trace_id": TRACE}, expires=now - timedelta(minutes=1))
    assert late.startswith("refused: expired at ")
    [letter] = store.notices.letters()
    assert letter.reason.startswith("expired at ")
    counted = {(row.name, row.labels["reason"]): row.value for row in store.tallies.rows("lumen_messages")}
    assert counted == {
        ("lumen_messages_refused_total", "expired"): 1,
        ("lumen_messages_fenced_total", "stale_attempt"): 1,
    }
    store.close()
