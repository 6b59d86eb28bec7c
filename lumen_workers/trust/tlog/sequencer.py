"""The one who writes a log: gives owed entries their positions, in batches, and signs the tree.

The order makes each step safe to lose: bundles and tiles, durable, then the store's head with the positions, in one
transaction under the lease, then the checkpoint by rename. A crash before the head leaves files beyond the checkpoint,
which nobody reads and the next batch replaces; one behind it is made good by publishing the note that the store has.
So no tree is ever signed for a size that another one was signed for.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lumen_workers.domain.clock import Clock
from lumen_workers.domain.errors import EnvironmentFault, LeaseLost, LogRefused, NetworkError
from lumen_workers.domain.evidence import LogHead, LogRow
from lumen_workers.domain.ports import LeaseStore, LogStore
from lumen_workers.domain.runs import Lease
from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.notes import BadSignature, NoteSigner, add_lines, is_signed, parse_note, write_note
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import WIDTH, Tile, hashes_in, join, pack
from lumen_workers.trust.tlog.tree import LogFault, TileTree

BATCH: Final = WIDTH
_LOCK: Final = ".lock"
_LOOK_S: Final = 0.05

Consistency = Callable[[int], list[bytes]]
Witnesses = Callable[[bytes, int, Consistency], Sequence[str]]
"""Asks witnesses: the newest checkpoint, its size, and what proves consistency from an older size.

Returns the cosignature lines that hold, of those that have not signed it yet; never raises, and takes no longer than it
has been told to.
"""


@dataclass(frozen=True, kw_only=True)
class Sequencer:
    """Writes the log in ``folder`` under ``signer``'s key; ``now`` is store time. Processes may share all of it."""

    folder: LogFolder
    signer: NoteSigner
    logs: LogStore
    leases: LeaseStore
    holder: str
    ttl: timedelta
    now: Callable[[], datetime]
    clock: Clock
    witnesses: Witnesses | None = None

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.signer.key.name

    def place(self, key: str, wait_s: float = 60.0) -> int:
        """The position of the owed entry ``key``, which is sequenced now unless another process does it.

        Raises LogRefused where the log cannot go on, NetworkError where another process holds it for too long.
        """
        deadline = self.clock.monotonic() + wait_s
        while True:
            row = self.logs.get(self.origin, key)
            if row is None:
                raise LogRefused(f"the log {self.origin} owes nothing called {key}")
            if row.position is not None:
                return row.position
            if self.append() is None:
                if self.clock.monotonic() > deadline:
                    raise NetworkError(f"the log {self.origin} has been held by another process for {wait_s:g} s")
                self.clock.sleep(_LOOK_S)

    def append(self) -> int | None:
        """Sequence everything that is owed; returns how many entries that were. None: another process is at it.

        Raises LogRefused for a log that is not what was signed last, LeaseLost, StoreUnavailable, EnvironmentFault.
        """
        with self._alone() as alone:
            lease = self.leases.acquire(f"log/{self.origin}", self.holder, self.ttl) if alone else None
            if lease is None:
                return None
            try:
                head = self._mended(lease)
                count = 0
                while rows := self.logs.pending(self.origin, BATCH):
                    lease = self.leases.renew(lease, self.ttl)
                    head = self._extend(head, rows, lease)
                    count += len(rows)
                if self.witnesses is not None:
                    self._witness(head, self.leases.renew(lease, self.ttl))
                return count
            except OSError as error:
                raise EnvironmentFault(f"cannot write the log {self.folder.path}: {error.strerror or error}") from None
            finally:
                self.leases.release(lease)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """On one machine a lease is not enough: a process that stood still might put back an old checkpoint."""
        try:
            self.folder.make()
            descriptor = os.open(self.folder.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentFault(f"cannot open the log {self.folder.path}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _mended(self, lease: Lease) -> LogHead:
        """The head to go on from: store and folder agree on it, or are made to, where a crash explains why not."""
        head, found = self.logs.head(self.origin), self._published()
        published = None if found is None else self._head_of(*found)
        self._check([item for item in (head, published) if item is not None])
        if head is None:
            head = published or self._signed(0, merkle.EMPTY)
            self.logs.advance(head, self._positions(0, head.size), lease)
        elif published is not None and published.size > head.size:
            # The store has lost what the folder holds: it was put back to an earlier state.
            self.logs.advance(published, self._positions(head.size, published.size), lease)
            head = published
        if published is None or published.size < head.size:
            self.folder.publish(head.note)
        return head

    def _published(self) -> tuple[Checkpoint, bytes] | None:
        data = self.folder.checkpoint()
        if data is None:
            return None
        try:
            note = parse_note(data)
            checkpoint = parse_checkpoint(note.text)
            if checkpoint.origin != self.origin or not is_signed(note, self.signer.key):
                raise BadSignature("another log's")
        except ValueError as error:
            raise self._refusal(f"its checkpoint is not one that this log signed ({error})") from None
        return checkpoint, data

    def _check(self, signed: Sequence[LogHead]) -> None:
        """The files have the trees that were signed. Raises LogRefused."""
        try:
            wrong = [item.size for item in signed if self.folder.tree(item.size).root() != item.root]
        except (LogFault, FileNotFoundError) as error:
            raise self._refusal(f"it has lost what was signed: {error}") from None
        if wrong:
            raise self._refusal(f"its tiles do not have the tree of {wrong[0]} entries that was signed")

    def _refusal(self, why: str) -> LogRefused:
        return LogRefused(
            f"the log in {self.folder.path} takes no entry: {why}; restore the folder from its newest copy, "
            "see docs/runbook.md#the-log-refuses"
        )

    def _positions(self, start: int, end: int) -> dict[str, int]:
        """Positions that the files give to rows which the store still takes as owed."""
        owed = {row.entry: row.key for row in self.logs.pending(self.origin)}
        found = {}
        for index in range(start, end):
            key = owed.get(self.folder.entry(index, end))
            if key is not None:
                found[key] = index
        return found

    def _extend(self, head: LogHead, rows: Sequence[LogRow], lease: Lease) -> LogHead:
        size = head.size + len(rows)
        entries = [row.entry for row in rows]
        self._write_bundles(head.size, entries)
        filled = self._write_tiles(head.size, [merkle.leaf_hash(entry) for entry in entries])
        root = self.folder.tree(size).root()
        self._recheck(head, size, root, entries)
        new = self._signed(size, root)
        self.logs.advance(new, {row.key: head.size + number for number, row in enumerate(rows)}, lease)
        self.folder.publish(new.note)
        for tile in filled:
            shutil.rmtree(self.folder.path / f"{tile.path}.p", ignore_errors=True)
        self._sweep(head.size, size)
        return new

    def _write_bundles(self, start: int, entries: Sequence[bytes]) -> None:
        held = self.folder.entries(start // WIDTH, start) if start % WIDTH else []
        data = [*held, *entries]
        for number, at in enumerate(range(0, len(data), WIDTH), start=start // WIDTH):
            part = data[at : at + WIDTH]
            self.folder.write(Tile(None, number, len(part)), pack(part))

    def _write_tiles(self, start: int, hashes: Sequence[bytes]) -> list[Tile]:
        """Write the tiles that change, level by level; returns the full ones, and the bundles like them."""
        filled: list[Tile] = []
        level = 0
        while hashes:
            data = [*self._held(level, start), *hashes]
            above: list[bytes] = []
            for number, at in enumerate(range(0, len(data), WIDTH), start=start // WIDTH):
                part = data[at : at + WIDTH]
                tile = Tile(level, number, len(part))
                self.folder.write(tile, join(part))
                if len(part) == WIDTH:
                    above.append(merkle.root(part))
                    filled += [tile, Tile(None, number)] if level == 0 else [tile]
            level, start, hashes = level + 1, start // WIDTH, above
        return filled

    def _sweep(self, old: int, new: int) -> None:
        """Remove tiles at the edge that no signed tree has: a crash left them, and the log may have grown otherwise."""
        for level in range((new.bit_length() + 7) // 8 + 1):
            index, width = divmod(new >> 8 * level, WIDTH)
            signed = max(0, (old >> 8 * level) - index * WIDTH)
            for kind in (level, None) if level == 0 else (level,):
                for stale in self.folder.widths(Tile(kind, index)):
                    if stale > signed and stale != width:
                        (self.folder.path / Tile(kind, index, stale).path).unlink(missing_ok=True)
                for beyond in (Tile(kind, index), Tile(kind, index + 1)):
                    (self.folder.path / beyond.path).unlink(missing_ok=True)
                shutil.rmtree(self.folder.path / f"{Tile(kind, index + 1).path}.p", ignore_errors=True)

    def _held(self, level: int, count: int) -> list[bytes]:
        width = count % WIDTH
        return hashes_in(self.folder.read(Tile(level, count // WIDTH, width)))[:width] if width else []

    def _signed(self, size: int, root: bytes) -> LogHead:
        text = Checkpoint(self.origin, size, root).text()
        note = write_note(text, [self.signer.sign(text)])
        return LogHead(origin=self.origin, size=size, root=root, note=note, signed_at=self.now())

    def _head_of(self, checkpoint: Checkpoint, note: bytes) -> LogHead:
        return LogHead(origin=self.origin, size=checkpoint.size, root=checkpoint.root, note=note, signed_at=self.now())

    def _recheck(self, old: LogHead, size: int, root: bytes, entries: Sequence[bytes]) -> None:
        """Before it is signed, from what is on disk: every new entry is there, and the old tree begins the new one."""
        try:
            tree = self.folder.tree(size)
            bundles = range(old.size // WIDTH, (size - 1) // WIDTH + 1)
            held = [entry for bundle in bundles for entry in self.folder.entries(bundle, size)][old.size % WIDTH :]
            for number, (entry, found) in enumerate(zip(entries, held, strict=True), start=old.size):
                if found != entry or tree.leaf(number) != merkle.leaf_hash(entry):
                    raise LogFault("entry_missing", f"entry {number} is not there")
            for number in {old.size, size - 1}:
                proof = tree.inclusion(number)
                if not merkle.verify_inclusion(tree.leaf(number), number, size, proof, root):
                    raise LogFault("inclusion_invalid", f"entry {number} is not under the root")
            if not merkle.verify_consistency(old.size, size, tree.consistency(old.size), old.root, root):
                raise LogFault("log_forked", "the new tree does not go on from the old one")
        except LogFault as error:
            raise self._refusal(str(error)) from None

    def _witness(self, head: LogHead, lease: Lease) -> None:
        """Add what witnesses say of the newest checkpoint. Whoever was silent is asked anew at each append."""
        assert self.witnesses is not None
        tree: TileTree = self.folder.tree(head.size)
        lines = self.witnesses(head.note, head.size, tree.consistency)
        if not lines:
            return
        seen = replace(head, note=add_lines(head.note, lines))
        try:
            self.logs.advance(seen, {}, lease)
        except LeaseLost:
            return  # another process has gone on meanwhile, and asks them itself
        self.folder.publish(seen.note)
