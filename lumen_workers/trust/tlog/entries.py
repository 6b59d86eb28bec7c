"""What stands in the log: small records. Never the envelope itself: an entry has at most 65,535 bytes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from lumen_workers.trust import canonical

ATTESTATION: Final = "attestation"
MAX_BYTES: Final = 65_535

_FIELDS: Final = {
    "envelope_sha256": re.compile(r"[0-9a-f]{64}"),
    "kind": re.compile(r"attestation"),
    "signer_serial": re.compile(r"[1-9a-f][0-9a-f]{0,39}"),
    "trace_id": re.compile(r"[0-9a-f]{32}"),
}


@dataclass(frozen=True)
class Entry:
    """An entry: SHA-256 of the envelope (hex), serial number of the signer's certificate, trace id of the work."""

    kind: str
    envelope_sha256: str
    signer_serial: int
    trace_id: str


def attestation_entry(envelope: bytes, *, serial: int, trace_id: str) -> bytes:
    """The entry of an envelope (its canonical JSON)."""
    return canonical.dumps(
        {
            "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
            "kind": ATTESTATION,
            "signer_serial": f"{serial:x}",
            "trace_id": trace_id,
        }
    )


def parse_entry(data: bytes) -> Entry:
    """Read an entry. Raises ValueError for anything but what ``attestation_entry`` writes."""
    if len(data) > MAX_BYTES:
        raise ValueError("the entry is too large")
    value = canonical.loads(data)
    if not isinstance(value, dict) or value.keys() != _FIELDS.keys():
        raise ValueError("an entry has other fields")
    for name, pattern in _FIELDS.items():
        if not isinstance(value[name], str) or not pattern.fullmatch(value[name]):
            raise ValueError(f"the entry's {name} is malformed")
    if canonical.dumps(value) != data:
        raise ValueError("the entry is not canonical JSON")
    return Entry(value["kind"], value["envelope_sha256"], int(value["signer_serial"], 16), value["trace_id"])
