"""A world of evidence from nothing but cryptography: every part can be made wrong while the rest is made to fit.

It shares no code with what makes evidence, nor with what verifies it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SIGNED = datetime(2026, 5, 10, 0, 6, tzinfo=UTC)
BEGIN, END = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC)
DAY = "2026-05-09"
ORIGIN = "example.org/lumen"
REGION = "urn:lumen:region:ap-northeast-2"
MANIFEST = "snapshot.manifest.json"
REPORT = f"files/controls/reports/report_{DAY}.pdf"
METRICS = "files/loops/main/logs/metrics.csv"

Json = dict[str, Any]
Edit = Callable[[Any], Any]


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def split(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


def tree(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    half = split(len(hashes))
    return node(tree(hashes[:half]), tree(hashes[half:]))


def audit_path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    if len(hashes) < 2:
        return []
    half = split(len(hashes))
    if index < half:
        return [*audit_path(index, hashes[:half]), tree(hashes[half:])]
    return [*audit_path(index - half, hashes[half:]), tree(hashes[:half])]


def encoded(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return f"DSSEv1 {len(kind.encode())} {kind} {len(payload)} ".encode() + payload


def spki(public: Any) -> bytes:
    data: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def sign(key: Any, message: bytes) -> bytes:
    signature: bytes = (
        key.sign(message, ec.ECDSA(SHA256())) if isinstance(key, ec.EllipticCurvePrivateKey) else key.sign(message)
    )
    return signature


def envelope(kind: str, payload: bytes, keys: Sequence[Any], encoding: Callable[[str, bytes], bytes] = encoded) -> Json:
    return {
        "payload": b64(payload),
        "payloadType": kind,
        "signatures": [
            {"keyid": sha256(spki(key.public_key())).hex(), "sig": b64(sign(key, encoding(kind, payload)))}
            for key in keys
        ],
    }


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lumen System C"),
        ]
    )


def usage(*, sign_: bool = True, authority: bool = False, encipher: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign_,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


class Root:
    """A root authority."""

    def __init__(self, common: str = "Lumen Root CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(common)
        self.ski = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGIN - timedelta(days=300))
            .not_valid_after(BEGIN + timedelta(days=3300))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(usage(authority=True), critical=True)
            .add_extension(self.ski, critical=False)
            .sign(self.key, SHA256())
        )
        self.der = self.certificate.public_bytes(Encoding.DER)
        self.fingerprint = hashlib.sha256(self.der).hexdigest()


@dataclass
class Signer:
    """What a signer's certificate is made with."""

    key: Any = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    common: str = "ap-northeast-2"
    begin: datetime = BEGIN
    end: datetime = END
    ca: bool = False
    constraints_critical: bool = True
    purposes: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    usage: x509.KeyUsage = field(default_factory=usage)
    uris: Sequence[str] = (REGION,)
    serial: int = field(default_factory=x509.random_serial_number)

    def certificate(self, issuer: Root | Signer) -> bytes:
        """Its DER, issued by a root or (wrongly) by another signer."""
        key: Any = issuer.key
        if isinstance(issuer, Root):
            issued_by, ski = issuer.name, issuer.ski
        else:
            issued_by = name(issuer.common)
            ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        public = self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(self.common))
            .issuer_name(issued_by)
            .public_key(public)
            .serial_number(self.serial)
            .not_valid_before(self.begin)
            .not_valid_after(self.end)
            .add_extension(
                x509.BasicConstraints(ca=self.ca, path_length=0 if self.ca else None),
                critical=self.constraints_critical,
            )
            .add_extension(self.usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
        )
        if self.purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(self.purposes)), critical=False)
        if self.uris:
            names = [x509.UniformResourceIdentifier(uri) for uri in self.uris]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
        return builder.sign(key, algorithm).public_bytes(Encoding.DER)


@dataclass
class Crl:
    """What a revocation list is made with. ``revoked``: serial → (revocation date, invalidity date or None)."""

    number: int | None = 3
    begin: datetime = datetime(2026, 5, 9, tzinfo=UTC)
    end: datetime = datetime(2026, 9, 6, tzinfo=UTC)
    revoked: dict[int, tuple[datetime, datetime | None]] = field(default_factory=dict)
    delta_of: int | None = None

    def der(self, root: Root, key: Any = None) -> bytes:
        """Signed by ``key``, else by the root."""
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(root.name).last_update(self.begin).next_update(self.end)
        )
        if self.number is not None:
            builder = builder.add_extension(x509.CRLNumber(self.number), critical=False)
        if self.delta_of is not None:
            builder = builder.add_extension(x509.DeltaCRLIndicator(self.delta_of), critical=True)
        for serial, (at, since) in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            if since is not None:
                entry = entry.add_extension(x509.InvalidityDate(since.replace(tzinfo=None)), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or root.key, SHA256()).public_bytes(Encoding.DER)


class NoteKey:
    """A log's (algorithm 1) or witness's (4) key."""

    def __init__(self, key_name: str, algorithm: int, key: ed25519.Ed25519PrivateKey | None = None) -> None:
        self.key = key or ed25519.Ed25519PrivateKey.generate()
        self.name, self.algorithm = key_name, algorithm
        raw = bytes([algorithm]) + self.key.public_key().public_bytes_raw()
        self.id = sha256(f"{key_name}\n".encode() + raw)[:4]
        self.vkey = f"{key_name}+{self.id.hex()}+{b64(raw)}"

    def line(self, text: str, at: int | None = None) -> str:
        message = text if at is None else f"cosignature/v1\ntime {at}\n{text}"
        stamp = b"" if at is None else at.to_bytes(8, "big")
        return f"— {self.name} {b64(self.id + stamp + self.key.sign(message.encode()))}\n"


def unchanged(value: Any) -> Any:
    return value


@dataclass
class Forge:
    """Knobs of one evidence file, as it is right. ``build`` makes it; a mutation turns knobs before that.

    ``edit_…`` change a part before what covers it is signed; ``after`` changes the finished file's JSON, ``raw`` its
    bytes.
    """

    folder: Path
    root: Root = field(default_factory=Root)
    signers: list[Signer] = field(default_factory=lambda: [Signer()])
    issuer: Root | Signer | None = None
    intermediates: list[bytes] = field(default_factory=list)
    crl: Crl = field(default_factory=Crl)
    crl_der: bytes | None = None
    log: NoteKey = field(default_factory=lambda: NoteKey(ORIGIN, 1))
    witnesses: list[NoteKey] = field(default_factory=lambda: [NoteKey(f"w{n}.example", 4) for n in (1, 2)])
    quorum: str = "group quorum 2 w1 w2\nquorum quorum\n"
    seen: list[int] = field(default_factory=lambda: [int(SIGNED.timestamp()), int(SIGNED.timestamp()) + 60])
    leaves: tuple[int, int] = (4, 6)
    former: list[Root] = field(default_factory=list)
    rotated: datetime = datetime(2026, 5, 20, tzinfo=UTC)
    payload_type: str = "application/vnd.in-toto+json"
    encoding: Callable[[str, bytes], bytes] = encoded
    sign_with: list[Any] | None = None
    edit_policy: Edit = unchanged
    edit_trust: Edit = unchanged
    trust_keys: list[Any] | None = None
    edit_statement: Edit = unchanged
    edit_payload: Edit = unchanged
    edit_envelope: Edit = unchanged
    edit_entry: Edit = unchanged
    edit_checkpoint: Edit = unchanged
    edit_note: Edit = unchanged
    edit_path: Edit = unchanged
    edit_index: Edit = unchanged
    edit_proof: Edit = unchanged
    edit_rotation: Edit = unchanged
    rotation_keys: Callable[[Root, Root], list[Any]] = lambda old, new: [old.key, new.key]
    after: list[Edit] = field(default_factory=list)
    raw: Edit = unchanged

    @property
    def path(self) -> Path:
        return self.folder / "ap-northeast-2.lumen.json"

    def policy(self) -> str:
        lines = [f"log {self.log.vkey}"]
        lines += [f"witness w{n} {witness.vkey}" for n, witness in enumerate(self.witnesses, start=1)]
        text: str = self.edit_policy("\n".join(lines) + "\n" + self.quorum)
        return text

    def trust(self, version: int = 2, root: Root | None = None) -> Json:
        root = root or self.root
        payload = {
            "schema": "lumen-trust/1",
            "version": version,
            "root": root.fingerprint,
            "issued": "2026-05-01T00:00:00Z",
            "development": False,
            "policy": self.policy(),
        }
        keys = self.trust_keys or [root.key]
        return envelope("application/vnd.lumen.trust+json", canonical(self.edit_trust(payload)), keys)

    def rotations(self) -> list[Json]:
        line = [*self.former, self.root]
        return [
            envelope(
                "application/vnd.lumen.rotation+json",
                canonical(
                    self.edit_rotation(
                        {
                            "schema": "lumen-rotation/1",
                            "old": old.fingerprint,
                            "new": new.fingerprint,
                            "at": self.rotated.isoformat().replace("+00:00", "Z"),
                            "reason": "yearly",
                        }
                    )
                ),
                self.rotation_keys(old, new),
            )
            for old, new in pairwise(line)
        ]

    def shared(self, crl: bytes | None = None, version: int = 2) -> Json:
        """The fields of a trust file."""
        der = self.crl_der if self.crl_der is not None else self.crl.der(self.root)
        return {
            "root": b64(self.root.der),
            "former_roots": [b64(root.der) for root in self.former],
            "rotations": self.rotations(),
            "trust": self.trust(version),
            "crl": b64(crl if crl is not None else der),
        }

    def trust_file(self, **changes: Any) -> bytes:
        return canonical({"mediaType": "application/vnd.lumen.trust-file+json;version=1", **self.shared(**changes)})

    def statement(self) -> Json:
        statement: Json = self.edit_statement(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [
                    {"name": path, "digest": {"sha256": hashlib.sha256((self.folder / path).read_bytes()).hexdigest()}}
                    for path in (MANIFEST, REPORT)
                ],
                "predicateType": "https://slsa.dev/provenance/v1",
                "predicate": {
                    "buildDefinition": {
                        "buildType": "lumen/daily-report@v1",
                        "externalParameters": {"pipeline": "daily", "day": DAY, "revision": 1},
                        "internalParameters": {"region": "ap-northeast-2"},
                        "resolvedDependencies": [{"name": "seal", "digest": {"sha256": "ab" * 32}}],
                    },
                    "runDetails": {
                        "builder": {"id": REGION},
                        "metadata": {"invocationId": "x", "finishedOn": "2026-05-10T00:06:00Z"},
                    },
                },
            }
        )
        return statement

    def entry(self, sealed: Json) -> bytes:
        data: bytes = self.edit_entry(
            canonical(
                {
                    "envelope_sha256": hashlib.sha256(canonical(sealed)).hexdigest(),
                    "kind": "attestation",
                    "signer_serial": f"{self.signers[0].serial:x}",
                    "trace_id": "0123456789abcdef" * 2,
                }
            )
        )
        return data

    def log_entries(self, own: bytes) -> list[bytes]:
        before, behind = self.leaves
        return [f"before {n}".encode() for n in range(before)] + [own] + [f"behind {n}".encode() for n in range(behind)]

    def note(self, size: int, root: bytes) -> bytes:
        text: str = self.edit_checkpoint(f"{ORIGIN}\n{size}\n{b64(root)}\n")
        lines = [self.log.line(text)]
        lines += [witness.line(text, at) for witness, at in zip(self.witnesses, self.seen, strict=False)]
        note: bytes = self.edit_note((text + "\n" + "".join(lines)).encode())
        return note

    def sealed(self) -> Json:
        payload = self.edit_payload(canonical(self.statement()))
        keys = self.sign_with if self.sign_with is not None else [signer.key for signer in self.signers]
        made: Json = self.edit_envelope(envelope(self.payload_type, payload, keys, self.encoding))
        return made

    def build(self) -> bytes:
        """Write the evidence file beside its subjects; returns its bytes."""
        sealed = self.sealed()
        own = self.entry(sealed)
        self.entries = self.log_entries(own)
        hashes = [leaf(item) for item in self.entries]
        index = self.leaves[0]
        path = self.edit_path(audit_path(index, hashes))
        lines = ["c2sp.org/tlog-proof@v1", f"index {self.edit_index(index)}", *map(b64, path)]
        proof = self.edit_proof("\n".join(lines) + "\n\n" + self.note(len(hashes), tree(hashes)).decode())
        certificates = [signer.certificate(self.issuer or self.root) for signer in self.signers]
        value: Json = {
            "mediaType": "application/vnd.lumen.evidence+json;version=1",
            "envelope": sealed,
            "certificates": [b64(der) for der in [*certificates, *self.intermediates]],
            "entry": b64(own),
            "proof": proof,
            **self.shared(),
        }
        for edit in self.after:
            value = edit(value)
        data: bytes = self.raw(json.dumps(value, indent=1, ensure_ascii=False).encode())
        self.path.write_bytes(data)
        return data


def make_day(folder: Path, day: str = DAY, changes: Callable[[Json], Any] | None = None) -> None:
    """A day's snapshot in ``folder``: three files and their manifest. ``changes`` edits that before it is written."""
    contents = {
        "files/controls/seal.json": b"{}\n",
        f"files/controls/reports/report_{day}.pdf": b"%PDF-1.4 a report\n",
        METRICS: b"ts,phase_diff\n2026-05-09T00:00:00+00:00,0.5\n",
    }
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    files = [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for path, data in sorted(contents.items())
    ]
    manifest: Json = {
        "schema_version": 1,
        "label": "test",
        "created_at": "2026-05-10T00:05:00.000000+00:00",
        "sources": [],
        "highlights": [],
        "hash": {"algo": "sha256", "values": {item["path"]: item["sha256"] for item in files}},
        "seal": {
            "pipeline": "daily",
            "day": day,
            "revision": 1,
            "prev_digest": None,
            "sealed_at": "2026-05-10T00:05:00.000000+00:00",
        },
        "merkle_root": tree([leaf(canonical(item)) for item in files]).hex(),
        "files": files,
        "plain_copy": True,
        "tar": None,
    }
    if changes is not None:
        changes(manifest)
    (folder / MANIFEST).write_bytes(canonical(manifest) + b"\n")
