"""Evidence that is spoilt in ways that the attack corpus (tests/attacks) does not have, each with its own reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.evidence import (
    DAY,
    NOW,
    ORIGIN,
    OTHER,
    ROOT,
    TRACE,
    Forge,
    Root,
    ask,
    ed25519,
    failed,
    odd_certificate,
    p256,
)

from lumen_workers.trust import canonical
from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.dsse import sign_envelope
from lumen_workers.trust.evidence.policy import Verdict
from lumen_workers.trust.notes import Cosigner, NoteSigner, write_note
from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.documents import TRUST_TYPE
from lumen_workers.trust.statement import PAYLOAD_TYPE
from lumen_workers.trust.tlog.entries import attestation_entry

PUBLIC = ed25519(10).public_key()
SECOND = ed25519(11)
CERTIFICATE = ROOT.issue(PUBLIC)
SEEN = NOW - timedelta(minutes=2)
"""When the quorum of a ``Forge`` is reached."""

Harm = Callable[[Forge], Any]


def certificate(public: Any = PUBLIC, **changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        forge.certificates = [der_of(odd_certificate(public, ROOT, **changes))]

    return harm


def trust(kind: str = TRUST_TYPE, by: Root = ROOT, **changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        payload = json.loads(base64.b64decode(ROOT.trust(forge.policy_text())["payload"]))
        forge.trust = sign_envelope(kind, canonical.dumps({**payload, **changes}), [by.signer])

    return harm


def fields(**changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        for name, value in changes.items():
            setattr(forge, name, value)

    return harm


def entry(**changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        envelope = sign_envelope(PAYLOAD_TYPE, forge.payload, forge.signers)
        forge.envelope = envelope
        value = json.loads(attestation_entry(canonical.dumps(envelope), serial=7, trace_id=TRACE))
        forge.entry = canonical.dumps({**value, **changes})

    return harm


def retyped(forge: Forge) -> None:
    forge.envelope = {**sign_envelope("text/plain", forge.payload, forge.signers), "payloadType": PAYLOAD_TYPE}


def stray(forge: Forge) -> None:
    """A further signer's certificate, under another root."""
    forge.certificates = [CERTIFICATE, OTHER.issue(SECOND.public_key())]


def unknown_critical(forge: Forge) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    more = [x509.Extension(extension.oid, True, extension)]
    forge.certificates = [der_of(odd_certificate(PUBLIC, ROOT, more=more))]


def log_key(forge: Forge) -> None:
    forge.policy = forge.policy_text()
    forge.log = NoteSigner(ORIGIN, ed25519(21))


def checkpoint(make: Callable[[Forge], bytes]) -> Harm:
    def harm(forge: Forge) -> None:
        forge.checkpoint = make(forge)

    return harm


def size(count: int) -> Harm:
    def make(forge: Forge) -> bytes:
        text = Checkpoint(ORIGIN, count, b"\x00" * 32).text()
        return write_note(text, [forge.log.sign(text)])

    return checkpoint(make)


def forged_cosignature(forge: Forge) -> None:
    forge.policy = forge.policy_text()
    keys = [witness.key for witness in forge.witnesses]
    forge.witnesses = [Cosigner(witness.key.name, ed25519(60)) for witness in forge.witnesses]
    for witness, key in zip(forge.witnesses, keys, strict=True):
        witness.key = key


SUBJECT = {"name": "a", "digest": {"sha256": "ab" * 32}}
PARTS: dict[str, tuple[str, str, Harm]] = {
    "trust-of-another-type": ("trust", "trust_malformed", trust("text/plain")),
    "trust-version-0": ("trust", "trust_malformed", trust(version=0)),
    "trust-version-true": ("trust", "trust_malformed", trust(version=True)),
    "trust-more-fields": ("trust", "trust_malformed", trust(more=1)),
    "trust-policy": ("trust", "trust_malformed", trust(policy="quorum all")),
    "trust-time": ("trust", "trust_malformed", trust(issued="2026-03-01")),
    "trust-development": ("trust", "trust_malformed", trust(development="no")),
    "envelope-no-object": ("envelope", "envelope_malformed", fields(envelope="x")),
    "certificate-garbage": ("chain", "chain_malformed", fields(certificates=[b"\x30\x03\x02\x01\x01"], serial=1)),
    "certificate-huge": ("chain", "chain_malformed", fields(certificates=[b"\x30" * 20_000], serial=1)),
    "root-same-name": ("chain", "chain_untrusted", certificate(key=p256(99))),
    "stray-signer": ("chain", "chain_untrusted", stray),
    "unknown-critical": ("chain", "chain_untrusted", unknown_critical),
    "root-as-signer": ("chain", "signer_is_ca", fields(certificates=[ROOT.der], signers=[ROOT.signer])),
    "usage-none": (
        "chain",
        "key_usage_wrong",
        certificate(usage={"digital_signature": False, "crl_sign": True}),
    ),
    "usage-more": ("chain", "key_usage_wrong", certificate(usage={"key_cert_sign": True})),
    "extended-any": (
        "chain",
        "eku_missing",
        certificate(extended=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
    ),
    "signed-other-type": ("signature", "signature_invalid", retyped),
    "statement-garbage": ("statement", "statement_malformed", fields(payload=b"garbage")),
    "entry-more": ("entry", "entry_malformed", entry(more=1)),
    "entry-huge": ("entry", "entry_malformed", fields(entry=b" " * 70_000)),
    "checkpoint-garbage": ("checkpoint", "checkpoint_malformed", fields(checkpoint=b"garbage\n\n")),
    "checkpoint-no-size": (
        "checkpoint",
        "checkpoint_malformed",
        checkpoint(lambda forge: write_note(f"{ORIGIN}\n", [forge.log.sign(f"{ORIGIN}\n")])),
    ),
    "log-key": ("checkpoint", "checkpoint_signature_invalid", log_key),
    "size-smaller": ("inclusion", "index_out_of_range", size(3)),
    "cosignature-forged": ("time", "cosignature_invalid", forged_cosignature),
    "time-out-of-range": ("time", "time_in_future", fields(seen=[datetime(9999, 12, 31, tzinfo=NOW.tzinfo)] * 3)),
    "crl-garbage": ("crl", "crl_malformed", fields(crl=b"\x30\x00")),
    "not-yet-valid": ("validity", "not_yet_valid", fields(certificates=[ROOT.issue(PUBLIC, begin=NOW + DAY)])),
    "seen-before-it-began": ("validity", "not_yet_valid", fields(seen=[NOW - 12 * DAY] * 3)),
    "expired": ("validity", "expired", fields(certificates=[ROOT.issue(PUBLIC, days=5)])),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_otherwise_has_its_reason(name: str) -> None:
    check, reason, harm = PARTS[name]
    forge = Forge(root=ROOT)
    harm(forge)
    report = ask(forge)
    assert failed(report) == (check, reason)
    assert report.verdict is Verdict.INVALID
    assert next(item for item in report.checks if item.name == "policy").status == "skipped"
