"""Signed messages: what one region's process asks of another, signed with the region's key.

A message is canonical JSON, ``{"body", "signature"}``: the body's text, and a signature as of a file (``signatures``)
over a prefix and the body. No file begins with the prefix, which is no JSON: a message's signature is worth nothing
beside a file, nor a file's in a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from lumen_workers.domain.ports import Signer
from lumen_workers.trust import canonical
from lumen_workers.trust.signatures import Pinned, SignatureState, sign_bytes, verify

CONTEXT: Final = b"\x00lumen message 1\x00"


class Fault(StrEnum):
    """Why a message is not believed."""

    UNKNOWN_KEY = "unknown_key"
    """Signed by nobody whose fingerprint is pinned."""
    BAD_SIGNATURE = "bad_signature"
    """Not the bytes that were signed, or not signed at all."""


class Forged(ValueError):
    """A message that is not believed; the text is one line."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


def sign_message(body: Any, signer: Signer, *, region: str) -> bytes:
    """``body``, signed by ``region``. Raises ValueError for a body that is no JSON."""
    text = canonical.dumps(body)
    signature = sign_bytes(CONTEXT + text, signer, region=region)
    return canonical.dumps({"body": text.decode(), "signature": signature.decode()})


def open_message(data: bytes, pins: Mapping[str, Pinned]) -> Any:
    """The body of a message that a region in ``pins`` (region → fingerprint) has signed. Raises Forged."""
    try:
        match canonical.loads(data):
            case {"body": str() as text, "signature": str() as signature, **rest} if not rest:
                region = canonical.loads(signature.encode())["signer"]
            case _:
                raise ValueError
        body = text.encode()
        known = region if isinstance(region, str) else ""
        state = verify(signature.encode(), CONTEXT + body, region=known, pinned=pins.get(known))
    except (ValueError, TypeError, KeyError):
        raise Forged(Fault.BAD_SIGNATURE, "it is no signed message") from None
    match state:
        case SignatureState.VALID:
            return canonical.loads(body)
        case SignatureState.NOT_PINNED | SignatureState.KEY_MISMATCH:
            raise Forged(Fault.UNKNOWN_KEY, f"signed as {known[:40]!r} with a key that is not pinned here")
        case _:
            raise Forged(Fault.BAD_SIGNATURE, f"the key of {known!r} did not sign it ({state})")
