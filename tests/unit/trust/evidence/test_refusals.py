"""Each way to spoil evidence, with its own check and reason."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.evidence import (
    DAY,
    IDENTITY,
    NOW,
    ORIGIN,
    OTHER,
    ROOT,
    TRACE,
    Forge,
    Root,
    ask,
    b64,
    ed25519,
    failed,
    odd_certificate,
    p256,
    statement,
)

from lumen_workers.trust import canonical
from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.dsse import pae, sign_envelope
from lumen_workers.trust.evidence.policy import Verdict
from lumen_workers.trust.keys import RegionKey
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


def certificate(*args: Any, **changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        forge.certificates = [der_of(odd_certificate(*(args or (PUBLIC,)), ROOT, **changes))]

    return harm


def trust(kind: str = TRUST_TYPE, by: Root = ROOT, **changes: Any) -> Harm:
    def harm(forge: Forge) -> None:
        payload = json.loads(base64.b64decode(ROOT.trust(forge.policy_text())["payload"]))
        forge.trust = sign_envelope(kind, canonical.dumps({**payload, **changes}), [by.signer])

    return harm


def said(**changes: Any) -> Harm:
    """Another statement, duly signed."""

    def harm(forge: Forge) -> None:
        value = json.loads(statement().dump())
        for key, item in changes.items():
            value[key] = item
        forge.payload = canonical.dumps(value)

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


def hashed(forge: Forge) -> None:
    """Signed as many do who have not read the specification."""
    forge.envelope = sign_envelope(PAYLOAD_TYPE, forge.payload, forge.signers)
    digest = hashlib.sha256(pae(PAYLOAD_TYPE, forge.payload)).digest()
    forge.envelope["signatures"][0]["sig"] = b64(ed25519(10).sign(digest))


def payload_signed(forge: Forge) -> None:
    forge.envelope = sign_envelope(PAYLOAD_TYPE, forge.payload, forge.signers)
    forge.envelope["signatures"][0]["sig"] = b64(ed25519(10).sign(forge.payload))


def retyped(forge: Forge) -> None:
    forge.envelope = {**sign_envelope("text/plain", forge.payload, forge.signers), "payloadType": PAYLOAD_TYPE}


def leaf_as_authority(forge: Forge) -> None:
    """A signer issues a certificate for another region."""
    signer = x509.load_der_x509_certificate(CERTIFICATE)
    leaf = odd_certificate(SECOND.public_key(), ROOT, issuer=signer.subject, key=ed25519(10))
    forge.certificates, forge.signers = [der_of(leaf), CERTIFICATE], [RegionKey(SECOND)]


def stray(forge: Forge) -> None:
    """A further signer's certificate, under another root."""
    forge.certificates = [CERTIFICATE, OTHER.issue(SECOND.public_key())]


def unknown_critical(forge: Forge) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    more = [x509.Extension(extension.oid, True, extension)]
    forge.certificates = [der_of(odd_certificate(PUBLIC, ROOT, more=more))]


def other_log(forge: Forge) -> None:
    forge.policy = forge.policy_text()
    forge.log = NoteSigner("example.org/other", ed25519(21))


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


def log_as_witness(forge: Forge) -> None:
    forge.witnesses = [Cosigner("w", ed25519(20))]
    forge.seen, forge.threshold = [NOW - DAY], 1


def signer_as_witness(forge: Forge) -> None:
    forge.witnesses = [Cosigner("w", ed25519(10))]
    forge.seen, forge.threshold = [NOW - DAY], 1


def crl(*, name: str = "Lumen Root CA", key: int = 1, number: bool = True) -> bytes:
    """A list such as our root never signs."""
    issuer = x509.Name([*x509.Name.from_rfc4514_string(f"O=Lumen System C,CN={name}")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    builder = builder.last_update(NOW - DAY).next_update(NOW + 30 * DAY)
    if number:
        builder = builder.add_extension(x509.CRLNumber(5), critical=False)
    return builder.sign(p256(key), SHA256()).public_bytes(Encoding.DER)


SUBJECT = {"name": "a", "digest": {"sha256": "ab" * 32}}
PARTS: dict[str, tuple[str, str, Harm]] = {
    "trust-of-another-type": ("trust", "trust_malformed", trust("text/plain")),
    "trust-signed-by-another": ("trust", "trust_signature_invalid", trust(by=OTHER)),
    "trust-of-another-root": ("trust", "trust_root_mismatch", trust(root=OTHER.fingerprint)),
    "trust-version-0": ("trust", "trust_malformed", trust(version=0)),
    "trust-version-true": ("trust", "trust_malformed", trust(version=True)),
    "trust-schema": ("trust", "trust_malformed", trust(schema="lumen-trust/2")),
    "trust-more-fields": ("trust", "trust_malformed", trust(more=1)),
    "trust-policy": ("trust", "trust_malformed", trust(policy="quorum all")),
    "trust-time": ("trust", "trust_malformed", trust(issued="2026-03-01")),
    "trust-development": ("trust", "trust_malformed", trust(development="no")),
    "type-of-payload": ("envelope", "payload_type_mismatch", fields(payload_type="application/vnd.in-toto+xml")),
    "envelope-no-object": ("envelope", "envelope_malformed", fields(envelope="x")),
    "no-certificate": ("chain", "chain_malformed", fields(certificates=[])),
    "certificate-garbage": ("chain", "chain_malformed", fields(certificates=[b"\x30\x03\x02\x01\x01"], serial=1)),
    "certificate-huge": ("chain", "chain_malformed", fields(certificates=[b"\x30" * 20_000], serial=1)),
    "root-other-chain": ("chain", "chain_untrusted", fields(certificates=[OTHER.issue(PUBLIC)])),
    "root-same-name": ("chain", "chain_untrusted", certificate(PUBLIC, key=p256(99))),
    "stray-signer": ("chain", "chain_untrusted", stray),
    "unknown-critical": ("chain", "chain_untrusted", unknown_critical),
    "signer-is-authority": ("chain", "signer_is_ca", certificate(PUBLIC, ca=True)),
    "root-as-signer": ("chain", "signer_is_ca", fields(certificates=[ROOT.der], signers=[ROOT.signer])),
    "leaf-as-authority": ("chain", "issuer_not_ca", leaf_as_authority),
    "constraints-not-critical": ("chain", "chain_malformed", certificate(PUBLIC, critical=False)),
    "usage-none": (
        "chain",
        "key_usage_wrong",
        certificate(PUBLIC, usage={"digital_signature": False, "crl_sign": True}),
    ),
    "usage-more": ("chain", "key_usage_wrong", certificate(PUBLIC, usage={"key_cert_sign": True})),
    "extended-missing": ("chain", "eku_missing", certificate(PUBLIC, extended=None)),
    "extended-other": ("chain", "eku_missing", certificate(PUBLIC, extended=[ExtendedKeyUsageOID.SERVER_AUTH])),
    "extended-any": (
        "chain",
        "eku_missing",
        certificate(PUBLIC, extended=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
    ),
    "identity-missing": ("chain", "identity_missing", certificate(PUBLIC, names=())),
    "identity-other": ("chain", "identity_missing", certificate(PUBLIC, names=("https://example.org",))),
    "identity-twice": ("chain", "identity_missing", certificate(PUBLIC, names=(IDENTITY, "urn:lumen:region:x"))),
    "key-rsa": (
        "chain",
        "key_algorithm_not_allowed",
        certificate(rsa.generate_private_key(65537, 2048).public_key()),
    ),
    "key-p384": (
        "chain",
        "key_algorithm_not_allowed",
        certificate(generate_private_key(SECP384R1()).public_key()),
    ),
    "signed-by-nobody": ("signature", "signature_missing", fields(signers=[])),
    "signed-by-another": ("signature", "signature_invalid", fields(signers=[RegionKey(SECOND)])),
    "signed-hash": ("signature", "signature_invalid", hashed),
    "signed-payload": ("signature", "signature_invalid", payload_signed),
    "signed-other-type": ("signature", "signature_invalid", retyped),
    "statement-type": ("statement", "statement_type_mismatch", said(_type="https://in-toto.io/Statement/v0.1")),
    "predicate-type": ("statement", "predicate_type_mismatch", said(predicateType="https://slsa.dev/provenance/v0.2")),
    "builder": (
        "statement",
        "builder_mismatch",
        fields(payload=statement(builder="urn:lumen:region:elsewhere").dump()),
    ),
    "statement-garbage": ("statement", "statement_malformed", fields(payload=b"garbage")),
    "statement-twice": ("statement", "duplicate_key", fields(payload=b'{"_type":1,"_type":2}')),
    "subject-unsafe": ("statement", "subject_name_unsafe", said(subject=[{**SUBJECT, "name": "../a"}])),
    "subject-absolute": ("statement", "subject_name_unsafe", said(subject=[{**SUBJECT, "name": "/a"}])),
    "subject-repeated": ("statement", "subject_repeated", said(subject=[SUBJECT, SUBJECT])),
    "subjects-too-many": (
        "statement",
        "too_many_subjects",
        said(subject=[{**SUBJECT, "name": str(n)} for n in range(1025)]),
    ),
    "entry-garbage": ("entry", "entry_malformed", fields(entry=b"garbage")),
    "entry-kind": ("entry", "entry_malformed", entry(kind="other")),
    "entry-more": ("entry", "entry_malformed", entry(more=1)),
    "entry-huge": ("entry", "entry_malformed", fields(entry=b" " * 70_000)),
    "entry-of-another-envelope": ("entry", "entry_mismatch", entry(envelope_sha256="ab" * 32)),
    "entry-of-another-signer": ("entry", "entry_mismatch", fields(serial=7)),
    "checkpoint-garbage": ("checkpoint", "checkpoint_malformed", fields(checkpoint=b"garbage\n\n")),
    "checkpoint-no-size": (
        "checkpoint",
        "checkpoint_malformed",
        checkpoint(lambda forge: write_note(f"{ORIGIN}\n", [forge.log.sign(f"{ORIGIN}\n")])),
    ),
    "log-unknown": ("checkpoint", "log_unknown", other_log),
    "log-key": ("checkpoint", "checkpoint_signature_invalid", log_key),
    "size-other": ("inclusion", "inclusion_invalid", size(8)),
    "size-smaller": ("inclusion", "index_out_of_range", size(3)),
    "cosignature-forged": ("time", "cosignature_invalid", forged_cosignature),
    "witness-is-log": ("time", "self_asserted_time", log_as_witness),
    "witness-is-signer": ("time", "self_asserted_time", signer_as_witness),
    "time-in-future": ("time", "time_in_future", fields(seen=[NOW + DAY] * 3)),
    "time-out-of-range": ("time", "time_in_future", fields(seen=[datetime(9999, 12, 31, tzinfo=NOW.tzinfo)] * 3)),
    "crl-missing": ("crl", "crl_missing", fields(crl=b"")),
    "crl-garbage": ("crl", "crl_malformed", fields(crl=b"\x30\x00")),
    "crl-of-another-root": ("crl", "crl_issuer_mismatch", fields(crl=crl(name="Other"))),
    "crl-signed-by-another": ("crl", "crl_signature_invalid", fields(crl=crl(key=99))),
    "crl-without-number": ("crl", "crl_number_missing", fields(crl=crl(number=False))),
    "crl-in-future": ("crl", "crl_not_yet_valid", fields(crl=ROOT.crl(begin=NOW + DAY))),
    "crl-stale": ("crl", "crl_stale", fields(crl=ROOT.crl(begin=NOW - 121 * DAY))),
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
