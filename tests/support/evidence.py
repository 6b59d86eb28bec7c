"""Evidence made from made-up parts, each of which a test may replace before the file is put together."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.logs import SIGNER, TestLog, entry_of

from lumen_workers.domain.ports import Signer
from lumen_workers.trust import canonical, merkle
from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.dsse import sign_envelope
from lumen_workers.trust.evidence.form import MEDIA_TYPE
from lumen_workers.trust.evidence.question import Question
from lumen_workers.trust.evidence.report import CHECKS, EvidenceReport
from lumen_workers.trust.evidence.verify import verify_evidence
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.notes import Cosigner, NoteSigner, write_note
from lumen_workers.trust.pki import certificates
from lumen_workers.trust.pki.certificates import der_of, fingerprint
from lumen_workers.trust.pki.crl import Revocation, make_crl
from lumen_workers.trust.pki.documents import make_rotation, make_trust
from lumen_workers.trust.pki.trust_file import TrustFile
from lumen_workers.trust.statement import PAYLOAD_TYPE, Material, Statement
from lumen_workers.trust.tlog.entries import attestation_entry
from lumen_workers.trust.tlog.policy import write_policy
from lumen_workers.trust.tlog.proof import TlogProof

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REGION = "us-west-2"
IDENTITY = f"urn:lumen:region:{REGION}"
TRACE = "0123456789abcdef" * 2
ORIGIN = "example.org/log"
DAY = timedelta(days=1)


def ed25519(number: int) -> Ed25519PrivateKey:
    """One of 256 keys."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def p256(number: int) -> EllipticCurvePrivateKey:
    """A key."""
    return derive_private_key(number, SECP256R1())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Root:
    """A root and its key."""

    def __init__(self, number: int = 1, *, development: bool = False, begin: datetime = NOW - 30 * DAY) -> None:
        self.key = p256(number)
        self.certificate = certificates.make_root(self.key, begin, development=development)
        self.signer = RegionKey(self.key)
        self.der = der_of(self.certificate)
        self.fingerprint = fingerprint(self.der)
        self.development = development

    def issue(self, public: Any, *, region: str = REGION, begin: datetime = NOW - 10 * DAY, days: int = 180) -> bytes:
        """A signer's certificate, DER."""
        return der_of(certificates.make_signer(region, public, self.certificate, self.key, begin, days))

    def crl(self, *, number: int = 5, revoked: Sequence[Revocation] = (), begin: datetime = NOW - 5 * DAY) -> bytes:
        """A revocation list of 120 days, DER."""
        return make_crl(self.certificate, self.key, number=number, revoked=revoked, now=begin)

    def trust(self, policy: str, *, version: int = 3) -> dict[str, Any]:
        """A trust document."""
        return make_trust(
            self.certificate, self.signer, version=version, policy=policy, development=self.development, now=NOW - DAY
        )

    def rotation(self, new: Root, at: datetime) -> dict[str, Any]:
        """The document by which ``new`` follows."""
        return make_rotation(self.certificate, self.signer, new.certificate, new.signer, now=at, reason="test")


ROOT = Root()
OTHER = Root(2)
"""Somebody else's."""


def odd_certificate(
    public: Any,
    root: Root,
    *,
    ca: bool = False,
    critical: bool = True,
    usage: dict[str, bool] | None = None,
    extended: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.CODE_SIGNING,),
    names: Sequence[str] = (IDENTITY,),
    more: Sequence[x509.Extension[Any]] = (),
    issuer: x509.Name | None = None,
    subject: str = "odd",
    key: EllipticCurvePrivateKey | Ed25519PrivateKey | None = None,
) -> x509.Certificate:
    """A certificate such as our root never issues."""
    flags = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    signing = key or root.key
    authority = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer or root.certificate.subject)
        .public_key(public)
        .serial_number(77)
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(NOW + 100 * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=critical)
        .add_extension(x509.KeyUsage(**{"digital_signature": True, **flags, **(usage or {})}), critical=critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
    )
    if extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if names:
        uris = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names])
        builder = builder.add_extension(uris, critical=False)
    for extension in more:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(signing, None if isinstance(signing, Ed25519PrivateKey) else SHA256())


def statement(subjects: Sequence[tuple[str, bytes]] = (("report.txt", b"report\n"),), **changes: Any) -> Statement:
    """About these files (name, content)."""
    fields: dict[str, Any] = {
        "subjects": [Material(name=name, sha256=hashlib.sha256(data).hexdigest()) for name, data in subjects],
        "build_type": "lumen/attest@v1",
        "external": {"files": [name for name, _ in subjects]},
        "internal": {"region": REGION, "trace_id": TRACE, "code_version": "1" * 8},
        "materials": [],
        "builder": IDENTITY,
        "version": "1.0",
        "invocation": TRACE,
        "started": "2026-03-01T11:59:00+00:00",
        "finished": "2026-03-01T12:00:00+00:00",
    }
    return Statement(**{**fields, **changes})


@dataclass
class Forge:
    """Set a part, then ``dump``: everything that follows from it is made from it, as by one who has all the keys.

    ``seen``: when each witness says that it saw the checkpoint. ``before`` and ``after``: the log's other entries.
    """

    root: Root = field(default_factory=lambda: ROOT)
    signers: list[Signer] = field(default_factory=lambda: [RegionKey(ed25519(10))])
    certificates: list[bytes] | None = None
    payload: bytes = field(default_factory=lambda: statement().dump())
    payload_type: str = PAYLOAD_TYPE
    envelope: Any = None
    entry: bytes | None = None
    serial: int | None = None
    before: list[bytes] = field(default_factory=lambda: [b"entry 0", b"entry 1", b"entry 2"])
    after: list[bytes] = field(default_factory=lambda: [b"entry 4", b"entry 5", b"entry 6"])
    log: NoteSigner = field(default_factory=lambda: NoteSigner(ORIGIN, ed25519(20)))
    witnesses: list[Cosigner] = field(default_factory=lambda: [Cosigner(f"w{n}", ed25519(30 + n)) for n in range(3)])
    seen: list[datetime | None] = field(default_factory=lambda: [NOW - timedelta(minutes=n) for n in (3, 2, 1)])
    threshold: int = 2
    policy: str | None = None
    trust: Any = None
    crl: bytes | None = None
    former: list[bytes] = field(default_factory=list)
    rotations: list[Any] = field(default_factory=list)
    checkpoint: bytes | None = None

    def unwitnessed(self) -> Forge:
        """As where no witness is known."""
        self.seen, self.threshold, self.witnesses = [], 0, []
        return self

    def policy_text(self) -> str:
        """The trust document's policy."""
        if self.policy is not None:
            return self.policy
        return write_policy([self.log.key], [(witness.key, None) for witness in self.witnesses], self.threshold)

    def trust_file(self) -> TrustFile:
        """What the root says."""
        return TrustFile(
            root=self.root.der,
            former_roots=tuple(self.former),
            rotations=tuple(self.rotations),
            trust=self.root.trust(self.policy_text()) if self.trust is None else self.trust,
            crl=self.root.crl() if self.crl is None else self.crl,
        )

    def note(self, leaves: Sequence[bytes]) -> bytes:
        """The log's checkpoint over these entries, cosigned."""
        root = merkle.root(merkle.leaf_hash(leaf) for leaf in leaves)
        text = Checkpoint(self.log.key.name, len(leaves), root).text()
        lines = [
            witness.cosign(text, int(at.timestamp()))
            for witness, at in zip(self.witnesses, self.seen, strict=True)
            if at is not None
        ]
        return write_note(text, [self.log.sign(text), *lines])

    def value(self) -> dict[str, Any]:
        """The file as a JSON value."""
        chain = self.certificates
        if chain is None:
            chain = [self.root.issue(ed25519(10).public_key())]
        envelope = self.envelope
        if envelope is None:
            envelope = sign_envelope(self.payload_type, self.payload, self.signers)
        serial = self.serial
        if serial is None:
            serial = x509.load_der_x509_certificate(chain[0]).serial_number if chain else 1
        entry = self.entry
        if entry is None:
            entry = attestation_entry(canonical.dumps(envelope), serial=serial, trace_id=TRACE)
        leaves = [*self.before, entry, *self.after]
        hashes = merkle.inclusion_proof([merkle.leaf_hash(leaf) for leaf in leaves], len(self.before))
        proof = TlogProof(len(self.before), tuple(hashes), self.checkpoint or self.note(leaves))
        return {
            "mediaType": MEDIA_TYPE,
            "envelope": envelope,
            "certificates": [b64(item) for item in chain],
            "entry": b64(entry),
            "proof": proof.dump(),
            **self.trust_file().as_json(),
        }

    def dump(self) -> bytes:
        """The file's bytes."""
        return json.dumps(self.value()).encode()


def ask(forge: Forge | bytes | None, **changes: Any) -> EvidenceReport:
    """Verify it as one who has pinned ``ROOT``."""
    data = forge.dump() if isinstance(forge, Forge) else forge
    fields: dict[str, Any] = {"roots": (ROOT.fingerprint,), "now": NOW, **changes}
    return verify_evidence(data, Question(**fields))


def failed(report: EvidenceReport) -> tuple[str, str]:
    """The first check that failed, and why, of a report that is whole and does not contradict itself."""
    assert tuple(check.name for check in report.checks) == CHECKS
    first = next((check for check in report.checks if check.status == "failed"), None)
    assert report.reason == (first.reason if first else "")
    assert report.ok == (first is None)
    assert all(check.reason for check in report.checks if check.status != "ran")
    assert all(check.detail.isprintable() for check in report.checks)
    json.dumps(report.as_json(), ensure_ascii=False).encode()
    return ("", "") if first is None else (first.name, first.reason)


def edited(**changes: Any) -> bytes:
    """A good file with other fields."""
    return json.dumps({**Forge().value(), **changes}).encode()


def logged(log: TestLog) -> bytes:
    """Evidence whose entry is number 200 of a log that goes on to 300, more than a tile holds."""
    log.fill(200)
    forge = Forge(log=SIGNER, before=[entry_of(number) for number in range(200)], after=[])
    value = forge.value()
    log.store.logs.enqueue(SIGNER.key.name, "evidence", base64.b64decode(value["entry"]), b"envelope")
    assert log.sequencer.append() == 1
    log.fill(99)
    return json.dumps(value).encode()
