"""A transparency log on a store in memory, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import SystemClock
from lumen_workers.trust.notes import NoteSigner
from lumen_workers.trust.tlog.entries import attestation_entry
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.sequencer import Sequencer, Witnesses

ORIGIN = "example.org/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = NoteSigner(ORIGIN, PRIVATE)


def entry_of(number: int) -> bytes:
    return attestation_entry(f"envelope {number}".encode(), serial=number + 1, trace_id=f"{number:032x}")


class TestLog:
    """A log in ``path``; ``fill`` owes and sequences entries 0, 1, 2 …"""

    __test__ = False

    def __init__(self, path: Path, store: SqlStore | None = None, *, witnesses: Witnesses | None = None) -> None:
        self.store = store or open_store("sqlite://")
        self.folder = LogFolder(path)
        self.sequencer = Sequencer(
            folder=self.folder,
            signer=SIGNER,
            logs=self.store.logs,
            leases=self.store.leases,
            holder="test",
            ttl=timedelta(seconds=10),
            now=self.store.now,
            clock=SystemClock(),
            witnesses=witnesses,
        )
        self.count = 0

    def owe(self, count: int) -> None:
        for number in range(self.count, self.count + count):
            self.store.logs.enqueue(ORIGIN, f"key {number}", entry_of(number), b"envelope")
        self.count += count

    def fill(self, count: int, batch: int | None = None) -> None:
        left = count
        while left:
            part = min(left, batch or left)
            self.owe(part)
            assert self.sequencer.append() == part
            left -= part

    def with_witnesses(self, ask: Witnesses) -> Sequencer:
        return replace(self.sequencer, witnesses=ask)


MakeLog = Callable[..., TestLog]
