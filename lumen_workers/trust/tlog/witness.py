"""A witness (C2SP tlog-witness): it remembers the newest tree of each log, and cosigns only what goes on from that.

Its memory is one small file a log: the newest checkpoint that it has cosigned, and when. Who loses it, or puts an older
copy back, may cosign a fork: the folder belongs on a disk of its own machine, and in no backup that is ever restored.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint, parse_hash, parse_size
from lumen_workers.trust.files import replace_file
from lumen_workers.trust.notes import ED25519, BadSignature, Cosigner, VerifierKey, is_signed, parse_note

MAX_HASHES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
"""As it stands, without a character set: other people's clients compare it so."""

BACK_S: Final = 60
"""A clock that was set back by so little is waited for, with the time that was told last."""

_TEXT: Final = "text/plain; charset=utf-8"
_TIME: Final = "time "


@dataclass(frozen=True)
class Answer:
    """An HTTP status, and a body of text."""

    status: int
    body: str
    kind: str = _TEXT


class Witness:
    """A witness of logs, by their keys (a log's key has its origin's name), with its memory in ``folder``.

    Raises ValueError for a key that is no log's, and for two logs of one name.
    """

    def __init__(self, folder: Path, cosigner: Cosigner, logs: Iterable[VerifierKey]) -> None:
        self._folder = folder
        self._cosigner = cosigner
        self._logs: dict[str, VerifierKey] = {}
        for key in logs:
            if key.algorithm != ED25519:
                raise ValueError(f"the key of {key.name} is a witness's, not a log's")
            if self._logs.setdefault(key.name, key) != key:
                raise ValueError(f"there are two keys for the log {key.name}")

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        """Answer a request at ``now`` (Unix seconds, this machine's clock). Raises EnvironmentFault, OSError.

        What was cosigned is on disk before the cosignature leaves: a crash in between costs the asker a second try.
        200: a cosignature line. 400: malformed, or the old size is above the new one. 403: the log did not sign it.
        404: the log is not known. 409: the old size is not what was cosigned last (that is the answer), or there are
        two trees of one size. 422: the proof does not hold. 503: this clock is behind a time that was told before.
        """
        try:
            old, proof, data = _request(body)
            note = parse_note(data)
            new = parse_checkpoint(note.text)
        except ValueError as error:
            return Answer(400, f"{error}\n")
        key = self._logs.get(new.origin)
        if key is None:
            return Answer(404, "this log is not known here\n")
        try:
            signed = is_signed(note, key)
        except BadSignature:
            signed = False
        if not signed:
            return Answer(403, "the log did not sign this\n")
        if old > new.size:
            return Answer(400, "the old size is above the new one\n")
        with self._alone(new.origin):
            known, told = self._known(new.origin)
            if known.size != old:
                return Answer(409, f"{known.size}\n", SIZE_TYPE)
            if known.size == new.size and known.root != new.root:
                return Answer(409, f"another tree of {known.size} entries was cosigned before\n")
            if not merkle.verify_consistency(old, new.size, proof, known.root, new.root):
                return Answer(422, "the proof does not lead from the old tree to the new one\n")
            if now < told - BACK_S:
                return Answer(503, f"this witness's clock is {told - now} s behind a time that it has told before\n")
            at = max(now, told)
            if new.size > known.size or at > told + BACK_S:
                self._remember(new, at)
        return Answer(200, self._cosigner.cosign(note.text, at) + "\n")

    def _known(self, origin: str) -> tuple[Checkpoint, int]:
        """The newest tree, and when that was. Raises EnvironmentFault for a memory that cannot be read."""
        path = self._path(origin)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Checkpoint(origin, 0, merkle.EMPTY), 0
        try:
            found = parse_checkpoint(text)
            at = text.split("\n")[3]
            if found.origin != origin or not at.startswith(_TIME):
                raise ValueError("another log's")
            return found, parse_size(at.removeprefix(_TIME))
        except ValueError:
            raise EnvironmentFault(
                f"{path} is no memory of a witness; it cosigns nothing of {origin} until the file is as it was"
            ) from None

    def _remember(self, seen: Checkpoint, at: int) -> None:
        replace_file(self._path(seen.origin), f"{seen.text()}{_TIME}{at}\n".encode())

    def _path(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.checkpoint"

    @contextmanager
    def _alone(self, origin: str) -> Iterator[None]:
        """Looking and remembering are one step, also beside another process."""
        descriptor = os.open(f"{self._path(origin)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _request(body: bytes) -> tuple[int, list[bytes], bytes]:
    """Old size, consistency proof and checkpoint. Raises ValueError."""
    head, blank, checkpoint = body.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not blank or not lines[0].startswith("old "):
        raise ValueError("a request is an old size, a proof, an empty line and a checkpoint")
    if len(lines) > MAX_HASHES + 1:
        raise ValueError("the proof is longer than any tree is high")
    return parse_size(lines[0].removeprefix("old ")), [parse_hash(line) for line in lines[1:]], checkpoint
