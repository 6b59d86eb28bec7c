"""Signed messages (``messages: signed``): everything that goes through the broker and makes a worker act.

Celery's own signing serializer signs the body only, so that a signed body can be given another task's name. Here what
is signed repeats task, id, queue and every header that Celery acts on; the consumer compares (``check``), and the
worker's child judges the expiry by the store's clock. Commands of remote control, and the answers, are signed too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

from celery.app.amqp import AMQP
from kombu import serialization
from kombu.utils import json as kombu_json
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lumen_workers import bootstrap
from lumen_workers.config import Settings
from lumen_workers.domain.clock import SystemClock
from lumen_workers.domain.ports import Signer
from lumen_workers.trust.messages import Fault, Forged, open_message, sign_message
from lumen_workers.worker.refusal import Refusal, Refused

NAME: Final = "lumen-signed"
CONTENT_TYPE: Final = "application/x-lumen-signed+json"
EMBEDDED: Final = "lumen_signed"
"""Under this name a task's claims stand beside its arguments once they are verified."""

LIFETIME: Final = timedelta(hours=12)
"""A task's message is good for so long, by store time: as long as the broker keeps one that nobody acknowledges."""

COMMAND_LIFETIME: Final = timedelta(minutes=15)
"""The same for a command of remote control, by the workers' own clocks: they have no store where it arrives."""

_dumps: Callable[[Any], str] = kombu_json.dumps
_loads: Callable[[str], Any] = kombu_json.loads

_STEERING: Final = ("eta", "expires", "retries", "timelimit")
"""Headers that change what a worker does with a task."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    issued: AwareDatetime
    expires: AwareDatetime


class Claims(_Body):
    """What is signed of a task's message. ``queue`` is ``<region>.<lane>``; times are the store's."""

    kind: Literal["task"] = "task"
    task: str
    id: str
    queue: str
    attempt: Any
    trace_id: Any
    steering: dict[str, Any]
    arguments: tuple[list[Any], dict[str, Any]] = Field(repr=False)


class Command(_Body):
    """What is signed of everything else: a command of remote control, or an answer. ``data`` is JSON."""

    kind: Literal["command"] = "command"
    data: str = Field(repr=False)


class Codec:
    """Kombu's encoder and decoder for one process. ``now`` is store time."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now

    def install(self) -> None:
        """Make it known to kombu in this process. Raises what is wrong with the region's key or the pins."""
        _ = self._signer, bootstrap.pins_of(self._settings)
        register: Callable[..., None] = serialization.register
        register(NAME, self.encode, self.decode, content_type=CONTENT_TYPE, content_encoding="utf-8")

    @cached_property
    def _signer(self) -> Signer:
        return bootstrap.signer_of(self._settings)

    def encode(self, body: Any) -> str:
        """Sign what a sender hands to kombu: ``Draft`` of a task, anything else as a command."""
        if isinstance(body, Draft):
            signed: _Body = body.claims(self._now())
        else:
            now = SystemClock().now()
            signed = Command(issued=now, expires=now + COMMAND_LIFETIME, data=_dumps(body))
        return sign_message(signed.model_dump(mode="json"), self._signer, region=self._settings.region).decode()

    def decode(self, data: bytes | str | memoryview) -> Any:
        """What was signed: ``[args, kwargs, {EMBEDDED: claims}]`` of a task, a command as it was. Raises Forged."""
        raw = data.encode() if isinstance(data, str) else bytes(data)
        body = open_message(raw, bootstrap.pins_of(self._settings))
        try:
            if isinstance(body, dict) and body.get("kind") == "task":
                claims = Claims.model_validate(body)
                args, kwargs = claims.arguments
                return [args, kwargs, {EMBEDDED: claims}]
            command = Command.model_validate(body)
        except ValidationError as error:
            raise ValueError(f"signed, but not as we sign: {error.errors()[0]['msg']}") from None
        if command.expires < SystemClock().now():
            raise Forged(Fault.BAD_SIGNATURE, f"a command of {command.issued.isoformat()}: too old")
        return _loads(command.data)


class Draft:
    """A task's message on its way to the encoder, which gets nothing but the body from kombu."""

    def __init__(self, headers: Mapping[str, Any], queue: str, args: Any, kwargs: Mapping[str, Any]) -> None:
        self._headers = headers
        self._queue = queue
        self._args = list(args or ())
        self._kwargs = dict(kwargs or {})

    def claims(self, now: datetime) -> Claims:
        """What to sign of it at ``now``."""
        return Claims(
            task=self._headers["task"],
            id=self._headers["id"],
            queue=self._queue,
            attempt=self._kwargs.get("attempt"),
            trace_id=self._kwargs.get("trace_id"),
            steering=steering(self._headers),
            arguments=(self._args, self._kwargs),
            issued=now,
            expires=now + LIFETIME,
        )


class SignedAMQP(AMQP):  # type: ignore[misc]  # Celery ships no types
    """Celery's way out, which lets the encoder know what a message says outside its body."""

    def _create_task_sender(self) -> Callable[..., Any]:
        send = super()._create_task_sender()

        def signed(producer: Any, name: str, message: Any, **options: Any) -> Any:
            args, kwargs, embedded = message.body
            if any(embedded.values()):
                raise ValueError(f"{name}: tasks here call no others back")
            draft = Draft(message.headers, self._target(options), args, kwargs)
            # `celery call` asks for JSON.
            return send(producer, name, message._replace(body=draft), **{**options, "serializer": NAME})

        return signed

    def _target(self, options: Mapping[str, Any]) -> str:
        queue = options.get("queue") or options.get("routing_key") or self.default_queue
        return queue if isinstance(queue, str) else str(queue.name)


def check(message: Any, queues: Collection[str]) -> None:
    """Raise Refused unless a message's headers say what was signed, and it was signed for one of ``queues``."""
    match message.payload:
        case [list(), dict(), {**embedded}] if isinstance(claims := embedded.get(EMBEDDED), Claims):
            pass
        case _:
            raise Refused(Refusal.WRONG_TASK, "signed as a command, not as a task")
    headers = message.headers
    found = {"task": headers.get("task"), "id": headers.get("id"), **steering(headers)}
    for name, said in {"task": claims.task, "id": claims.id, **claims.steering}.items():
        if found.get(name) != said:
            raise Refused(Refusal.WRONG_TASK, f"header {name!r} is {found.get(name)!r}, but {said!r} was signed")
    if claims.queue not in queues:
        raise Refused(Refusal.WRONG_QUEUE, f"signed for {claims.queue}, found in {', '.join(sorted(queues))}")


def steering(headers: Mapping[str, Any]) -> dict[str, Any]:
    """What Celery will act on, beside task and id."""
    return {name: headers.get(name) for name in _STEERING}
