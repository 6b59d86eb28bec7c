"""Signed notes (C2SP signed-note): a text, a blank line, and signature lines that begin with an em dash.

A verifier key is ``<name>+<key id>+<base64>``; the key id is the first four bytes of
SHA-256(name ‖ 0x0A ‖ algorithm ‖ key). Two algorithms are known: 0x01, Ed25519 over the text, for logs; and 0x04, the
timestamped Ed25519 cosignature of witnesses (C2SP tlog-cosignature), over ``cosignature/v1``, the time and the text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04

MAX_BYTES: Final = 64 * 1024
MAX_SIGNATURES: Final = 100

_DASH: Final = "— "
_VKEY_RE: Final = re.compile(r"([^+\s]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,200})")


class BadSignature(ValueError):
    """A line is there by the key, and the key did not sign it."""


@dataclass(frozen=True)
class VerifierKey:
    """The public key of a log (``ED25519``) or of a witness (``COSIGNATURE``)."""

    name: str
    algorithm: int
    public: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """4 bytes; a hint of which line is whose, no proof."""
        data = f"{self.name}\n".encode() + bytes([self.algorithm]) + self.public.public_bytes_raw()
        return hashlib.sha256(data).digest()[:4]

    @property
    def vkey(self) -> str:
        """The form that is handed on: name, key id and key."""
        key = base64.b64encode(bytes([self.algorithm]) + self.public.public_bytes_raw()).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key. Raises ValueError for one that is malformed, or of another algorithm."""
    match = _VKEY_RE.fullmatch(text)
    if match is None or not is_name(match[1]):
        raise ValueError("it is no verifier key: name+key id+key")
    data = b64(match[3])
    if len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
        raise ValueError("the verifier key is of an unknown algorithm")
    key = VerifierKey(match[1], data[0], Ed25519PublicKey.from_public_bytes(data[1:]))
    if key.key_id.hex() != match[2]:
        raise ValueError("the verifier key's id is not that of its name and key")
    return key


def is_name(text: str) -> bool:
    """Whether ``text`` can name a key: printable, no white space, no plus sign."""
    return 0 < len(text) <= 200 and text.isprintable() and not re.search(r"[\s+]", text)


class NoteSigner:
    """A log's key."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.key = VerifierKey(_named(name), ED25519, private.public_key())
        self._private = private

    def sign(self, text: str) -> str:
        """A signature line over ``text``, without its newline."""
        return _line(self.key, self._private.sign(_checked(text).encode()))


class Cosigner:
    """A witness's key."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.key = VerifierKey(_named(name), COSIGNATURE, private.public_key())
        self._private = private

    def cosign(self, text: str, timestamp: int) -> str:
        """A line over the checkpoint ``text`` as it was seen at ``timestamp`` (Unix seconds), without its newline."""
        signature = self._private.sign(_cosigned(_checked(text), timestamp))
        return _line(self.key, timestamp.to_bytes(8, "big") + signature)


@dataclass(frozen=True)
class NoteSignature:
    """One line; nothing of it is verified."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A parsed note. ``text`` ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]


def parse_note(data: bytes) -> Note:
    """Read a note; no signature is verified. Raises ValueError for what is malformed."""
    if len(data) > MAX_BYTES:
        raise ValueError("the note is too large")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise ValueError("the note is not UTF-8") from None
    if any(ord(char) < 0x20 and char != "\n" for char in whole):
        raise ValueError("the note has a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise ValueError("the note has no signatures, or does not end with a newline")
    signatures = tuple(_parse_line(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MAX_SIGNATURES:
        raise ValueError("the note has too many signatures")
    return Note(text + "\n", signatures)


def write_note(text: str, lines: Sequence[str]) -> bytes:
    """The note of ``text`` and signature lines. Raises ValueError for a text that no note can hold."""
    return (_checked(text) + "\n" + "".join(f"{line}\n" for line in lines)).encode()


def add_lines(note: bytes, lines: Sequence[str]) -> bytes:
    """The note with further signature lines behind its own."""
    return note + "".join(f"{line}\n" for line in lines).encode()


def is_signed(note: Note, key: VerifierKey) -> bool:
    """Whether ``key`` signed the note; False without a line by it. Raises BadSignature for one that does not hold."""
    found = False
    for line in _lines_of(note, key):
        _verify(key, line.signature, note.text.encode())
        found = True
    return found


def cosigned_at(note: Note, key: VerifierKey) -> int | None:
    """When the witness ``key`` saw the note (Unix seconds; the earliest of its lines); None without a line by it.

    Raises BadSignature for a line that does not hold.
    """
    times = []
    for line in _lines_of(note, key):
        timestamp = int.from_bytes(line.signature[:8], "big")
        if len(line.signature) != 72 or timestamp >= 2**63:
            raise BadSignature(f"the cosignature of {key.name} is malformed")
        _verify(key, line.signature[8:], _cosigned(note.text, timestamp))
        times.append(timestamp)
    return min(times, default=None)


def b64(text: str) -> bytes:
    """Strict standard base64: padded, no white space, one form only. Raises ValueError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is no base64") from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("it is base64 in a form that nobody writes")
    return data


def _lines_of(note: Note, key: VerifierKey) -> list[NoteSignature]:
    return [line for line in note.signatures if line.name == key.name and line.key_id == key.key_id]


def _verify(key: VerifierKey, signature: bytes, data: bytes) -> None:
    try:
        key.public.verify(signature, data)
    except InvalidSignature:
        raise BadSignature(f"{key.name} did not sign this") from None


def _cosigned(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"{_DASH}{key.name} {base64.b64encode(key.key_id + signature).decode()}"


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_name(name):
        raise ValueError("a signature line is malformed")
    data = b64(encoded)
    if len(data) <= 4:
        raise ValueError("a signature line is too short")
    return NoteSignature(name, data[:4], data[4:])


def _named(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name[:80]!r} cannot name a key: no white space, no plus sign")
    return name


def _checked(text: str) -> str:
    if not text.endswith("\n") or any(ord(char) < 0x20 and char != "\n" for char in text):
        raise ValueError("a note's text ends with a newline and has no control character")
    return text
