"""The one hash tree: SHA-256 Merkle trees as in RFC 9162, section 2.1 (the same as RFC 6962's).

Leaves and nodes are hashed with different prefixes, so that neither can stand for the other, and a tree whose size is
no power of two is split at the largest power below it: no leaf is ever doubled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from lumen_workers.trust import canonical

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data), 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def file_leaf(path: str, size: int, sha256: str) -> bytes:
    """Leaf data of a file: the canonical JSON ``{"path":"…","sha256":"<64 hex>","size":<bytes>}``.

    Keys in this order, no white space, UTF-8. ``path`` is the file's POSIX path in the snapshot (``files/…``).
    """
    return canonical.dumps({"path": path, "sha256": sha256, "size": size})


def root(hashes: Iterable[bytes]) -> bytes:
    """Root over leaf hashes, in their order. Takes one pass and holds one hash a level."""
    stack: list[bytes] = []  # roots of full subtrees, the largest first: one for each bit of the leaf count
    for count, item in enumerate(hashes):
        node, bits = item, count
        while bits & 1:
            node = node_hash(stack.pop(), node)
            bits >>= 1
        stack.append(node)
    if not stack:
        return EMPTY
    node = stack.pop()
    while stack:
        node = node_hash(stack.pop(), node)
    return node


def full_root(data: bytes) -> bytes:
    """Root over leaf hashes that stand behind each other, 32 bytes each: a power of two of them."""
    while len(data) > 32:
        data = b"".join([hashlib.sha256(b"\x01" + data[at : at + 64]).digest() for at in range(0, len(data), 64)])
    return data


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of leaf ``index`` (from 0), from the leaf's sibling up. Raises IndexError outside the tree."""
    return [root(hashes[low:high]) for low, high in inclusion_path(index, len(hashes))]


def inclusion_path(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves [low, high) whose roots are the audit path of leaf ``index``, from its sibling up.

    Raises IndexError outside the tree.
    """
    if not 0 <= index < size:
        raise IndexError(f"no leaf {index} in a tree of {size}")
    path: list[tuple[int, int]] = []
    low, high = 0, size
    while high - low > 1:
        split = low + split_of(high - low)
        if index < split:
            path.append((split, high))
            high = split
        else:
            path.append((low, split))
            low = split
    return path[::-1]


def consistency_path(old: int, new: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose roots prove that a tree of ``old`` leaves begins one of ``new`` (RFC 9162, 2.1.4.1).

    Empty where there is nothing to prove: equal sizes, or no leaf at first. Raises IndexError for ``old`` > ``new``.
    """
    if not 0 <= old <= new:
        raise IndexError(f"a tree of {old} leaves does not begin one of {new}")
    if old in (0, new):
        return []
    path: list[tuple[int, int]] = []
    low, high, whole = 0, new, True
    while high != old:
        split = low + split_of(high - low)
        if old <= split:
            path.append((split, high))
            high = split
        else:
            path.append((low, split))
            low, whole = split, False
    if not whole:
        path.append((low, high))
    return path[::-1]


def consistency_proof(hashes: Sequence[bytes], old: int) -> list[bytes]:
    """Proof that the first ``old`` of these leaf hashes are a tree that this one goes on from. Raises IndexError."""
    return [root(hashes[low:high]) for low, high in consistency_path(old, len(hashes))]


def split_of(count: int) -> int:
    """Where a tree of ``count`` (at least 2) leaves is split: the largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether ``proof`` leads from the leaf hash at ``index`` of ``size`` leaves to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and node == expected


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether ``proof`` shows that the tree of ``old`` leaves begins that of ``new`` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (EMPTY if old == 0 else new_root)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = path.pop(0)
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root
