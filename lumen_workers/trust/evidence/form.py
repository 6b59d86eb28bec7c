"""The evidence file's form: what is in it, written and read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lumen_workers.trust import canonical
from lumen_workers.trust.notes import b64
from lumen_workers.trust.pki.trust_file import TrustFile, bytes_list, read_fields

MEDIA_TYPE: Final = "application/vnd.lumen.evidence+json;version=1"
SUFFIX: Final = ".lumen.json"
MAX_BYTES: Final = 4 * 1024**2
MAX_CERTIFICATES: Final = 16

_FIELDS: Final = frozenset(
    ("mediaType", "envelope", "root", "certificates", "crl", "trust", "rotations", "former_roots", "entry", "proof")
)


class FormFault(ValueError):
    """The file is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A parsed evidence file; nothing is verified. ``certificates`` are DER, the signer's first."""

    envelope: Any
    certificates: tuple[bytes, ...]
    trust_file: TrustFile
    entry: bytes
    proof: str

    @property
    def envelope_bytes(self) -> bytes:
        """The envelope as canonical JSON: what the log's entry names the digest of. Raises ValueError."""
        return canonical.dumps(self.envelope)

    def dump(self) -> bytes:
        """The file's bytes."""
        data = {
            "mediaType": MEDIA_TYPE,
            "envelope": self.envelope,
            "certificates": [base64.b64encode(item).decode() for item in self.certificates],
            "entry": base64.b64encode(self.entry).decode(),
            "proof": self.proof,
            **self.trust_file.as_json(),
        }
        return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def make_evidence(
    envelope: Mapping[str, Any], certificates: Sequence[bytes], trust_file: TrustFile, entry: bytes, proof: str
) -> bytes:
    """The evidence file's bytes."""
    return Evidence(
        envelope=envelope, certificates=tuple(certificates), trust_file=trust_file, entry=entry, proof=proof
    ).dump()


def parse_evidence(data: bytes) -> Evidence:
    """Read an evidence file that may be hostile. Raises FormFault."""
    if len(data) > MAX_BYTES:
        raise FormFault("evidence_too_large", f"it has more than {MAX_BYTES} bytes")
    try:
        value = canonical.loads(data)
    except ValueError as error:
        reason = "duplicate_key" if "occurs twice" in str(error) else "evidence_malformed"
        raise FormFault(reason, str(error)) from None
    if not isinstance(value, dict) or not value.keys() >= _FIELDS:
        raise FormFault("evidence_malformed", f"it needs the fields {', '.join(sorted(_FIELDS))}")
    if more := value.keys() - _FIELDS:
        raise FormFault("unknown_field", f"field {sorted(more)[0][:40]!r} is unknown")
    try:
        if value["mediaType"] != MEDIA_TYPE:
            raise ValueError(f"it is no {MEDIA_TYPE}")
        if not isinstance(value["proof"], str) or not isinstance(value["entry"], str):
            raise ValueError("proof or entry is no text")
        certificates = tuple(bytes_list(value["certificates"], MAX_CERTIFICATES))
        return Evidence(
            envelope=value["envelope"],
            certificates=certificates,
            trust_file=read_fields(value),
            entry=b64(value["entry"]),
            proof=value["proof"],
        )
    except ValueError as error:
        raise FormFault("evidence_malformed", str(error)) from None
