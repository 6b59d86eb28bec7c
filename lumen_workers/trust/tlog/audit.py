"""A monitor's audit: everything that a log holds is read again, and told from the entries up.

One pass over the entries, in their order. For each level the hashes of the tile that is being filled are kept, no more:
at most 256 of each, however large the log is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.notes import BadSignature, VerifierKey, is_signed, parse_note
from lumen_workers.trust.tlog.entries import parse_entry
from lumen_workers.trust.tlog.tiles import CHECKPOINT, WIDTH, Tile, hashes_in, unpack
from lumen_workers.trust.tlog.tree import LogFault

MOST_FINDINGS: Final = 100

Progress = Callable[[int, int], None]
"""Is told after each bundle how many entries have been read, and how many there are."""


class AuditView(Protocol):
    """A log that can be read: a folder, or one that is asked over HTTP."""

    def checkpoint(self) -> bytes | None:
        """What it has published. Raises OSError."""

    def read(self, tile: Tile) -> bytes:
        """A tile's or bundle's bytes, or those of a wider one. Raises LogFault for one that is not there, OSError."""

    def widths(self, tile: Tile) -> list[int]:
        """The widths of partial tiles that lie in this one's place, as far as that can be told."""


@dataclass(frozen=True, kw_only=True)
class LogFinding:
    """Something that does not hold: a stable word, a path or ``entry N``, and what is wrong for people."""

    reason: str
    where: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class LogReport:
    """What an audit found. ``entries`` and ``tiles`` were read; ``since`` is the size that was remembered.

    ``checkpoint`` is what was judged, as it was published: where all holds, it is what to remember for the next time.
    ``findings`` are the first 100, ``more`` counts those that followed. Reasons: ``checkpoint_missing``,
    ``checkpoint_malformed``, ``log_unknown``, ``checkpoint_signature_invalid``, ``log_rolled_back``, ``log_forked``,
    ``log_truncated``, ``tile_mismatch``, ``entry_missing``, ``entry_malformed``, ``entry_mismatch``, ``root_mismatch``.
    """

    origin: str
    size: int | None = None
    root: bytes | None = None
    checkpoint: bytes | None = None
    since: int | None = None
    entries: int = 0
    tiles: int = 0
    findings: tuple[LogFinding, ...] = ()
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    @property
    def reason(self) -> str | None:
        """The first finding's."""
        return self.findings[0].reason if self.findings else None


def audit_log(
    view: AuditView, key: VerifierKey, *, remembered: bytes | None = None, progress: Progress | None = None
) -> LogReport:
    """Read all of the log of ``key`` again. ``remembered`` is an older checkpoint, as it was published then.

    Raises OSError where the log cannot be read, ValueError for a ``remembered`` that this log did not sign.
    """
    old = None if remembered is None else parse_checkpoint(_signed(remembered, key))
    if old is not None and old.origin != key.name:
        raise ValueError(f"it is of the log {old.origin[:80]}")
    since = None if old is None else old.size
    data = view.checkpoint()
    now = _judged(data, key)
    if isinstance(now, LogFinding):
        return LogReport(origin=key.name, checkpoint=data, since=since, findings=(now,))
    report = _Audit(view, now, old, progress or (lambda _done, _size: None)).run()
    return replace(report, checkpoint=data, since=since)


def _signed(data: bytes, key: VerifierKey) -> str:
    note = parse_note(data)
    if not is_signed(note, key):
        raise BadSignature(f"it has no signature of {key.name}")
    return note.text


def _judged(data: bytes | None, key: VerifierKey) -> Checkpoint | LogFinding:
    if data is None:
        return LogFinding(reason="checkpoint_missing", where=CHECKPOINT, detail="there is none")
    try:
        found = parse_checkpoint(parse_note(data).text)
        if found.origin != key.name:
            return LogFinding(reason="log_unknown", where=CHECKPOINT, detail=f"it is of the log {found.origin[:80]}")
        _signed(data, key)
    except BadSignature as error:
        return LogFinding(reason="checkpoint_signature_invalid", where=CHECKPOINT, detail=str(error))
    except ValueError as error:
        return LogFinding(reason="checkpoint_malformed", where=CHECKPOINT, detail=str(error))
    return found


class _Audit:
    """One pass."""

    def __init__(self, view: AuditView, now: Checkpoint, old: Checkpoint | None, progress: Progress) -> None:
        self._view = view
        self._now = now
        self._old = old
        self._progress = progress
        self._levels: list[list[bytes]] = []  # of each level, the hashes of the tile that is being filled
        self._counts: list[int] = []  # of each level, the full tiles behind it
        self._differing: list[int] = []  # entries whose hash is not the one in the tile
        self._old_root: bytes | None = None
        self._findings: list[LogFinding] = []
        self._more = 0
        self._entries = 0
        self._tiles = 0

    def run(self) -> LogReport:
        if self._old is not None and self._now.size < self._old.size:
            detail = f"it has {self._now.size} entries, it had {self._old.size}"
            self._find("log_rolled_back", CHECKPOINT, detail)
        whole = self._pass()
        if whole:
            for level in range(len(self._levels)):
                self._check_tile(level)
            self._judge(_root(self._levels))
        return LogReport(
            origin=self._now.origin,
            size=self._now.size,
            root=self._now.root,
            entries=self._entries,
            tiles=self._tiles,
            findings=tuple(self._findings),
            more=self._more,
        )

    def _pass(self) -> bool:
        """Take every entry. False: at some place neither entries nor their hashes are there, and nothing follows."""
        self._note_old(0)
        for start in range(0, self._now.size, WIDTH):
            width = min(WIDTH, self._now.size - start)
            hashes = self._leaves(start, width)
            if hashes is None:
                return False
            for number, item in enumerate(hashes, start=start):
                self._push(0, item)
                self._note_old(number + 1)
            self._progress(start + width, self._now.size)
        return True

    def _leaves(self, start: int, width: int) -> list[bytes] | None:
        """The leaf hashes of a bundle: those of its entries; where entries are missing, those that the tile has."""
        told = self._told(Tile(0, start // WIDTH, width))
        bundle = Tile(None, start // WIDTH, width)
        try:
            entries = unpack(self._view.read(bundle))[:width]
            detail = f"{bundle.path} has {len(entries)} entries"
        except ValueError as error:
            entries, detail = [], str(error)
        if len(entries) < width:
            self._find("entry_missing", f"entry {start + len(entries)}", detail)
        hashes = []
        for number, entry in enumerate(entries):
            self._check_form(start + number, entry)
            hashes.append(merkle.leaf_hash(entry))
            if told is not None and told[number] != hashes[-1]:
                self._differing.append(start + number)
        if len(hashes) < width:
            if told is None:
                return None
            hashes += told[len(hashes) :]
        return hashes

    def _check_form(self, index: int, entry: bytes) -> None:
        self._entries += 1
        try:
            parse_entry(entry)
        except ValueError as error:
            self._find("entry_malformed", f"entry {index}", str(error))

    def _told(self, tile: Tile) -> list[bytes] | None:
        """A tile's hashes; None, and a finding, where they are not there."""
        self._tiles += 1
        try:
            hashes = hashes_in(self._view.read(tile))
        except ValueError as error:
            self._find("log_truncated", tile.path, str(error))
            return None
        if len(hashes) < tile.width:
            self._find("log_truncated", tile.path, f"it has {len(hashes)} hashes")
            return None
        return hashes[: tile.width]

    def _push(self, level: int, item: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        hashes = self._levels[level]
        hashes.append(item)
        if len(hashes) == WIDTH:
            self._check_tile(level)
            above = merkle.root(hashes)
            hashes.clear()
            self._counts[level] += 1
            self._push(level + 1, above)

    def _check_tile(self, level: int) -> None:
        """Compare the tile that has been filled; level 0 has been read with its entries."""
        hashes, index = self._levels[level], self._counts[level]
        if not hashes:
            return
        if level:
            tile = Tile(level, index, len(hashes))
            told = self._told(tile)
            if told is not None and told != hashes:
                self._mismatch(tile, told, hashes)
        else:
            self._check_older(None, index, hashes)
        self._check_older(level, index, hashes)

    def _check_older(self, level: int | None, index: int, hashes: Sequence[bytes]) -> None:
        """Partial tiles of earlier sizes begin as this one does. Wider ones belong to no checkpoint yet."""
        for width in self._view.widths(Tile(level, index)):
            if width >= len(hashes):
                continue
            tile = Tile(level, index, width)
            try:
                data = self._view.read(tile)
                told = [merkle.leaf_hash(entry) for entry in unpack(data)] if level is None else hashes_in(data)
            except LogFault:
                continue  # its place has been taken by the full one meanwhile
            except ValueError as error:
                self._find("log_truncated", tile.path, str(error))
                continue
            self._tiles += 1
            if told[:width] != hashes[:width]:
                self._mismatch(tile, told[:width], hashes)

    def _mismatch(self, tile: Tile, told: Sequence[bytes], hashes: Sequence[bytes]) -> None:
        same = (item == hashes[number] for number, item in enumerate(told))
        first = next((number for number, right in enumerate(same) if not right), len(told))
        self._find("tile_mismatch", tile.path, f"hash {first} is not that of what is below it")

    def _note_old(self, count: int) -> None:
        if self._old is not None and count == self._old.size:
            self._old_root = _root(self._levels)

    def _judge(self, root: bytes) -> None:
        """Which of entry and hash is wrong where they differ, and whether the trees are those that were signed."""
        right = root == self._now.root
        for index in self._differing:
            if right:
                self._find("tile_mismatch", Tile(0, index // WIDTH).path, f"hash {index % WIDTH} is not the entry's")
            else:
                self._find("entry_mismatch", f"entry {index}", "it does not have the hash that its tile has")
        if not right:
            self._find("root_mismatch", CHECKPOINT, f"the entries' root is {root.hex()}")
        elif self._old is not None and self._old_root not in (None, self._old.root):
            self._find("log_forked", CHECKPOINT, f"its first {self._old.size} entries are not what they were")

    def _find(self, reason: str, where: str, detail: str) -> None:
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(LogFinding(reason=reason, where=where, detail=detail))
        else:
            self._more += 1


def _root(levels: Sequence[Sequence[bytes]]) -> bytes:
    """The root over what the levels hold: each level's last node is the smaller tree below it."""
    below: list[bytes] = []
    for hashes in levels:
        nodes = [*hashes, *below]
        below = [merkle.root(nodes)] if nodes else []
    return below[0] if below else merkle.EMPTY
