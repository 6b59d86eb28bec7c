"""Phrases of the gateway: only their SHA-256 is kept, and they are compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import Final

from lumen_workers.domain.errors import UsageError

SHORTEST: Final = 12
"""Characters of a phrase that is set: its hash must not be found by trying."""

_LONGEST: Final = 1000
SHOWN: Final = 16
"""Hex digits of a hash that may be told."""


def digest(phrase: str) -> str:
    """SHA-256, hex, of the phrase as UTF-8 (NFC, without blanks around it): typed or from a file, it is the same."""
    return hashlib.sha256(_plain(phrase).encode()).hexdigest()


def is_phrase(phrase: str, sha256: str) -> bool:
    """Whether ``phrase`` has that hash."""
    return hmac.compare_digest(digest(phrase), sha256)


def check_new(phrase: str, what: str) -> str:
    """``phrase`` if it may be set. Raises UsageError, which does not repeat it."""
    plain = _plain(phrase)
    if not SHORTEST <= len(plain) <= _LONGEST or not plain.isprintable():
        raise UsageError(f"the {what} needs {SHORTEST} to {_LONGEST} characters on one line")
    return plain


def _plain(phrase: str) -> str:
    return unicodedata.normalize("NFC", phrase.strip())
