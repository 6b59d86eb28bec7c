"""What a root says beside certificates, as signed documents: which logs and witnesses count, and who comes after it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from lumen_workers.domain.clock import iso
from lumen_workers.domain.ports import Signer
from lumen_workers.trust import canonical
from lumen_workers.trust.dsse import parse_envelope, sign_envelope, verify_by
from lumen_workers.trust.pki.certificates import der_of, fingerprint
from lumen_workers.trust.tlog.policy import Policy, parse_policy

TRUST_TYPE: Final = "application/vnd.lumen.trust+json"
ROTATION_TYPE: Final = "application/vnd.lumen.rotation+json"
TRUST_SCHEMA: Final = "lumen-trust/1"
ROTATION_SCHEMA: Final = "lumen-rotation/1"

_FINGERPRINT_RE: Final = re.compile(r"[0-9a-f]{64}")
_INSTANT_RE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


class DocumentFault(ValueError):
    """The document is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Trust:
    """A root's word on logs and witnesses. A higher ``version`` replaces a lower one."""

    version: int
    issued: datetime
    development: bool
    policy: Policy
    policy_text: str


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One root follows another (fingerprints), from ``at`` on."""

    old: str
    new: str
    at: datetime


def make_trust(
    root: x509.Certificate, signer: Signer, *, version: int, policy: str, development: bool, now: datetime
) -> dict[str, Any]:
    """The trust document, signed. Raises ValueError for a policy that cannot be read."""
    parse_policy(policy)
    payload = {
        "schema": TRUST_SCHEMA,
        "version": version,
        "root": fingerprint(der_of(root)),
        "issued": _instant(now),
        "development": development,
        "policy": policy,
    }
    return sign_envelope(TRUST_TYPE, canonical.dumps(payload), [signer])


def read_trust(envelope: Any, root: x509.Certificate) -> Trust:
    """The document in ``envelope`` if ``root`` signed it and is named in it. Raises DocumentFault."""
    data = _opened(
        envelope,
        TRUST_TYPE,
        [root_key(root)],
        {"schema", "version", "root", "issued", "development", "policy"},
        malformed="trust_malformed",
        unsigned="trust_signature_invalid",
    )
    version, policy = data["version"], data["policy"]
    if data["schema"] != TRUST_SCHEMA or type(version) is not int or version < 1 or not isinstance(policy, str):
        raise DocumentFault("trust_malformed", "schema, version or policy is not what it should be")
    if not isinstance(data["development"], bool):
        raise DocumentFault("trust_malformed", "development is neither true nor false")
    if data["root"] != fingerprint(der_of(root)):
        raise DocumentFault("trust_root_mismatch", "the trust document is of another root")
    try:
        issued, read = _parsed(data["issued"]), parse_policy(policy)
    except ValueError as error:
        raise DocumentFault("trust_malformed", str(error)) from None
    return Trust(version=version, issued=issued, development=data["development"], policy=read, policy_text=policy)


def make_rotation(
    old: x509.Certificate, old_signer: Signer, new: x509.Certificate, new_signer: Signer, *, now: datetime, reason: str
) -> dict[str, Any]:
    """The document by which ``new`` follows ``old``, signed by both."""
    payload = {
        "schema": ROTATION_SCHEMA,
        "old": fingerprint(der_of(old)),
        "new": fingerprint(der_of(new)),
        "at": _instant(now),
        "reason": reason,
    }
    return sign_envelope(ROTATION_TYPE, canonical.dumps(payload), [old_signer, new_signer])


def read_rotation(envelope: Any, old: x509.Certificate, new: x509.Certificate) -> Rotation:
    """The rotation from ``old`` to ``new`` if both signed it. Raises DocumentFault."""
    data = _opened(
        envelope,
        ROTATION_TYPE,
        [root_key(old), root_key(new)],
        {"schema", "old", "new", "at", "reason"},
        malformed="rotation_invalid",
        unsigned="rotation_invalid",
    )
    named = (fingerprint(der_of(old)), fingerprint(der_of(new)))
    if data["schema"] != ROTATION_SCHEMA or (data["old"], data["new"]) != named:
        raise DocumentFault("rotation_invalid", "the rotation is of other roots")
    try:
        return Rotation(old=named[0], new=named[1], at=_parsed(data["at"]))
    except ValueError as error:
        raise DocumentFault("rotation_invalid", str(error)) from None


def root_key(root: x509.Certificate) -> EllipticCurvePublicKey:
    """The root's key. Raises DocumentFault for a root of another kind."""
    public = root.public_key()
    if not isinstance(public, EllipticCurvePublicKey):
        raise DocumentFault("root_malformed", "the root's key is not on a curve of ours")
    return public


def _opened(
    envelope: Any,
    kind: str,
    keys: Sequence[EllipticCurvePublicKey],
    fields: set[str],
    *,
    malformed: str,
    unsigned: str,
) -> Mapping[str, Any]:
    """The payload of an envelope that each of ``keys`` signed."""
    try:
        read = parse_envelope(envelope)
        if read.payload_type != kind:
            raise ValueError(f"it is no {kind}")
        for key in keys:
            if not any(verify_by(key, item.sig, read.signed) for item in read.signatures):
                raise DocumentFault(unsigned, "the root did not sign the document")
        value = canonical.loads(read.payload)
    except DocumentFault:
        raise
    except ValueError as error:
        raise DocumentFault(malformed, str(error)) from None
    if not isinstance(value, dict) or value.keys() != fields:
        raise DocumentFault(malformed, "the document has other fields")
    return value


def _instant(now: datetime) -> str:
    return iso(now).replace("+00:00", "Z")


def _parsed(text: Any) -> datetime:
    if not isinstance(text, str) or not _INSTANT_RE.fullmatch(text):
        raise ValueError("a time is not written as 2026-01-31T09:05:00Z")
    return datetime.fromisoformat(text)
