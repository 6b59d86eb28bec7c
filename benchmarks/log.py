"""The transparency log: proofs from tiles against rebuilding the tree, appends, an audit, and hashing. JSON on stdout.

    python benchmarks/log.py [--sizes 100000,1000000] [--appended 10000] [--hashed-mib 1024]

A proof is made from files as the log server does it, and nothing is kept from one to the next; beside it, one tree
that is kept for many proofs under one checkpoint, each of another entry. Rebuilding reads every entry and hashes it, as
one would without tiles; ``rebuild_hashing_only_s`` is the tree's part, with all hashes at hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from _machine import machine, peak_mib

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.notes import write_note
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import WIDTH, Tile, pack, unpack

# The tests know how to set up a log.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from support.logs import ORIGIN, SIGNER, TestLog, entry_of

PROOFS = 2_000
ROUNDS = 3


def proofs(path: Path, size: int) -> dict[str, Any]:
    """Inclusion and consistency proofs in a log of ``size``, and what they cost without tiles."""
    root, folder = _fill(path, size)
    chance = random.Random(1)
    indices = [chance.randrange(size) for _ in range(PROOFS)]
    inclusion = [_seconds(partial(_inclusion, folder, size, index)) for index in indices]
    kept = folder.tree(size)
    from_kept = [_seconds(partial(kept.inclusion, index)) for index in indices]
    consistency = [_seconds(partial(_consistency, folder, size, index)) for index in indices]
    for index in indices[:20]:
        tree = folder.tree(size)
        assert merkle.verify_inclusion(tree.leaf(index), index, size, tree.inclusion(index), root)
    index = indices[0]
    found: list[list[bytes]] = []
    rebuild = _seconds(lambda: found.append(merkle.inclusion_proof([*_leaves(folder, size)], index)))
    assert found == [folder.tree(size).inclusion(index)]
    leaves = list(_leaves(folder, size))
    hashing = _seconds(lambda: merkle.inclusion_proof(leaves, index))
    audit = _seconds(lambda: _audited(folder))
    middle = statistics.median(inclusion)
    return {
        "entries": size,
        "inclusion_proof_ms": _spread(inclusion),
        "inclusion_proof_of_a_kept_tree_ms": _spread(from_kept),
        "consistency_proof_ms": _spread(consistency),
        "rebuild_s": round(rebuild, 3),
        "rebuild_hashing_only_s": round(hashing, 3),
        "times_faster_than_rebuilding": round(rebuild / middle),
        "times_faster_than_hashing_only": round(hashing / middle),
        "times_faster_from_a_kept_tree": round(rebuild / statistics.median(from_kept)),
        "audit_entries_per_s": round(size / audit),
        "files_mib": round(sum(item.stat().st_size for item in path.rglob("*") if item.is_file()) / 2**20, 1),
    }


def appends(path: Path, count: int) -> dict[str, Any]:
    """Entries a second: owed in the store, then sequenced in batches of 256, each durable and signed."""
    from lumen_workers.adapters.store import open_store

    log = TestLog(path / "log", open_store(f"sqlite:///{path}/lumen.db"))
    owing = _seconds(lambda: log.owe(count))
    appending = _seconds(log.sequencer.append)
    _audited(log.folder)
    single = TestLog(path / "single", open_store(f"sqlite:///{path}/single.db"))
    ones = [_seconds(lambda: single.fill(1)) for _ in range(200)]
    return {
        "entries": count,
        "batch": WIDTH,
        "append_entries_per_s": round(count / appending),
        "append_batch_ms": round(appending / -(-count // WIDTH) * 1e3, 1),
        "owe_entries_per_s": round(count / owing),
        "owe_and_append_one_ms": _spread(ones),
    }


def hashing(path: Path, mib: int) -> dict[str, Any] | None:
    """A file of ``mib`` MiB, hashed as snapshots are, and by sha256sum, in turns."""
    program = shutil.which("sha256sum")
    if program is None:
        return None
    block = random.Random(1).randbytes(2**20)
    file = path / "large"
    with file.open("wb") as stream:
        for _ in range(mib):
            stream.write(block)
    ours, theirs, told = [], [], set()

    def own() -> None:
        with file.open("rb") as stream:
            told.add(hashlib.file_digest(stream, "sha256").hexdigest())

    def other() -> None:
        told.add(subprocess.run([program, file], capture_output=True, text=True, check=True).stdout.split()[0])

    own()  # the first one reads from the disk, perhaps
    for _ in range(ROUNDS):
        ours.append(_seconds(own))
        theirs.append(_seconds(other))
    assert len(told) == 1
    return {
        "mib": mib,
        "ours_s": round(min(ours), 3),
        "sha256sum_s": round(min(theirs), 3),
        "ours_mib_per_s": round(mib / min(ours)),
        "sha256sum_mib_per_s": round(mib / min(theirs)),
    }


def _fill(path: Path, size: int) -> tuple[bytes, LogFolder]:
    """A log of ``size`` entries, made at one stroke and without a queue; its root."""
    folder = LogFolder(path)
    hashes: list[bytes] = []
    for number in range(-(-size // WIDTH)):
        part = [entry_of(index) for index in range(number * WIDTH, min(size, (number + 1) * WIDTH))]
        hashes += map(merkle.leaf_hash, part)
        _write(folder, Tile(None, number, len(part)), pack(part))
    root, level = merkle.root(hashes), 0
    while hashes:
        parts = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
        for number, part in enumerate(parts):
            _write(folder, Tile(level, number, len(part)), b"".join(part))
        hashes, level = [merkle.root(part) for part in parts if len(part) == WIDTH], level + 1
    text = Checkpoint(ORIGIN, size, root).text()
    folder.publish(write_note(text, [SIGNER.sign(text)]))
    return root, folder


def _write(folder: LogFolder, tile: Tile, data: bytes) -> None:
    place = folder.path / tile.path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def _inclusion(folder: LogFolder, size: int, index: int) -> list[bytes]:
    return folder.tree(size).inclusion(index)


def _consistency(folder: LogFolder, size: int, old: int) -> list[bytes]:
    return folder.tree(size).consistency(old)


def _leaves(folder: LogFolder, size: int) -> Iterator[bytes]:
    for number in range(-(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        yield from map(merkle.leaf_hash, unpack(folder.read(Tile(None, number, width))))


def _audited(folder: LogFolder) -> None:
    report = audit_log(folder, SIGNER.key)
    assert report.ok, report.findings


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(statistics.median(ordered) * 1e3, 3),
        "p95": round(ordered[len(ordered) * 95 // 100] * 1e3, 3),
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="100000,1000000", help="entries of the logs that proofs are made in")
    parser.add_argument("--appended", type=int, default=10_000, help="entries to append (default 10,000)")
    parser.add_argument("--hashed-mib", type=int, default=1024, help="how large the hashed file is (default 1 GiB)")
    given = parser.parse_args()
    figures: dict[str, Any] = {"machine": machine(), "proofs": []}
    for size in map(int, given.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            figures["proofs"].append(proofs(Path(folder) / "log", size))
    with tempfile.TemporaryDirectory() as folder:
        figures["appends"] = appends(Path(folder), given.appended)
    with tempfile.TemporaryDirectory() as folder:
        figures["hashing"] = hashing(Path(folder), given.hashed_mib)
    figures["peak_mib"] = peak_mib()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
