"""Which logs count, and whose cosignatures are enough (C2SP tlog-policy), one definition a line.

``log <vkey> [<url>]``, ``witness <name> <vkey> [<url>]``, ``group <name> all|any|<k> <name>…``, ``quorum <name>|none``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from lumen_workers.trust.notes import COSIGNATURE, ED25519, Note, VerifierKey, cosigned_at, parse_vkey

MAX_BYTES: Final = 64 * 1024
NONE: Final = "none"

_LIMIT: Final = 64
"""Of logs, of witnesses and of groups, each."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A witness. ``name`` is the policy's own; ``url`` is what ``/add-checkpoint`` is appended to."""

    name: str
    key: VerifierKey
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A parsed policy. ``groups`` is name → (threshold, members); ``quorum`` names a witness, a group or ``none``."""

    logs: tuple[VerifierKey, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    quorum: str

    @property
    def requires_witness(self) -> bool:
        """Whether a checkpoint needs any cosignature."""
        return self.quorum != NONE

    def met(self, names: Collection[str]) -> bool:
        """Whether the witnesses ``names`` together are the quorum."""
        return not self.requires_witness or self._holds(self.quorum, names)

    def log(self, origin: str) -> VerifierKey | None:
        """The key of the log with this origin."""
        return next((key for key in self.logs if key.name == origin), None)

    def _holds(self, name: str, names: Collection[str]) -> bool:
        if name not in self.groups:
            return name in names
        threshold, members = self.groups[name]
        return sum(self._holds(member, names) for member in members) >= threshold


def parse_policy(text: str) -> Policy:
    """Read a policy. Raises ValueError naming the line."""
    if len(text.encode()) > MAX_BYTES or re.search(r"[^\t\n\x20-\x7e\x80-\U0010ffff]", text):
        raise ValueError("the policy is too large, or has a control character")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except ValueError as error:
            raise ValueError(f"policy, line {number}: {error}") from None
    if reader.quorum is None:
        raise ValueError("the policy has no quorum line")
    return Policy(logs=tuple(reader.logs), witnesses=reader.witnesses, groups=reader.groups, quorum=reader.quorum)


def write_policy(
    logs: Collection[VerifierKey], witnesses: Collection[tuple[VerifierKey, str | None]], threshold: int
) -> str:
    """The policy of these logs, and of ``threshold`` of these witnesses (key, URL); 0: none is needed.

    Raises ValueError for a threshold that the witnesses cannot reach.
    """
    if not 0 <= threshold <= len(witnesses):
        raise ValueError(f"a quorum of {threshold} cannot be reached by {len(witnesses)} witnesses")
    lines = [f"log {key.vkey}" for key in logs]
    names = [f"w{number}" for number in range(1, len(witnesses) + 1)]
    for name, (key, url) in zip(names, witnesses, strict=True):
        lines.append(f"witness {name} {key.vkey}{f' {url}' if url else ''}")
    if threshold:
        lines.append(f"group quorum {threshold} {' '.join(names)}")
    lines.append(f"quorum {'quorum' if threshold else NONE}")
    return "\n".join(lines) + "\n"


def witnessed_at(note: Note, policy: Policy) -> int | None:
    """The earliest instant (Unix seconds) at which the quorum had cosigned; None: it has not, or none is needed.

    Raises BadSignature for a line by a known witness that does not hold.
    """
    seen = sorted(
        (at, name) for name, witness in policy.witnesses.items() if (at := cosigned_at(note, witness.key)) is not None
    )
    if not policy.requires_witness:
        return None
    names: set[str] = set()
    for at, name in seen:
        names.add(name)
        if policy.met(names):
            return at
    return None


class _Reader:
    """Takes one line after the other."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(parse_vkey(vkey))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._new(name, self.witnesses)
                self.witnesses[name] = Witness(name=name, key=self._key(vkey), url=url[0] if url else None)
            case ["group", name, threshold, *members] if members:
                self._new(name, self.groups)
                self.groups[name] = self._group(threshold, members)
            case ["quorum", name]:
                if self.quorum is not None:
                    raise ValueError("there is a quorum already")
                if name != NONE:
                    self._known(name)
                self.quorum = name
            case _:
                raise ValueError("it is no log, witness, group or quorum")

    def _log(self, key: VerifierKey) -> None:
        if key.algorithm != ED25519:
            raise ValueError("the key is no log's")
        raw = key.public.public_bytes_raw()
        if any(key.name == log.name or raw == log.public.public_bytes_raw() for log in self.logs):
            raise ValueError("the log stands twice")
        if len(self.logs) >= _LIMIT:
            raise ValueError("too many logs")
        self.logs.append(key)

    def _key(self, vkey: str) -> VerifierKey:
        key = parse_vkey(vkey)
        if key.algorithm != COSIGNATURE:
            raise ValueError("the key is no witness's")
        raw = key.public.public_bytes_raw()
        if any(raw == witness.key.public.public_bytes_raw() for witness in self.witnesses.values()):
            raise ValueError("the witness stands twice")
        return key

    def _new(self, name: str, where: Collection[str]) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise ValueError(f"{name} is taken")
        if len(where) >= _LIMIT:
            raise ValueError("too many of them")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError(f"{name} is not known here")

    def _group(self, threshold: str, members: list[str]) -> tuple[int, tuple[str, ...]]:
        for member in members:
            self._known(member)
            if member in self._members:
                raise ValueError(f"{member} is a member already")
            self._members.add(member)
        if threshold == "all":
            return len(members), tuple(members)
        if threshold == "any":
            return 1, tuple(members)
        if not re.fullmatch(r"[1-9][0-9]?", threshold) or int(threshold) > len(members):
            raise ValueError(f"{threshold} of {len(members)} members cannot be")
        return int(threshold), tuple(members)
