"""The trust file: what a root vouches for at present, in one file that anybody may have."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lumen_workers.trust import canonical
from lumen_workers.trust.notes import b64

MEDIA_TYPE: Final = "application/vnd.lumen.trust-file+json;version=1"
MAX_BYTES: Final = 2 * 1024**2
MAX_ROOTS: Final = 16


@dataclass(frozen=True, kw_only=True)
class TrustFile:
    """Root and former roots (DER, oldest first), the rotations between them, trust document and CRL (DER)."""

    root: bytes
    former_roots: tuple[bytes, ...]
    rotations: tuple[Mapping[str, Any], ...]
    trust: Mapping[str, Any]
    crl: bytes

    def as_json(self) -> dict[str, Any]:
        """The fields that it shares with an evidence file."""
        return {
            "root": base64.b64encode(self.root).decode(),
            "former_roots": [base64.b64encode(item).decode() for item in self.former_roots],
            "rotations": [dict(item) for item in self.rotations],
            "trust": dict(self.trust),
            "crl": base64.b64encode(self.crl).decode(),
        }

    def dump(self) -> bytes:
        """The file's bytes."""
        return canonical.dumps({"mediaType": MEDIA_TYPE, **self.as_json()}) + b"\n"


def parse_trust_file(data: bytes) -> TrustFile:
    """Read a trust file; nothing is verified. Raises ValueError."""
    if len(data) > MAX_BYTES:
        raise ValueError("the trust file is too large")
    value = canonical.loads(data)
    if not isinstance(value, dict) or value.get("mediaType") != MEDIA_TYPE:
        raise ValueError("it is no trust file")
    if value.keys() != {"mediaType", "root", "former_roots", "rotations", "trust", "crl"}:
        raise ValueError("the trust file has other fields")
    return read_fields(value)


def read_fields(value: Mapping[str, Any]) -> TrustFile:
    """The fields that a trust file and an evidence file share. Raises ValueError."""
    rotations, trust = value["rotations"], value["trust"]
    if not isinstance(trust, dict) or not isinstance(rotations, list):
        raise ValueError("trust or rotations is of another kind")
    if len(rotations) > MAX_ROOTS or not all(isinstance(item, dict) for item in rotations):
        raise ValueError("rotations are of another kind, or too many")
    return TrustFile(
        root=_bytes(value["root"]),
        former_roots=tuple(bytes_list(value["former_roots"], MAX_ROOTS)),
        rotations=tuple(rotations),
        trust=trust,
        crl=_bytes(value["crl"]),
    )


def bytes_list(value: Any, most: int) -> Sequence[bytes]:
    """A list of base64 texts. Raises ValueError."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"it is no list of at most {most}")
    return [_bytes(item) for item in value]


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("it is no base64")
    return b64(value)
