"""A witness (C2SP tlog-witness): it remembers the newest tree of each log, and cosigns only what goes on from that."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint, parse_hash, parse_size
from lumen_workers.trust.files import replace_file
from lumen_workers.trust.notes import BadSignature, Cosigner, VerifierKey, is_signed, parse_note

MAX_HASHES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"


@dataclass(frozen=True)
class Answer:
    """An HTTP status, and a body of text."""

    status: int
    body: str
    kind: str = "text/plain; charset=utf-8"


class Witness:
    """A witness of the logs ``logs`` (origin → key), with its memory in ``folder``."""

    def __init__(self, folder: Path, cosigner: Cosigner, logs: Mapping[str, VerifierKey]) -> None:
        self._folder = folder
        self._cosigner = cosigner
        self._logs = logs

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        """Answer a request at ``now`` (Unix seconds, this machine's clock). Raises OSError where it cannot remember.

        What was cosigned is on disk before the cosignature leaves: a crash in between costs the asker a second try.
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
            known = self._known(new.origin)
            if known.size != old or (known.size == new.size and known.root != new.root):
                return Answer(409, f"{known.size}\n", SIZE_TYPE)
            if not merkle.verify_consistency(old, new.size, proof, known.root, new.root):
                return Answer(422, "the proof does not lead from the old tree to the new one\n")
            if new.size > known.size or not self._path(new.origin).exists():
                replace_file(self._path(new.origin), new.text().encode())
        return Answer(200, self._cosigner.cosign(note.text, now) + "\n")

    def _known(self, origin: str) -> Checkpoint:
        try:
            return parse_checkpoint(self._path(origin).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Checkpoint(origin, 0, merkle.EMPTY)

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
