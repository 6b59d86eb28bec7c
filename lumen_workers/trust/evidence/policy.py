"""What a verifier makes of each verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from lumen_workers.trust import canonical


class Verdict(StrEnum):
    """What an evidence file is worth; docs/evidence.md has the meanings."""

    VALID = "VALID"
    NO_TIME = "NO_TIME"
    EXPIRED_BUT_TIMESTAMPED = "EXPIRED_BUT_TIMESTAMPED"
    REVOKED_AFTER = "REVOKED_AFTER"
    REVOKED_BEFORE = "REVOKED_BEFORE"
    INVALID = "INVALID"


ACCEPTABLE: Final = (Verdict.VALID, Verdict.NO_TIME, Verdict.EXPIRED_BUT_TIMESTAMPED, Verdict.REVOKED_AFTER)


@dataclass(frozen=True, kw_only=True)
class VerifyPolicy:
    """Accepted verdicts; builders (none: any); distinct keys that must have signed; and what must be so at present."""

    accept: tuple[Verdict, ...] = ACCEPTABLE
    builders: tuple[str, ...] = ()
    threshold: int = 1
    quorum_required: bool = False
    development: bool = True
    crl_current: bool = False


DEFAULT: Final = VerifyPolicy()
STRICT: Final = VerifyPolicy(
    accept=(Verdict.VALID, Verdict.EXPIRED_BUT_TIMESTAMPED),
    quorum_required=True,
    development=False,
    crl_current=True,
)
NAMED: Final = {"default": DEFAULT, "strict": STRICT}


def read_policy(data: bytes) -> VerifyPolicy:
    """A policy of one's own, JSON. Raises ValueError naming what is wrong."""
    value = canonical.loads(data)
    if not isinstance(value, dict):
        raise ValueError("a policy is a JSON object")
    known = VerifyPolicy.__dataclass_fields__.keys()
    if more := value.keys() - known:
        raise ValueError(f"{sorted(more)[0]!r} is unknown; a policy has {', '.join(known)}")
    for name in ("quorum_required", "development", "crl_current"):
        if not isinstance(value.get(name, True), bool):
            raise ValueError(f"{name} is true or false")
    threshold = value.get("threshold", 1)
    if type(threshold) is not int or not 1 <= threshold <= 16:
        raise ValueError("threshold is a number from 1 to 16")
    accept = _texts(value, "accept")
    if accept is not None and (wrong := [item for item in accept if item not in ACCEPTABLE]):
        raise ValueError(f"accept: {wrong[0]!r} cannot be accepted; use {', '.join(ACCEPTABLE)}")
    changes: dict[str, Any] = {**value, "threshold": threshold, "builders": tuple(_texts(value, "builders") or ())}
    changes["accept"] = ACCEPTABLE if accept is None else tuple(Verdict(item) for item in accept)
    return VerifyPolicy(**changes)


def _texts(value: dict[str, Any], name: str) -> list[str] | None:
    found = value.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{name} is a list of texts")
    return found
