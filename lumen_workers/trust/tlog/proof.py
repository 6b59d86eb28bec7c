"""Proofs that are handed on (C2SP tlog-proof): an entry's index, its inclusion proof and the checkpoint it is under."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from lumen_workers.trust.checkpoints import parse_hash, parse_size
from lumen_workers.trust.notes import b64

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 63


@dataclass(frozen=True)
class TlogProof:
    """Index from 0, audit path from the leaf's sibling up (32 bytes each), the signed checkpoint as published."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def dump(self) -> str:
        """The file's text."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(item).decode() for item in self.hashes]
        return "\n".join(lines) + "\n\n" + self.checkpoint.decode()


def parse_proof(text: str) -> TlogProof:
    """Read a proof; nothing is verified. Raises ValueError."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != HEADER or not lines:
        raise ValueError(f"a proof begins with {HEADER} and has a checkpoint")
    extra = b64(lines.pop(0).removeprefix("extra ")) if lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise ValueError("a proof has an index")
    index = parse_size(lines.pop(0).removeprefix("index "))
    if len(lines) > MAX_HASHES:
        raise ValueError("the proof is longer than any tree is high")
    return TlogProof(index, tuple(parse_hash(line) for line in lines), checkpoint.encode(), extra)
