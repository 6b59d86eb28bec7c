"""Whether the root of an evidence file is the one that the verifier has pinned, or one that rotations tie to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cryptography import x509

from lumen_workers.trust.pki.certificates import fingerprint
from lumen_workers.trust.pki.chain import ChainFault, load_certificate
from lumen_workers.trust.pki.documents import DocumentFault, read_rotation, root_key
from lumen_workers.trust.pki.trust_file import TrustFile


class RootFault(ValueError):
    """The root is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Roots:
    """The evidence's root; ``retired``: when another one followed, where only that one is pinned."""

    root: x509.Certificate
    retired: datetime | None = None


def find_root(own: TrustFile, pinned: Sequence[str], newer: TrustFile | None) -> Roots:
    """The evidence's root, tied to a pinned fingerprint. Raises RootFault."""
    if not pinned:
        raise RootFault("root_not_pinned", "give the fingerprint of the root that you trust")
    root = _load(own.root)
    line = [*own.former_roots, own.root]
    if any(fingerprint(der) in pinned for der in line):
        # The pinned root says who followed it; what came before that has to be true as well.
        _walk(line, own.rotations)
        return Roots(root=root)
    if newer is not None and own.root in newer.former_roots:
        # The root that is known followed this one: it counts for what was seen before.
        _walk(line, own.rotations)
        start = newer.former_roots.index(own.root)
        line = [*newer.former_roots, newer.root][start:]
        end = next((number for number, der in enumerate(line) if fingerprint(der) in pinned), None)
        if end is not None:
            return Roots(root=root, retired=_walk(line[: end + 1], newer.rotations[start : start + end])[0])
    raise RootFault("root_mismatch", f"its root is {fingerprint(own.root)}, which is not the one that you trust")


def _walk(line: Sequence[bytes], rotations: Sequence[Mapping[str, Any]]) -> list[datetime]:
    """When each root of ``line`` followed the one before it. Raises RootFault."""
    if len(rotations) != len(line) - 1:
        raise RootFault("rotation_invalid", "there is not one rotation for each former root")
    try:
        return [
            read_rotation(rotation, _load(old), _load(new)).at
            for (old, new), rotation in zip(pairwise(line), rotations, strict=True)
        ]
    except DocumentFault as error:
        raise RootFault("rotation_invalid", str(error)) from None


def _load(der: bytes) -> x509.Certificate:
    try:
        root = load_certificate(der, "root_malformed")
        root_key(root)
    except (ChainFault, DocumentFault) as error:
        raise RootFault("root_malformed", str(error)) from None
    return root
