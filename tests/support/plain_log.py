"""A log laid out by its definition: RFC 6962's recursion, C2SP's tiles and notes, hashlib and nothing of the package.

What writes logs, reads them and proves with them is judged by this.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ORIGIN = "plain.example/log"


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf(entry: bytes) -> bytes:
    return sha(b"\x00" + entry)


def split(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


def tree(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaf hashes."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return sha(b"\x01" + tree(leaves[:half]) + tree(leaves[half:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*path(index, leaves[:half]), tree(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree(leaves[:half])]


def proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """PROOF of RFC 6962, section 2.1.2; empty where there was no leaf."""
    if old == 0:
        return []
    if old == len(leaves):
        return [] if whole else [tree(leaves)]
    half = split(len(leaves))
    if old <= half:
        return [*proof(old, leaves[:half], whole), tree(leaves[half:])]
    return [*proof(old - half, leaves[half:], False), tree(leaves[:half])]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def vkey(name: str, private: Ed25519PrivateKey, algorithm: int = 1) -> str:
    key = bytes([algorithm]) + private.public_key().public_bytes_raw()
    return f"{name}+{key_id(name, key).hex()}+{b64(key)}"


def key_id(name: str, key: bytes) -> bytes:
    return sha(name.encode() + b"\n" + key)[:4]


def number_path(index: int) -> str:
    text = f"{index:d}"
    text = text.zfill(-(-len(text) // 3) * 3)
    parts = [text[at : at + 3] for at in range(0, len(text), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


class PlainLog:
    """A log in ``folder``. ``entries`` is what it has; what is on disk is what ``publish`` has written."""

    def __init__(self, folder: Path, *, origin: str = ORIGIN, seed: int = 1) -> None:
        self.folder = folder
        self.origin = origin
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.entries: list[bytes] = []
        self.leaves: list[bytes] = []

    @property
    def vkey(self) -> str:
        return vkey(self.origin, self.private)

    def add(self, count: int, what: str = "entry") -> None:
        """Further entries, of which nothing is on disk yet."""
        for number in range(len(self.entries), len(self.entries) + count):
            self.entries.append(f"{what} {number}".encode())
            self.leaves.append(leaf(self.entries[-1]))

    def root(self, size: int | None = None) -> bytes:
        return tree(self.leaves[:size])

    def checkpoint(self, size: int | None = None) -> bytes:
        """The signed note of the tree of the first ``size`` entries."""
        size = len(self.leaves) if size is None else size
        text = f"{self.origin}\n{size}\n{b64(self.root(size))}\n"
        key = b"\x01" + self.private.public_key().public_bytes_raw()
        line = b64(key_id(self.origin, key) + self.private.sign(text.encode()))
        return f"{text}\n— {self.origin} {line}\n".encode()

    def request(self, old: int, size: int | None = None) -> bytes:
        """What a witness is asked (C2SP tlog-witness)."""
        size = len(self.leaves) if size is None else size
        lines = [f"old {old}", *map(b64, proof(old, self.leaves[:size]) if old <= size else [])]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint(size)

    def tiles(self, size: int | None = None) -> dict[str, bytes]:
        """Path → bytes of each tile and bundle of the tree of the first ``size`` entries."""
        size = len(self.leaves) if size is None else size
        found = {}
        for at in range(0, size, 256):
            part = self.entries[at : min(at + 256, size)]
            data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in part)
            found[self._name("entries", at // 256, len(part))] = data
        level, hashes = 0, self.leaves[:size]
        while hashes:
            for at in range(0, len(hashes), 256):
                part = hashes[at : at + 256]
                found[self._name(str(level), at // 256, len(part))] = b"".join(part)
            hashes = [tree(hashes[at : at + 256]) for at in range(0, len(hashes) // 256 * 256, 256)]
            level += 1
        return found

    def write(self, size: int | None = None) -> None:
        """The tiles, without the checkpoint: what a crash leaves."""
        for name, data in self.tiles(size).items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                replace(place, data)

    def publish(self, size: int | None = None) -> None:
        """Tiles, then the checkpoint by rename. Partial tiles of full ones go, as they may."""
        self.write(size)
        replace(self.folder / "checkpoint", self.checkpoint(size))
        for gone in [item for item in self.folder.rglob("*.p") if item.with_suffix("").exists()]:
            for part in gone.iterdir():
                part.unlink()
            gone.rmdir()

    @staticmethod
    def _name(level: str, index: int, width: int) -> str:
        return f"tile/{level}/{number_path(index)}" + ("" if width == 256 else f".p/{width}")


def replace(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.new")
    temporary.write_bytes(data)
    temporary.replace(place)


def cosigned(note: bytes, line: str, name: str, public_key: bytes) -> int:
    """When the witness saw the note's text, by a line of its own. Raises what is wrong."""
    dash, said, encoded = line.split(" ")
    data = base64.b64decode(encoded, validate=True)
    assert (dash, said, data[:4]) == ("—", name, key_id(name, b"\x04" + public_key))
    at = int.from_bytes(data[4:12], "big")
    text = note[: note.rindex(b"\n\n") + 1]
    Ed25519PublicKey.from_public_bytes(public_key).verify(data[12:], f"cosignature/v1\ntime {at}\n".encode() + text)
    return at
