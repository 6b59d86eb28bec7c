"""Why a message is refused, in words that are counted."""

from __future__ import annotations

from enum import StrEnum

from celery.exceptions import InvalidTaskError
from kombu.exceptions import ContentDisallowed, DecodeError

from lumen_workers.domain.errors import UsageError
from lumen_workers.trust.messages import Forged


class Refusal(StrEnum):
    """The reasons that there are: ``lumen_messages_refused_total`` has one of them."""

    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_TASK = "wrong_task"
    """Its headers say another task, id or time limit than what was signed."""
    WRONG_QUEUE = "wrong_queue"
    """Signed for another region or lane."""
    EXPIRED = "expired"
    UNDECODABLE = "undecodable"
    INVALID = "invalid"
    """Understood, and not something that can be done."""


class Refused(InvalidTaskError):  # type: ignore[misc]  # Celery ships no types
    """A message that is not taken."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


class Expired(UsageError):
    """A message that came too late."""


def refusal_of(error: BaseException) -> Refusal:
    """The reason behind whatever was raised on the way of a message."""
    match error:
        case Refused():
            return error.refusal
        case Expired():
            return Refusal.EXPIRED
        case DecodeError() if error.args and isinstance(error.args[0], Forged):
            return Refusal(error.args[0].fault.value)
        case DecodeError() | ContentDisallowed():
            return Refusal.UNDECODABLE
        case _:
            return Refusal.INVALID


def told(error: BaseException) -> str:
    """The reason of a letter: our own words as they are, others' with their class."""
    if isinstance(error, DecodeError) and error.args and isinstance(error.args[0], Forged):
        return str(error.args[0])
    return str(error) if isinstance(error, InvalidTaskError | UsageError) else f"{type(error).__name__}: {error}"
