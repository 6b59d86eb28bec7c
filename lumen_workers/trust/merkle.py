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


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of leaf ``index`` (from 0), from the leaf's sibling up. Raises IndexError outside the tree."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"no leaf {index} in a tree of {len(hashes)}")
    path: list[bytes] = []
    low, high = 0, len(hashes)
    while high - low > 1:
        split = low + (1 << (high - low - 1).bit_length() - 1)
        if index < split:
            path.append(root(hashes[split:high]))
            high = split
        else:
            path.append(root(hashes[low:split]))
            low = split
    return path[::-1]


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
