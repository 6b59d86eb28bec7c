"""Records of the transparency log's queue: what is to stand in it, and what it has promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lumen_workers.domain.records import Record


@dataclass(frozen=True, kw_only=True)
class LogRow(Record):
    """An entry that the log of ``origin`` owes or holds. ``key`` is unique in a log: asked for twice, it stands once.

    ``entry`` is what the log holds, ``envelope`` the attestation that it is of. ``position`` (from 0) is None until it
    is sequenced.
    """

    origin: str
    key: str
    entry: bytes
    envelope: bytes
    queued_at: datetime
    position: int | None = None


@dataclass(frozen=True, kw_only=True)
class LogHead(Record):
    """The newest tree that the log has signed: size, root (32 bytes) and the signed note."""

    origin: str
    size: int
    root: bytes
    note: bytes
    signed_at: datetime
