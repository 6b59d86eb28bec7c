#!/usr/bin/env python3
"""Verify Lumen evidence, offline, with this file, Python 3.11 and the package `cryptography` alone.

    verify_lumen.py FILE [BUNDLE] --root FINGERPRINT          FILE, its evidence FILE.lumen.json, or a day's folder
    verify_lumen.py --tlog URL --index N --root FINGERPRINT   an entry of a log, over HTTP  [--artifact FILE]

FINGERPRINT is the SHA-256 of the root certificate that you trust. Get it by another way than with the file.
The checks are those of docs/evidence.md, in its order; each section below is one of them. This program shares no code
with the one that makes evidence. Exit code: 0 it holds, 1 it does not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import errno
import hashlib
import json
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

CHECKS: tuple[str, ...] = (
    *("read", "root", "trust", "envelope", "chain", "signature", "statement", "entry", "checkpoint", "inclusion"),
    *("time", "crl", "validity", "revocation", "subjects", "snapshot", "log", "policy"),
)
NEEDS = {
    "root": ["read"],
    "trust": ["root"],
    "envelope": ["read"],
    "chain": ["root"],
    "signature": ["envelope", "chain"],
    "statement": ["signature"],
    "entry": ["envelope", "chain"],
    "checkpoint": ["trust"],
    "inclusion": ["entry", "checkpoint"],
    "time": ["inclusion"],
    "crl": ["root"],
    "validity": ["chain"],
    "revocation": ["chain", "crl"],
    "subjects": ["statement"],
    "snapshot": ["statement", "subjects"],
    "log": ["checkpoint", "entry"],
}
EVIDENCE = "application/vnd.lumen.evidence+json;version=1"
TRUST_FILE = "application/vnd.lumen.trust-file+json;version=1"
SHARED = {"root", "former_roots", "rotations", "trust", "crl"}
MANIFEST = "snapshot.manifest.json"
SUFFIX = ".lumen.json"
IDENTITY = "urn:lumen:region:"
DEVELOPMENT = "Lumen Development Root CA"
MEBIBYTE = 1024 * 1024
MOST_FILES = 50_000  # in a day's folder
MOST_PARTS = 100_000  # of a manifest: braces, brackets and commas, since small values take much room
MOST_SECONDS = 60  # for all that a log is asked
SLACK = dt.timedelta(minutes=5)

ACCEPTABLE = ["VALID", "NO_TIME", "EXPIRED_BUT_TIMESTAMPED", "REVOKED_AFTER"]
POLICY = {
    "accept": ACCEPTABLE,
    "builders": [],
    "threshold": 1,
    "quorum_required": False,
    "development": True,
    "crl_current": False,
}
STRICT = POLICY | {
    "accept": ["VALID", "EXPIRED_BUT_TIMESTAMPED"],
    "quorum_required": True,
    "development": False,
    "crl_current": True,
}

Json = dict[str, Any]


class No(Exception):
    """The answer of a check is no."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class Nothing(Exception):
    """A check has nothing to look at."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


# --- Reading with suspicion -------------------------------------------------------------------------------------------


def strict_json(data: bytes) -> Any:
    """JSON without a key that stands twice, without NaN, in UTF-8. Raises ValueError; KeyError for a key twice."""

    def pairs(items: list[tuple[str, Any]]) -> Json:
        found: Json = {}
        for name, value in items:
            if name in found:
                raise KeyError(name)
            found[name] = value
        return found

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def canonical(value: Any) -> bytes:
    """The one JSON form: sorted keys, no white space, UTF-8. Raises ValueError."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text.encode()


def one_line(text: str) -> str:
    """What a terminal can show, whatever others have written into it."""
    return " ".join(ascii(text)[1:-1].split())[:300]


def b64(text: Any) -> bytes:
    """Standard base64 in its one form. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("base64 is text")
    data = base64.b64decode(text.encode("ascii"), validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 of another form")
    return data


def instant(text: Any) -> dt.datetime:
    """RFC 3339 with Z. Raises ValueError."""
    if not isinstance(text, str) or not re.fullmatch(
        r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?Z", text
    ):
        raise ValueError("no instant")
    return dt.datetime.fromisoformat(text)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def whole_signature(der: bytes, signature: bytes) -> None:
    """The bit string that ends ``der`` has no unused bits. Raises ValueError.

    Nothing signs how many there are, and the library does not look: without this, the same thing has two forms.
    """
    if not der.endswith(b"\x00" + signature):
        raise ValueError("a signature of another form")


def certificate(der: bytes, reason: str) -> x509.Certificate:
    """A certificate of which every part can be read."""
    try:
        if len(der) > 16 * 1024:
            raise ValueError("too large")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_certificate(der)
            _ = (found.extensions, found.subject, found.issuer, found.public_key(), found.serial_number)
            _ = (found.not_valid_before_utc, found.not_valid_after_utc)
            whole_signature(der, found.signature)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise No(reason, f"a certificate cannot be read ({type(error).__name__})") from None
    return found


def extension(found: x509.Certificate, kind: Any) -> Any:
    """The extension of that kind, or None."""
    try:
        return found.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def key_bytes(public: Any) -> bytes:
    data: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def p256(public: Any) -> bool:
    return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)


def signed_by(public: Any, signature: bytes, message: bytes) -> bool:
    """Ed25519, or ECDSA on P-256 with SHA-256: the key's kind decides, nothing else."""
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        elif p256(public):
            public.verify(signature, message, ec.ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


# --- DSSE envelopes ---------------------------------------------------------------------------------------------------


def envelope(value: Any) -> tuple[str, bytes, list[bytes], bytes]:
    """Type, payload, signatures, and the bytes that these are over: the pre-authentication encoding."""

    def decoded(text: str) -> bytes:
        if len(text) % 4 or not re.fullmatch(r"[A-Za-z0-9+/_-]*={0,2}", text):
            raise No("envelope_malformed", "no base64")
        try:
            return base64.b64decode(text.translate({45: 43, 95: 47}), validate=True)
        except ValueError:
            raise No("envelope_malformed", "no base64") from None

    def exactly(item: Any, names: set[str], texts: set[str]) -> Json:
        if not isinstance(item, dict) or not names <= set(item):
            raise No("envelope_malformed", f"it needs {', '.join(sorted(names))}")
        if more := set(item) - names:
            raise No("unknown_field", ascii(min(more))[:60])
        if not all(isinstance(item[name], str) for name in texts):
            raise No("envelope_malformed", "a field is of another kind")
        return item

    exactly(value, {"payload", "payloadType", "signatures"}, {"payload", "payloadType"})
    if not isinstance(value["signatures"], list) or len(value["signatures"]) > 16:
        raise No("envelope_malformed", "signatures are no list, or too many")
    payload = decoded(value["payload"])
    signatures = [decoded(exactly(item, {"keyid", "sig"}, {"keyid", "sig"})["sig"]) for item in value["signatures"]]
    kind = value["payloadType"]
    name = kind.encode("utf-8", "surrogatepass")
    message = b" ".join([b"DSSEv1", b"%d" % len(name), name, b"%d" % len(payload), payload])
    return kind, payload, signatures, message


def document(value: Any, kind: str, keys: list[Any], fields: set[str], wrong: str, unsigned: str) -> Json:
    """The payload of a document of the root's, which every one of ``keys`` has signed."""
    try:
        found, payload, signatures, message = envelope(value)
    except No as fault:
        raise No(wrong, str(fault)) from None
    if found != kind:
        raise No(wrong, "a document of another type")
    if not all(any(signed_by(key, signature, message) for signature in signatures) for key in keys):
        raise No(unsigned, "the root did not sign it")
    try:
        data = strict_json(payload)
    except (ValueError, KeyError):
        raise No(wrong, "no strict JSON") from None
    if not isinstance(data, dict) or set(data) != fields:
        raise No(wrong, "other fields than a document has")
    return data


# --- Hash trees (RFC 9162) --------------------------------------------------------------------------------------------


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def largest_below(count: int) -> int:
    """The largest power of two below ``count`` (at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def root_of(hashes: list[bytes]) -> bytes:
    """The root over leaf hashes, as the RFC defines it."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = largest_below(len(hashes))
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


def root_by_inclusion(hashed: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None for a proof of the wrong length."""
    if size == 1:
        return hashed if not proof else None
    if not proof:
        return None
    split = largest_below(size)
    if index < split:
        below = root_by_inclusion(hashed, index, split, proof[:-1])
        return None if below is None else node(below, proof[-1])
    below = root_by_inclusion(hashed, index - split, size - split, proof[:-1])
    return None if below is None else node(proof[-1], below)


# --- Signed notes, checkpoints, policies (C2SP) -----------------------------------------------------------------------


class Key:
    """A log's (algorithm 1) or a witness's (algorithm 4) key."""

    def __init__(self, vkey: str) -> None:
        match = re.fullmatch(r"([^+\s]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,200})", vkey)
        data = b64(match[3]) if match else b""
        if match is None or not match[1].isprintable() or len(data) != 33 or data[0] not in (1, 4):
            raise ValueError("no verifier key")
        self.name, self.algorithm, self.raw = match[1], data[0], data[1:]
        self.id = sha256(f"{self.name}\n".encode() + data)[:4]
        if self.id.hex() != match[2]:
            raise ValueError("the key id is of another key")
        self.public = ed25519.Ed25519PublicKey.from_public_bytes(self.raw)


class Note:
    """A signed note."""

    def __init__(self, data: bytes) -> None:
        text = data.decode("utf-8")
        if len(data) > 65536 or any(ord(char) < 32 and char != "\n" for char in text):
            raise ValueError("too large, or a control character")
        head, gap, tail = text.rpartition("\n\n")
        if not gap or not head or tail[-1:] != "\n":
            raise ValueError("no signed note")
        self.text = head + "\n"
        self.lines: list[tuple[str, bytes]] = []
        for line in tail[:-1].split("\n"):
            match = re.fullmatch(r"— ([^+\s]{1,200}) ([A-Za-z0-9+/=]+)", line)
            if match is None or not match[1].isprintable():
                raise ValueError("a signature line is malformed")
            signature = b64(match[2])
            if len(signature) <= 4:
                raise ValueError("a signature line is too short")
            self.lines.append((match[1], signature))
        if len(self.lines) > 100:
            raise ValueError("too many signatures")

    def by(self, key: Key) -> list[bytes]:
        """What stands in the key's lines."""
        return [data[4:] for name, data in self.lines if name == key.name and data[:4] == key.id]

    def is_signed(self, key: Key) -> bool:
        """At least one line, and every line of that key holds."""
        found = self.by(key)
        return bool(found) and all(signed_by(key.public, item, self.text.encode()) for item in found)

    def seen_by(self, key: Key) -> int | None:
        """The time (Unix) of a witness's earliest cosignature; None without one."""
        times = []
        for item in self.by(key):
            seconds = int.from_bytes(item[:8], "big")
            message = f"cosignature/v1\ntime {seconds}\n{self.text}".encode()
            if len(item) != 72 or seconds >= 2**63 or not signed_by(key.public, item[8:], message):
                raise No("cosignature_invalid", f"{key.name} did not cosign this")
            times.append(seconds)
        return min(times, default=None)


def number(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) >= 2**63:
        raise ValueError("no number")
    return int(text)


def hash_line(text: str) -> bytes:
    data = b64(text)
    if len(data) != 32:
        raise ValueError("no hash")
    return data


class Checkpoint:
    """What a log promises."""

    def __init__(self, data: bytes) -> None:
        try:
            self.note = Note(data)
            lines = self.note.text.split("\n")
            if len(lines) < 4 or "" in lines[:-1]:
                raise ValueError("no checkpoint")
            self.origin, self.size, self.root = lines[0], number(lines[1]), hash_line(lines[2])
        except (ValueError, UnicodeError) as error:
            raise No("checkpoint_malformed", str(error)) from None

    def require(self, key: Key) -> None:
        if not self.note.is_signed(key):
            raise No("checkpoint_signature_invalid", f"{key.name} did not sign it")


class LogPolicy:
    """Logs, witnesses, and how many of which are a quorum."""

    def __init__(self, text: str) -> None:
        if len(text.encode()) > 65536 or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
            raise ValueError("too large, or a control character")
        self.logs: dict[str, Key] = {}
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum: str | None = None
        members: set[str] = set()
        for line in text.split("\n"):
            words = re.split(r"[ \t]+", line.strip(" \t"))
            if words == [""] or words[0].startswith("#"):
                continue
            self.take(words, members)
        if self.quorum is None:
            raise ValueError("no quorum")

    def take(self, words: list[str], members: set[str]) -> None:
        kind, rest = words[0], words[1:]
        if kind == "log" and len(rest) in (1, 2):
            key = Key(rest[0])
            known = self.logs.values()
            if key.algorithm != 1 or len(known) >= 64 or any(key.name == k.name or key.raw == k.raw for k in known):
                raise ValueError("a log is no log, or stands twice")
            self.logs[key.name] = key
        elif kind == "witness" and len(rest) in (2, 3):
            self.fresh(rest[0])
            key = Key(rest[1])
            if key.algorithm != 4 or len(self.witnesses) >= 64 or key.raw in {k.raw for k in self.witnesses.values()}:
                raise ValueError("a witness is no witness, or stands twice")
            self.witnesses[rest[0]] = key
        elif kind == "group" and len(rest) >= 3:
            self.fresh(rest[0])
            names = rest[2:]
            if len(self.groups) >= 64 or any(not self.known(name) or name in members for name in names):
                raise ValueError("a group's member is unknown, or one already")
            if len(set(names)) != len(names):
                raise ValueError("a member stands twice")
            least = {"all": len(names), "any": 1}.get(rest[1])
            if least is None:
                if not re.fullmatch(r"[1-9][0-9]?", rest[1]) or int(rest[1]) > len(names):
                    raise ValueError("a threshold that cannot be")
                least = int(rest[1])
            members.update(names)
            self.groups[rest[0]] = (least, names)
        elif kind == "quorum" and len(rest) == 1 and self.quorum is None:
            if rest[0] != "none" and not self.known(rest[0]):
                raise ValueError("an unknown quorum")
            self.quorum = rest[0]
        else:
            raise ValueError("a line that is none")

    def known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def fresh(self, name: str) -> None:
        if name == "none" or self.known(name):
            raise ValueError("a name stands twice")

    def reached(self, names: set[str], what: str | None = None) -> bool:
        what = what or self.quorum or ""
        if what not in self.groups:
            return what in names
        least, members = self.groups[what]
        return sum(self.reached(names, member) for member in members) >= least


class Proof:
    """A tlog-proof."""

    def __init__(self, text: str) -> None:
        head, gap, rest = text.partition("\n\n")
        lines = head.split("\n")
        if not gap or lines[0] != "c2sp.org/tlog-proof@v1":
            raise ValueError("no tlog-proof")
        del lines[0]
        if lines and lines[0].startswith("extra "):
            b64(lines.pop(0)[6:])
        if not lines or not lines[0].startswith("index "):
            raise ValueError("no index")
        self.index = number(lines.pop(0)[6:])
        if len(lines) > 63:
            raise ValueError("too long")
        self.hashes = [hash_line(line) for line in lines]
        self.checkpoint = rest.encode()


# --- Files ------------------------------------------------------------------------------------------------------------


def plain(folder: Path, relative: str) -> int:
    """A descriptor of a plain file below ``folder``, over no link. Raises FileNotFoundError, OSError."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    parts = relative.split("/")
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = deeper
        found = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EINVAL, "no plain file")
    return found


def read(folder: Path, relative: str, most: int) -> bytes:
    with os.fdopen(plain(folder, relative), "rb") as stream:
        return stream.read(most + 1)


def given(path: str, most: int) -> bytes:
    """What somebody names on the command line; it may be a pipe. Raises OSError, ValueError."""
    with Path(path).open("rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path} is too large")
    return data


def digest(folder: Path, relative: str, size: int | None = None) -> str:
    """SHA-256, hex; of a file of another size than ``size``, which may be endless: nothing."""
    with os.fdopen(plain(folder, relative), "rb") as stream:
        if size is not None and os.fstat(stream.fileno()).st_size != size:
            return ""
        return hashlib.file_digest(stream, "sha256").hexdigest()


def below(folder: Path) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a plain file) of everything below, and of folders that hold nothing or cannot be read."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(folder / prefix) as listed:
                items = list(islice(listed, MOST_FILES + 1))
        except OSError:
            items = []
        if not items and prefix:
            yield prefix, False
        for item in items:
            path = f"{prefix}/{item.name}" if prefix else item.name
            if item.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                yield path, item.is_file(follow_symlinks=False)


def safe(name: str) -> bool:
    """A relative path that stays below where it starts."""
    return (
        0 < len(name.encode("utf-8", "replace")) <= 255
        and name.isprintable()
        and "\\" not in name
        and not {"", ".", ".."} & set(name.split("/"))
    )


# --- The checks -------------------------------------------------------------------------------------------------------


class Verifier:
    """One evidence file, and what the one who verifies it knows."""

    def __init__(
        self,
        data: bytes | None,
        *,
        roots: list[str],
        now: dt.datetime,
        folder: Path | None = None,
        files: dict[str, Path] | None = None,
        whole: bool = False,
        day: str | None = None,
        policy: Json = POLICY,
        trust: Json | None = None,
        crl: bytes | None = None,
        log: Log | None = None,
    ) -> None:
        self.data, self.roots, self.now, self.folder, self.files = data, roots, now, folder, files or {}
        self.whole = whole  # the folder itself is asked about: evidence of something that lies in it is none of it
        self.day, self.rules, self.newer, self.given_crl, self.remote = day, policy, trust, crl, log
        self.checks: list[Json] = []
        self.signed_at: dt.datetime | None = None
        self.retired: dt.datetime | None = None
        self.revoked: dt.datetime | None = None
        self.evidence: Json = {}

    def run(self) -> Json:
        """The result, as docs/evidence.md has it."""
        held: set[str] = set()
        for name in CHECKS[:-1]:
            missing = [other for other in NEEDS.get(name, []) if other not in held]
            if missing:
                self.note(name, "skipped", f"needs:{missing[0]}")
            elif self.attempt(name, getattr(self, f"check_{name}")):
                held.add(name)
        failed = [check["name"] for check in self.checks if check["status"] == "failed"]
        if failed:
            verdict = "REVOKED_BEFORE" if failed[0] == "revocation" else "INVALID"
            self.note("policy", "skipped", f"needs:{failed[0]}")
        else:
            verdict = self.verdict()
            self.attempt("policy", lambda: self.check_policy(verdict))
        reasons = [check["reason"] for check in self.checks if check["status"] == "failed"]
        return {
            "ok": not reasons,
            "verdict": verdict,
            "reason": reasons[0] if reasons else "",
            "checks": self.checks,
            "root": hashlib.sha256(self.evidence["root"]).hexdigest() if "read" in held else None,
            "development": "root" in held and self.is_development(),
            "signed_at": self.signed_at.isoformat(timespec="microseconds") if self.signed_at else None,
            "signer": self.signers[0]["identity"] if "signature" in held else None,
            "day": self.statement_day() if "statement" in held else None,
        }

    def note(self, name: str, status: str, reason: str = "", detail: str = "") -> None:
        self.checks.append({"name": name, "status": status, "reason": reason, "detail": one_line(detail)})

    def attempt(self, name: str, check: Callable[[], str]) -> bool:
        try:
            self.note(name, "ran", "", check())
        except Nothing as nothing:
            self.note(name, "skipped", nothing.reason, str(nothing))
        except No as no:
            self.note(name, "failed", no.reason, str(no))
            return False
        return True

    # 1. The file's form.
    def check_read(self) -> str:
        if self.data is None:
            raise No("evidence_missing", "there is no evidence file")
        if len(self.data) > 4 * MEBIBYTE:
            raise No("evidence_too_large", "more than 4 MiB")
        try:
            value = strict_json(self.data)
        except KeyError as error:
            raise No("duplicate_key", str(error)) from None
        except ValueError as error:
            raise No("evidence_malformed", str(error)) from None
        names = SHARED | {"mediaType", "envelope", "certificates", "entry", "proof"}
        if not isinstance(value, dict) or not names <= set(value):
            raise No("evidence_malformed", "a field is missing")
        if more := set(value) - names:
            raise No("unknown_field", min(more)[:60])
        try:
            if value["mediaType"] != EVIDENCE or not isinstance(value["proof"], str):
                raise ValueError("another media type, or a proof that is no text")
            self.evidence = shared(value) | {
                "envelope": value["envelope"],
                "certificates": texts(value["certificates"]),
                "entry": b64(value["entry"]),
                "proof": value["proof"],
            }
        except ValueError as error:
            raise No("evidence_malformed", str(error)) from None
        return ""

    # 2. The root is the one that is trusted, or rotations tie the two together.
    def check_root(self) -> str:
        if not self.roots:
            raise No("root_not_pinned", "give --root")
        own = self.evidence["root"]
        self.root = self.load_root(own)
        every = [*self.evidence["former_roots"], own]
        if {hashlib.sha256(der).hexdigest() for der in every} & set(self.roots):
            self.follow(every, self.evidence["rotations"])
            return "pinned, or tied to the pinned one by rotations"
        if self.newer is not None and own in self.newer["former_roots"]:
            self.follow(every, self.evidence["rotations"])
            start = self.newer["former_roots"].index(own)
            line = [*self.newer["former_roots"], self.newer["root"]][start:]
            ends = [at for at, der in enumerate(line) if hashlib.sha256(der).hexdigest() in self.roots]
            if ends:
                times = self.follow(line[: ends[0] + 1], self.newer["rotations"][start : start + ends[0]])
                self.retired = times[0]
                return "came before the pinned one"
        raise No("root_mismatch", f"its root is {hashlib.sha256(own).hexdigest()}")

    def load_root(self, der: bytes) -> x509.Certificate:
        found = certificate(der, "root_malformed")
        if not isinstance(found.public_key(), ec.EllipticCurvePublicKey):
            raise No("root_malformed", "the root's key is of another kind")
        return found

    def follow(self, line: list[bytes], rotations: list[Any]) -> list[dt.datetime]:
        """Each root of the line has followed the one before, and both have signed that."""
        if len(rotations) != len(line) - 1:
            raise No("rotation_invalid", "not one rotation for each former root")
        times = []
        for old, new, value in zip(line, line[1:], rotations, strict=False):
            keys = [self.load_root(der).public_key() for der in (old, new)]
            fields = {"schema", "old", "new", "at", "reason"}
            data = document(
                value, "application/vnd.lumen.rotation+json", keys, fields, "rotation_invalid", "rotation_invalid"
            )
            named = [hashlib.sha256(der).hexdigest() for der in (old, new)]
            try:
                if data["schema"] != "lumen-rotation/1" or [data["old"], data["new"]] != named:
                    raise ValueError("it is of other roots")
                times.append(instant(data["at"]))
            except ValueError as error:
                raise No("rotation_invalid", str(error)) from None
        return times

    def is_development(self) -> bool:
        names = self.root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return bool(names) and names[0].value == DEVELOPMENT

    # 3. The root's word on logs and witnesses.
    def check_trust(self) -> str:
        version, self.logs = trust_document(self.evidence["trust"], self.root, self.evidence["root"])
        if self.newer is not None and self.newer["root"] == self.evidence["root"]:
            known, logs = trust_document(self.newer["trust"], self.root, self.newer["root"])
            if known < version:
                raise No("trust_version_lower", f"version {known} was given, {version} is here")
            version, self.logs = known, logs
        return f"version {version}"

    # 4. The envelope.
    def check_envelope(self) -> str:
        kind, self.payload, self.signatures, self.message = envelope(self.evidence["envelope"])
        if kind != "application/vnd.in-toto+json":
            raise No("payload_type_mismatch", kind[:80])
        return ""

    # 5. Certificates.
    def check_chain(self) -> str:
        pool = [certificate(der, "chain_malformed") for der in self.evidence["certificates"]]
        if not pool:
            raise No("chain_malformed", "no certificate")
        self.signers = [self.signer(pool[0], pool)]
        self.signers += [self.signer(item, pool) for item in pool[1:] if not is_authority(item)]
        return str(self.signers[0]["identity"])

    def signer(self, found: x509.Certificate, pool: list[x509.Certificate]) -> Json:
        public = found.public_key()
        if not isinstance(public, ed25519.Ed25519PublicKey) and not p256(public):
            raise No("key_algorithm_not_allowed", "neither Ed25519 nor P-256")
        constraints, usage = extension(found, x509.BasicConstraints), extension(found, x509.KeyUsage)
        if constraints is not None and constraints.value.ca:
            raise No("signer_is_ca", "the signer's certificate is an authority's")
        if constraints is None or not constraints.critical:
            raise No("chain_malformed", "no critical basicConstraints")
        if usage is None or not usage.critical or not only_signs(usage.value):
            raise No("key_usage_wrong", "not for signatures only")
        purpose = extension(found, x509.ExtendedKeyUsage)
        if purpose is None or list(purpose.value) != [ExtendedKeyUsageOID.CODE_SIGNING]:
            raise No("eku_missing", "not for signing code, or not for it alone")
        identity = only_identity(found)
        if identity is None:
            raise No("identity_missing", "it does not name one region")
        if any(item != found and item.subject == found.issuer and not is_authority(item) for item in pool):
            raise No("issuer_not_ca", "issued by one that is no authority")
        return {"public": public, "identity": identity, "path": self.path(found, pool)}

    def path(self, found: x509.Certificate, pool: list[x509.Certificate]) -> list[x509.Certificate]:
        """The library's path validation, as of the certificate's own beginning."""
        end = ExtensionPolicy.permit_all()
        end = end.require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
        end = end.require_present(x509.KeyUsage, Criticality.CRITICAL, None)
        end = end.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        end = end.require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None)
        try:
            builder = PolicyBuilder().store(Store([self.root])).time(found.not_valid_before_utc).max_chain_depth(2)
            builder = builder.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=end)
            others = [item for item in pool if item not in (found, self.root)]
            chain = builder.build_client_verifier().verify(found, others).chain
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            known = isinstance(error, x509.verification.VerificationError)
            raise No("chain_untrusted" if known else "chain_malformed", str(error)) from None
        if chain[-1] != self.root:
            raise No("chain_untrusted", "it leads to another root")
        return list(chain)

    # 6. Signatures: over the encoding itself, by distinct keys.
    def check_signature(self) -> str:
        if not self.signatures:
            raise No("signature_missing", "nobody signed it")
        signed = [
            any(signed_by(signer["public"], item, self.message) for item in self.signatures) for signer in self.signers
        ]
        if not signed[0]:
            raise No("signature_invalid", "the first certificate's key did not sign it")
        keys = {key_bytes(signer["public"]) for signer, yes in zip(self.signers, signed, strict=True) if yes}
        if len(keys) < self.rules["threshold"]:
            raise No("threshold_not_met", f"{len(keys)} distinct keys, {self.rules['threshold']} are wanted")
        return f"{len(keys)} distinct"

    # 7. The statement: parsed once, from the verified bytes.
    def check_statement(self) -> str:
        if len(self.payload) > 2 * MEBIBYTE:
            raise No("statement_malformed", "too large")
        try:
            value = strict_json(self.payload)
        except KeyError as error:
            raise No("duplicate_key", str(error)) from None
        except ValueError as error:
            raise No("statement_malformed", str(error)) from None
        if not isinstance(value, dict):
            raise No("statement_malformed", "no object")
        if value.get("_type") != "https://in-toto.io/Statement/v1":
            raise No("statement_type_mismatch", "no in-toto Statement v1")
        if value.get("predicateType") != "https://slsa.dev/provenance/v1":
            raise No("predicate_type_mismatch", "no SLSA provenance v1")
        try:
            definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
            builder, kind = details["builder"]["id"], definition["buildType"]
            self.parameters = definition["externalParameters"]
            subjects = value["subject"]
            inner, sources = definition.get("internalParameters", {}), definition.get("resolvedDependencies", [])
            right = isinstance(builder, str) and isinstance(kind, str) and isinstance(subjects, list)
            right = right and isinstance(self.parameters, dict) and isinstance(inner, dict)
            if not right or not isinstance(sources, list):
                raise TypeError
        except (KeyError, TypeError, AttributeError):
            raise No("statement_malformed", "a field is missing or of another kind") from None
        if len(subjects) > 1024:
            raise No("too_many_subjects", str(len(subjects)))
        named = [described(item) for item in subjects]
        if not named:
            raise No("statement_malformed", "no subject")
        for name, _ in named:
            if not safe(name):
                raise No("subject_name_unsafe", name[:80])
        self.subjects = dict(named)
        if len(self.subjects) != len(named):
            raise No("subject_repeated", "a subject stands twice")
        for item in sources:
            described(item)
        if builder != self.signers[0]["identity"]:
            raise No("builder_mismatch", builder[:80])
        self.builder = builder
        return str(kind)

    def statement_day(self) -> str | None:
        day = self.parameters.get("day")
        return day if isinstance(day, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) else None

    # 8. The log's entry is of this envelope and this signer.
    def check_entry(self) -> str:
        data = entry_of(self.evidence["entry"])
        try:
            same = data["envelope_sha256"] == hashlib.sha256(canonical(self.evidence["envelope"])).hexdigest()
        except ValueError:
            same = False
        if not same or int(data["signer_serial"], 16) != self.signers[0]["path"][0].serial_number:
            raise No("entry_mismatch", "the entry is of another envelope or signer")
        return ""

    # 9. A log that the root names has signed the checkpoint.
    def check_checkpoint(self) -> str:
        try:
            self.proof = Proof(self.evidence["proof"])
        except (ValueError, UnicodeError) as error:
            raise No("proof_malformed", str(error)) from None
        self.checkpoint = Checkpoint(self.proof.checkpoint)
        if self.checkpoint.origin not in self.logs.logs:
            raise No("log_unknown", self.checkpoint.origin[:80])
        self.log_key = self.logs.logs[self.checkpoint.origin]
        self.checkpoint.require(self.log_key)
        return f"{self.checkpoint.origin}, {self.checkpoint.size} entries"

    # 10. The entry is under it.
    def check_inclusion(self) -> str:
        index, size = self.proof.index, self.checkpoint.size
        if index >= size:
            raise No("index_out_of_range", f"no entry {index} among {size}")
        if root_by_inclusion(leaf(self.evidence["entry"]), index, size, self.proof.hashes) != self.checkpoint.root:
            raise No("inclusion_invalid", "the proof does not lead to the checkpoint's root")
        return f"entry {index}"

    # 11. When a quorum of witnesses had seen it. Nobody is a witness of his own signature.
    def check_time(self) -> str:
        own = {self.log_key.raw} | {
            signer["public"].public_bytes_raw()
            for signer in self.signers
            if isinstance(signer["public"], ed25519.Ed25519PublicKey)
        }
        for key in self.logs.witnesses.values():
            if key.raw in own and self.checkpoint.note.seen_by(key) is not None:
                raise No("self_asserted_time", f"{key.name} is the log or the signer itself")
        seen = []
        for name, key in self.logs.witnesses.items():
            at = self.checkpoint.note.seen_by(key)
            if at is not None:
                seen.append((at, name))
        names: set[str] = set()
        for at, name in sorted(seen):
            names.add(name)
            if self.logs.quorum != "none" and self.logs.reached(names):
                try:
                    self.signed_at = dt.datetime.fromtimestamp(at, dt.UTC)
                except (ValueError, OverflowError, OSError):
                    raise No("time_in_future", "out of range") from None
                break
        if self.signed_at is None:
            raise Nothing("no_quorum", "no quorum of witnesses has seen it")
        if self.signed_at > self.now + SLACK:
            at, self.signed_at = 0, None
            raise No("time_in_future", "a witness's time is yet to come")
        return f"{self.signed_at:%Y-%m-%d %H:%M:%S} UTC"

    # 12. The revocation list.
    def check_crl(self) -> str:
        own = revocations(self.evidence["crl"], self.root)
        given = [] if self.given_crl is None else [self.given_crl]
        if self.newer is not None and self.newer["root"] == self.evidence["root"]:
            given.append(self.newer["crl"])
        self.list = own
        for der in given:
            other = revocations(der, self.root)
            if other["number"] < own["number"]:
                raise No("crl_number_lower", f"list {other['number']} was given, {own['number']} is here")
            if other["number"] > self.list["number"]:
                self.list = other
        if self.list["begin"] > self.now + SLACK:
            raise No("crl_not_yet_valid", f"it begins on {self.list['begin']:%Y-%m-%d}")
        if (self.signed_at or self.now) >= self.list["end"]:
            raise No("crl_stale", f"it ended on {self.list['end']:%Y-%m-%d}")
        return f"number {self.list['number']}"

    # 13. Certificates are valid at that time.
    def check_validity(self) -> str:
        at = self.signed_at or self.now
        every = [item for signer in self.signers for item in signer["path"]]
        begin = max(item.not_valid_before_utc for item in every)
        self.end = min(item.not_valid_after_utc for item in every)
        if at < begin:
            raise No("not_yet_valid", f"it begins on {begin:%Y-%m-%d}")
        if at >= self.end:
            raise No("expired", f"it ended on {self.end:%Y-%m-%d}, and no witness saw it before")
        if self.retired is not None and (self.signed_at is None or at >= self.retired):
            raise No("root_retired", f"another root followed on {self.retired:%Y-%m-%d}")
        return f"until {self.end:%Y-%m-%d}"

    # 14. And not revoked.
    def check_revocation(self) -> str:
        serials = [item.serial_number for signer in self.signers for item in signer["path"]]
        since = [self.list["revoked"][serial] for serial in serials if serial in self.list["revoked"]]
        if not since:
            return "not revoked"
        self.revoked = min(since)
        if self.signed_at is None or self.signed_at >= self.revoked:
            raise No("revoked_before", f"revoked as of {self.revoked:%Y-%m-%d %H:%M} UTC")
        return f"revoked later, on {self.revoked:%Y-%m-%d}"

    # 15. The files.
    def check_subjects(self) -> str:
        for name in (MANIFEST,) if self.whole else self.files:
            if name not in self.subjects:
                raise No("file_not_attested", name)
        if self.files:
            places = [(name, path.parent, path.name) for name, path in self.files.items()]
        elif self.folder is not None:
            places = [(name, self.folder, name) for name in self.subjects]
        else:
            raise Nothing("no_files", "no files were given")
        for name, folder, relative in places:
            try:
                found = digest(folder, relative)
            except FileNotFoundError:
                raise No("subject_missing", name) from None
            except OSError:
                raise No("subject_not_a_file", name) from None
            if found != self.subjects[name]:
                raise No("subject_digest_mismatch", name)
        return f"{len(places)} of {len(self.subjects)}"

    # 16. A day's folder: what its manifest lists, and nothing else.
    def check_snapshot(self) -> str:
        day = self.statement_day()
        if self.day is not None and day != self.day:
            raise No("day_mismatch", f"it is of {day or 'no day'}")
        if MANIFEST not in self.subjects:
            raise Nothing("no_snapshot", "it is not of a day")
        if self.folder is None or self.files:
            raise Nothing("no_files", "the day's folder was not given")
        return f"root {snapshot(self.folder, self.parameters, self.subjects[MANIFEST])[:16]}..."

    # 17. The log still holds what it promised.
    def check_log(self) -> str:
        if self.remote is None:
            raise Nothing("no_log", "no log was asked")
        now = self.remote.checkpoint()
        now.require(self.log_key)
        if now.origin != self.checkpoint.origin:
            raise No("log_unknown", now.origin[:80])
        if now.size < self.checkpoint.size:
            raise No("log_rolled_back", f"it has {now.size} entries, it had {self.checkpoint.size}")
        if self.remote.root(now.size, now.size) != now.root:
            raise No("log_truncated", "its tiles are not what its checkpoint says")
        if self.remote.root(self.checkpoint.size, now.size) != self.checkpoint.root:
            raise No("log_forked", f"its first {self.checkpoint.size} entries are not what they were")
        if self.remote.entry(self.proof.index, now.size) != self.evidence["entry"]:
            raise No("entry_mismatch", f"its entry {self.proof.index} is another one")
        return f"{now.size} entries"

    def verdict(self) -> str:
        if self.revoked is not None:
            return "REVOKED_AFTER"
        if self.signed_at is None:
            return "NO_TIME"
        return "EXPIRED_BUT_TIMESTAMPED" if self.end <= self.now else "VALID"

    # 18. What the policy makes of it.
    def check_policy(self, verdict: str) -> str:
        if self.rules["quorum_required"] and self.signed_at is None:
            raise No("quorum_required", "the policy wants a time that witnesses vouch for")
        if not self.rules["development"] and self.is_development():
            raise No("development_root", "the root was made up for development")
        if self.rules["builders"] and self.builder not in self.rules["builders"]:
            raise No("builder_not_allowed", self.builder)
        if self.rules["crl_current"] and self.now >= self.list["end"]:
            raise No("crl_not_current", "the policy wants a list that is current now: --crl")
        if verdict not in self.rules["accept"]:
            raise No("verdict_not_accepted", verdict)
        return verdict


# --- What the checks look at ------------------------------------------------------------------------------------------


def texts(value: Any) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 16:
        raise ValueError("no list, or too long")
    return [b64(item) for item in value]


def shared(value: Json) -> Json:
    """The fields that an evidence file and a trust file share. Raises ValueError."""
    rotations, trust = value["rotations"], value["trust"]
    if not isinstance(trust, dict) or not isinstance(rotations, list) or len(rotations) > 16:
        raise ValueError("trust or rotations of another kind")
    if not all(isinstance(item, dict) for item in rotations):
        raise ValueError("a rotation of another kind")
    roots = texts(value["former_roots"])
    return {
        "root": b64(value["root"]),
        "former_roots": roots,
        "rotations": rotations,
        "trust": trust,
        "crl": b64(value["crl"]),
    }


def trust_file(data: bytes) -> Json:
    """A trust file. Raises ValueError."""
    try:
        value = strict_json(data[: 2 * MEBIBYTE + 1])
    except KeyError:
        raise ValueError("a key stands twice") from None
    if not isinstance(value, dict) or set(value) != SHARED | {"mediaType"} or value["mediaType"] != TRUST_FILE:
        raise ValueError("no trust file")
    return shared(value)


def trust_document(value: Any, root: x509.Certificate, der: bytes) -> tuple[int, LogPolicy]:
    fields = {"schema", "version", "root", "issued", "development", "policy"}
    kind = "application/vnd.lumen.trust+json"
    data = document(value, kind, [root.public_key()], fields, "trust_malformed", "trust_signature_invalid")
    version = data["version"]
    if data["schema"] != "lumen-trust/1" or type(version) is not int or version < 1:
        raise No("trust_malformed", "schema or version")
    if not isinstance(data["development"], bool) or not isinstance(data["policy"], str):
        raise No("trust_malformed", "development or policy")
    if data["root"] != hashlib.sha256(der).hexdigest():
        raise No("trust_root_mismatch", "it is of another root")
    try:
        instant(data["issued"])
        return version, LogPolicy(data["policy"])
    except (ValueError, UnicodeError) as error:
        raise No("trust_malformed", str(error)) from None


def is_authority(found: x509.Certificate) -> bool:
    constraints = extension(found, x509.BasicConstraints)
    return constraints is not None and bool(constraints.value.ca)


def only_signs(usage: x509.KeyUsage) -> bool:
    others = (usage.content_commitment, usage.key_encipherment, usage.data_encipherment, usage.key_agreement)
    return usage.digital_signature and not any((*others, usage.key_cert_sign, usage.crl_sign))


def only_identity(found: x509.Certificate) -> str | None:
    names = extension(found, x509.SubjectAlternativeName)
    uris = [] if names is None else names.value.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 and uris[0].startswith(IDENTITY) else None


def described(item: Any) -> tuple[str, str]:
    """Name and SHA-256 of a subject or dependency."""
    if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("digest"), dict):
        found, more = item["digest"].get("sha256"), item.get("annotations", {})
        if isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found) and isinstance(more, dict):
            return item["name"], found
    raise No("statement_malformed", "a subject or dependency lacks its name or SHA-256")


def entry_of(data: bytes) -> Json:
    """A log's entry, in its one form."""
    forms = {
        "envelope_sha256": "[0-9a-f]{64}",
        "kind": "attestation",
        "signer_serial": "[1-9a-f][0-9a-f]{0,39}",
        "trace_id": "[0-9a-f]{32}",
    }
    try:
        value = strict_json(data) if len(data) <= 65535 else None
        if not isinstance(value, dict) or set(value) != set(forms) or canonical(value) != data:
            raise ValueError("other fields, or another form")
        if not all(isinstance(value[name], str) and re.fullmatch(form, value[name]) for name, form in forms.items()):
            raise ValueError("a field is malformed")
    except (ValueError, KeyError) as error:
        raise No("entry_malformed", str(error)) from None
    return value


def revocations(der: bytes, root: x509.Certificate) -> Json:
    """Number, validity and revoked serials of a list that the root has signed."""
    if not der:
        raise No("crl_missing", "no list")
    try:
        if len(der) > MEBIBYTE:
            raise ValueError("too large")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_crl(der)
            issuer, begin, end = found.issuer, found.last_update_utc, found.next_update_utc
            numbers = [item.value.crl_number for item in found.extensions if isinstance(item.value, x509.CRLNumber)]
            revoked = {item.serial_number: since_of(item) for item in found}
            whole_signature(der, found.signature)
            partial = any(extension.critical for place in (found, *found) for extension in place.extensions)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise No("crl_malformed", type(error).__name__) from None
    if issuer != root.subject:
        raise No("crl_issuer_mismatch", "of another root")
    try:
        signed = found.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    except Exception:
        signed = False
    if not signed:
        raise No("crl_signature_invalid", "the root did not sign it")
    if not numbers:
        raise No("crl_number_missing", "it has no number")
    if partial:
        raise No("crl_malformed", "a critical extension: it is not the whole list")
    if end is None:
        raise No("crl_malformed", "no next update")
    return {"number": numbers[0], "begin": begin, "end": end, "revoked": revoked}


def since_of(item: x509.RevokedCertificate) -> dt.datetime:
    """From when on it does not count: the earlier one of revocation and invalidity."""
    dates = [item.revocation_date_utc]
    dates += [one.value.invalidity_date_utc for one in item.extensions if isinstance(one.value, x509.InvalidityDate)]
    return min(dates)


def manifest(data: bytes) -> Json:
    """A snapshot's manifest, in the one form that is written. Raises ValueError, KeyError, TypeError."""

    def require(holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(what)

    def exactly(item: Any, names: str) -> Json:
        require(isinstance(item, dict) and set(item) == set(names.split()), "other fields")
        return item if isinstance(item, dict) else {}

    require(len(data) <= 16 * MEBIBYTE and sum(map(data.count, (b"{", b"[", b","))) <= MOST_PARTS, "too large")
    names = "schema_version label created_at sources highlights hash seal merkle_root files plain_copy tar"
    value = exactly(strict_json(data), names)
    require(canonical(value) + b"\n" == data and type(value["schema_version"]) is int, "another form")
    require(value["schema_version"] == 1 and isinstance(value["plain_copy"], bool), "another version")
    require(isinstance(value["label"], str) and isinstance(value["highlights"], list), "label or highlights")
    require(isinstance(value["sources"], list) and all(isinstance(item, str) for item in value["sources"]), "sources")
    digests, files, tar, seal = [value["merkle_root"]], value["files"], value["tar"], value["seal"]
    require(isinstance(files, list) and 0 < len(files) <= 10_000, "no files, or too many")
    for item in files:
        exactly(item, "path size sha256")
        require(isinstance(item["path"], str) and safe(item["path"]) and item["path"].startswith("files/"), "a path")
        require(type(item["size"]) is int and item["size"] >= 0, "a size")
        digests.append(item["sha256"])
    paths, total = [item["path"] for item in files], sum(item["size"] for item in files)
    require(paths == sorted(set(paths)) and total <= 4096 * MEBIBYTE, "files are not sorted, or too large")
    require(exactly(value["hash"], "algo values")["algo"] == "sha256", "another algorithm")
    require(value["hash"]["values"] == {item["path"]: item["sha256"] for item in files}, "hash and files differ")
    if tar is None:
        require(value["plain_copy"], "neither a bundle nor files")
    else:
        digests.append(exactly(tar, "compression sha256 size")["sha256"])
        blocks = sum(512 + item["size"] + -item["size"] % 512 for item in files) + 1024
        require(type(tar["size"]) is int and tar["size"] == blocks + -blocks % 10_240, "the bundle's size")
        require(tar["compression"] in ("gz", "xz"), "the bundle's form")
    require(all(isinstance(item, str) and re.fullmatch("[0-9a-f]{64}", item) for item in digests), "a digest")
    require(isinstance(seal, dict) and isinstance(seal["pipeline"], str), "the seal")
    require(isinstance(value["created_at"], str) and seal["sealed_at"] == value["created_at"], "the sealing time")
    require(type(seal["revision"]) is int and seal["revision"] >= 1, "the revision")
    require(dt.date.fromisoformat(seal["day"]).isoformat() == seal["day"], "the day")
    return value


def snapshot(folder: Path, parameters: Json, attested: str) -> str:
    """A day's folder against its manifest, whose digest is attested; returns the Merkle root."""
    try:
        data = read(folder, MANIFEST, 16 * MEBIBYTE)
        if sha256(data).hex() != attested:  # it has been changed since its digest was looked at
            raise ValueError("not what was attested")
        value = manifest(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise No("manifest_malformed", str(error)) from None
    files = [(item["path"], item["size"], item["sha256"]) for item in value["files"]]
    day, revision, copied = value["seal"]["day"], value["seal"]["revision"], value["plain_copy"]
    bundle = f"bundle.tar.{value['tar']['compression']}" if value["tar"] else None
    if (parameters.get("day"), parameters.get("revision")) != (day, revision):
        raise No("day_mismatch", f"the manifest is of {day}, revision {revision}")
    leaves = [leaf(canonical({"path": path, "size": size, "sha256": sha})) for path, size, sha in files]
    root = root_of(leaves).hex()
    if root != value["merkle_root"]:
        raise No("merkle_root_mismatch", root)
    there = dict(sorted(islice(below(folder), MOST_FILES + 1)))
    if len(there) > MOST_FILES:
        raise No("file_extra", "more than any day has")
    for path, size, sha in files if copied else []:
        if path not in there:
            raise No("file_not_plain" if (folder / path).is_dir() else "file_missing", path)
        if not there[path]:
            raise No("file_not_plain", path)
        try:
            found = digest(folder, path, size)
        except OSError:
            raise No("file_not_plain", path) from None
        if found != sha:
            raise No("file_digest_mismatch", path)
    listed = {path for path, _, _ in files} if copied else set()
    region = "[a-z][a-z0-9]*(-[a-z0-9]+)*"
    side = re.compile(rf"runs/[a-z0-9][a-z0-9_.-]{{0,120}}\.json|signatures/{region}\.sig|{region}\.lumen\.json")
    for path, is_plain in there.items():
        if path in listed or (is_plain and (path in {MANIFEST, "SHA256SUMS.txt", bundle} or side.fullmatch(path))):
            continue
        if path in ("signatures", "runs", "files") and not is_plain and (folder / path).is_dir():
            continue
        raise No("file_extra", path)
    return root


# --- A log over HTTP (C2SP tlog-tiles) --------------------------------------------------------------------------------


class Log:
    """The log at a URL. Tiles are read once."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.end = time.monotonic() + MOST_SECONDS
        self.tiles: dict[str, bytes] = {}

    def get(self, path: str, most: int) -> bytes | None:
        """At most ``most`` bytes, from there and nowhere else; None: there is no such thing."""
        from http.client import HTTPConnection, HTTPSConnection
        from socket import SHUT_RDWR
        from threading import Timer
        from urllib.parse import urlsplit

        connection: HTTPConnection | None = None
        alarm: Timer | None = None
        try:
            place, left = urlsplit(self.url), self.end - time.monotonic()
            if left <= 0:
                raise TimeoutError("it takes too long")
            kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
            connection = kind(place.hostname or "", place.port, timeout=min(10, left))
            connection.connect()
            # A server that sends a byte now and then never runs into a socket's timeout.
            alarm = Timer(left, connection.sock.shutdown, [SHUT_RDWR])
            alarm.daemon = True
            alarm.start()
            connection.request("GET", f"{place.path}/{path}", headers={"User-Agent": "verify_lumen"})
            answer = connection.getresponse()
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            data = answer.read(most + 1)
            if len(data) > most:
                raise ValueError("it is too large")
            if answer.length or time.monotonic() > self.end:
                raise ValueError("it is cut off")
            return data
        except Exception as error:
            raise No("log_unreachable", f"{path}: {error}") from None
        finally:
            if alarm is not None:
                alarm.cancel()
            if connection is not None:
                connection.close()

    def checkpoint(self) -> Checkpoint:
        data = self.get("checkpoint", 65536)
        if data is None:
            raise No("log_unreachable", "it has no checkpoint")
        return Checkpoint(data)

    def tile(self, level: str, index: int, width: int) -> bytes:
        """A tile or bundle: the partial one, else the full one that has replaced it."""
        parts = [f"{index % 1000:03d}"]
        while index >= 1000:
            index //= 1000
            parts.insert(0, f"x{index % 1000:03d}")
        path = f"tile/{level}/{'/'.join(parts)}"
        for name in dict.fromkeys((path if width == 256 else f"{path}.p/{width}", path)):
            if name not in self.tiles:
                data = self.get(name, 256 * (2 + 65535) if level == "entries" else 256 * 32)
                if data is None:
                    continue
                self.tiles[name] = data
            return self.tiles[name]
        raise No("log_truncated", f"{path} is not there")

    def hash(self, level: int, position: int, size: int) -> bytes:
        """The root of the full subtree number ``position`` of 256^level leaves."""
        width = min(256, (size >> 8 * level) - position // 256 * 256)
        data = self.tile(str(level), position // 256, width)
        at = position % 256 * 32
        if len(data) < at + 32:
            raise No("log_truncated", f"a tile of level {level} is cut off")
        return data[at : at + 32]

    def root(self, leaves: int, size: int) -> bytes:
        """The root over the first ``leaves`` entries of a log of ``size``."""

        def over(low: int, high: int) -> bytes:
            count = high - low
            if count & (count - 1) == 0:
                level, rest = divmod(count.bit_length() - 1, 8)
                first = low >> 8 * level
                return root_of([self.hash(level, first + n, size) for n in range(1 << rest)])
            split = low + largest_below(count)
            return node(over(low, split), over(split, high))

        return over(0, leaves) if leaves else sha256(b"")

    def entry(self, index: int, size: int) -> bytes:
        data = self.tile("entries", index // 256, min(256, size - index // 256 * 256))
        at = 0
        for _ in range(index % 256 + 1):
            if at + 2 > len(data):
                raise No("log_truncated", "a bundle is cut off")
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            found, at = data[at + 2 : end], end
        if at > len(data):
            raise No("log_truncated", "a bundle is cut off")
        return found

    def proof(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of an entry, from its sibling up."""

        def over(low: int, high: int) -> bytes:
            count = high - low
            if count & (count - 1) == 0:
                level, rest = divmod(count.bit_length() - 1, 8)
                return root_of([self.hash(level, (low >> 8 * level) + n, size) for n in range(1 << rest)])
            split = low + largest_below(count)
            return node(over(low, split), over(split, high))

        path, low, high = [], 0, size
        while high - low > 1:
            split = low + largest_below(high - low)
            if index < split:
                path.append(over(split, high))
                high = split
            else:
                path.append(over(low, split))
                low = split
        return path[::-1]


def log_entry(args: argparse.Namespace, now: dt.datetime) -> Json:
    """S27: one entry of a log, at its present size; with ``--artifact`` also that it is of that artifact's evidence."""
    log, checks = Log(args.tlog), []
    found: Json = {"index": args.index, "size": None, "root": None, "entry": None, "artifact": None}

    def step(name: str, what: Callable[[], str]) -> None:
        try:
            checks.append({"name": name, "status": "ran", "reason": "", "detail": one_line(what())})
        except No as no:
            checks.append({"name": name, "status": "failed", "reason": no.reason, "detail": one_line(str(no))})
            raise

    def trust() -> str:
        data = log.get("trust.json", 2 * MEBIBYTE)
        if data is None:
            raise No("trust_malformed", "the log has no trust.json")
        try:
            file = trust_file(data)
        except ValueError as error:
            raise No("trust_malformed", str(error)) from None
        prints = [hashlib.sha256(der).hexdigest() for der in (*file["former_roots"], file["root"])]
        if not args.root:
            raise No("root_not_pinned", "give --root")
        if not set(prints) & set(args.root):
            raise No("root_mismatch", prints[-1])
        verifier = Verifier(None, roots=args.root, now=now)
        verifier.evidence = file
        verifier.check_root()
        found["policy"] = trust_document(file["trust"], verifier.root, file["root"])[1]
        return prints[-1]

    def checkpoint() -> str:
        head = log.checkpoint()
        key = found["policy"].logs.get(head.origin)
        if key is None:
            raise No("log_unknown", head.origin[:80])
        head.require(key)
        found.update(size=head.size, root=head.root.hex())
        return f"{head.origin}, {head.size} entries"

    def inclusion() -> str:
        if args.index >= found["size"]:
            raise No("index_out_of_range", f"no entry {args.index} among {found['size']}")
        data = log.entry(args.index, found["size"])
        entry_of(data)
        proof = log.proof(args.index, found["size"])
        root = root_by_inclusion(leaf(data), args.index, found["size"], proof)
        if root is None or root.hex() != found["root"]:
            raise No("inclusion_invalid", "the proof does not lead to the checkpoint's root")
        found["entry"] = data.decode()
        return f"entry {args.index}"

    def artifact() -> str:
        results = evidence(args, args.artifact, None, now, log)
        same = [result for result, entry in results if entry is not None and entry.decode() == found["entry"]]
        found["artifact"] = (same or [results[0][0]])[0]
        if not found["artifact"]["ok"]:
            raise No(found["artifact"]["reason"], "its evidence does not hold")
        if not same:
            raise No("entry_mismatch", f"entry {args.index} is of something else")
        return str(found["artifact"]["file"])

    steps = {"trust": trust, "checkpoint": checkpoint, "inclusion": inclusion}
    if args.artifact is not None:
        steps["artifact"] = artifact
    try:
        for name, what in steps.items():
            step(name, what)
    except No:
        checks += [
            {"name": name, "status": "skipped", "reason": f"needs:{checks[-1]['name']}", "detail": ""}
            for name in steps
            if name not in {check["name"] for check in checks}
        ]
    found.pop("policy", None)
    reason = next((check["reason"] for check in checks if check["status"] == "failed"), "")
    return {"ok": not reason, "reason": reason, "checks": checks, **found}


# --- The command line -------------------------------------------------------------------------------------------------


def evidence_paths(file: Path, bundle: Path | None) -> list[tuple[Path, dict[str, Path]]]:
    """Evidence files, and the files that are asked about (none: all subjects)."""
    if file.is_dir():
        return [(path, {}) for path in sorted(file.iterdir()) if path.name.endswith(SUFFIX)]
    if bundle is None and file.name.endswith(SUFFIX):
        return [(file, {})]
    path = bundle or file.with_name(file.name + SUFFIX)
    folder, place = path.parent.resolve(), file.parent.resolve() / file.name
    name = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else file.name
    return [(path, {name: file})]


def evidence(
    args: argparse.Namespace, file: Path, bundle: Path | None, now: dt.datetime, log: Log | None
) -> list[tuple[Json, bytes | None]]:
    """Each evidence file's result, and the log's entry in it."""
    results = []
    for path, files in evidence_paths(file, bundle):
        try:
            data: bytes | None = read(path.parent, path.name, 4 * MEBIBYTE)
        except OSError:
            data = None
        verifier = Verifier(
            data,
            roots=args.root,
            now=now,
            folder=path.parent,
            files=files,
            whole=file.is_dir(),
            day=args.day,
            policy=args.policy,
            trust=args.trust,
            crl=args.crl,
            log=log,
        )
        results.append(({"file": str(path), **verifier.run()}, verifier.evidence.get("entry")))
    return results


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verify_lumen.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="what was attested, its evidence file, or a day's folder")
    parser.add_argument("bundle", nargs="?", type=Path, help="the evidence file; FILE.lumen.json, unless given")
    parser.add_argument("--root", action="append", default=[], help="SHA-256 of the root that you trust")
    parser.add_argument("--day", help="the day that it must be of")
    parser.add_argument("--policy", default="default", help="default, strict, or a JSON file")
    parser.add_argument("--threshold", type=int, help="distinct keys that must have signed")
    parser.add_argument("--trust", help="a newer trust file")
    parser.add_argument("--crl", help="a newer revocation list, DER")
    parser.add_argument("--tlog", help="a log's URL")
    parser.add_argument("--index", type=int, help="an entry of it")
    parser.add_argument("--artifact", type=Path, help="what the entry must be of")
    parser.add_argument("--offline", action="store_true", help="ask nobody")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    if (args.file is None) == (args.index is None):
        parser.error("give a FILE, or --tlog URL --index N")
    if args.index is not None and (args.tlog is None or args.index < 0):
        parser.error("--index needs --tlog URL, and counts from 0")
    if args.offline and args.tlog:
        parser.error("--offline and --tlog exclude each other")
    if args.tlog and not args.tlog.startswith(("http://", "https://")):
        parser.error("--tlog is an address that begins with https:// or http://")
    args.root = [item.replace(":", "").lower() for item in args.root]
    if any(not re.fullmatch("[0-9a-f]{64}", item) for item in args.root):
        parser.error("--root is a SHA-256, 64 hex digits")
    try:
        args.policy = policy(args.policy)
        args.trust = trust_file(given(args.trust, 2 * MEBIBYTE)) if args.trust else None
        args.crl = given(args.crl, MEBIBYTE) if args.crl else None
        for path in (args.file, args.bundle, args.artifact):
            if path is not None and not path.exists():
                parser.error(f"{path} is not there")
        for path in (args.file, args.artifact):
            if path is not None and not evidence_paths(path, args.bundle):
                parser.error(f"there is no evidence file in {path}")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if args.threshold is not None:
        if not 1 <= args.threshold <= 16:
            parser.error("--threshold is a number from 1 to 16")
        args.policy = {**args.policy, "threshold": args.threshold}
    return args


def policy(text: str) -> Json:
    if text in ("default", "strict"):
        return POLICY if text == "default" else STRICT
    try:
        value = strict_json(given(text, MEBIBYTE))
    except KeyError as error:
        raise ValueError(f"{text}: {error} stands twice") from None
    if not isinstance(value, dict) or set(value) - set(POLICY):
        raise ValueError(f"{text}: a policy has {', '.join(POLICY)}")
    for name, item in value.items():
        if type(item) is not type(POLICY[name]):
            raise ValueError(f"{text}: {name} is of another kind")
    if not all(isinstance(item, str) for name in ("accept", "builders") for item in value.get(name, [])):
        raise ValueError(f"{text}: accept and builders are lists of texts")
    if not 1 <= value.get("threshold", 1) <= 16:
        raise ValueError(f"{text}: threshold is a number from 1 to 16")
    if not set(value.get("accept", [])) <= set(ACCEPTABLE):
        raise ValueError(f"{text}: accept takes {', '.join(ACCEPTABLE)}")
    return POLICY | value


def show(result: Json) -> None:
    for check in result["checks"]:
        print(f"{check['name']:<12}{check['status']:<9}{check['reason']:<26}{check['detail']}".rstrip())
    if "verdict" not in result:
        print("ok" if result["ok"] else f"not ok: {result['reason']}")
        return
    words = [result["verdict"] + (f" ({result['reason']})" if result["reason"] else "")]
    words += [f"signed by {one_line(result['signer'])}"] if result["signer"] else []
    words += [f"seen by witnesses at {result['signed_at']}" if result["signed_at"] else "no witness"]
    words += ["development root"] if result["development"] else []
    print(f"{one_line(result['file'])}: {', '.join(words)}")


def main(argv: list[str] | None = None) -> int:
    args, now = arguments(sys.argv[1:] if argv is None else argv), dt.datetime.now(dt.UTC)
    log = Log(args.tlog) if args.tlog else None
    if args.index is not None:
        results = [log_entry(args, now)]
    else:
        results = [result for result, _ in evidence(args, args.file, args.bundle, now, log)]
    if args.json:
        print(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    else:
        for result in results:
            show(result)
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
