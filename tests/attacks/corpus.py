"""The attacks: each turns one thing, and has one reason and verdict that it must fail with."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attacks.forge import (
    BEGIN,
    DAY,
    END,
    MANIFEST,
    METRICS,
    NOW,
    ORIGIN,
    REGION,
    REPORT,
    SIGNED,
    Crl,
    Forge,
    Json,
    NoteKey,
    Root,
    Signer,
    b64,
    canonical,
    encoded,
    leaf,
    make_day,
    node,
    sha256,
    tree,
    usage,
)
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID


@dataclass
class Asked:
    """What the verifier knows besides."""

    roots: list[str] | None = None
    now: datetime = NOW
    day: str | None = None
    policy: Json = field(default_factory=dict)
    trust: bytes | None = None
    crl: bytes | None = None
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Attack:
    """``turn`` changes the forge, and what is asked, before the file is built; ``harm`` the folder afterwards."""

    name: str
    reason: str
    turn: Callable[[Forge, Asked], Any] = lambda forge, asked: None
    harm: Callable[[Forge], Any] = lambda forge: None
    verdict: str = "INVALID"


ATTACKS: list[Attack] = []


def attack(name: str, reason: str, *, verdict: str = "INVALID") -> Callable[[Callable[[Forge, Asked], Any]], None]:
    """Declares an attack that turns knobs."""

    def declare(turn: Callable[[Forge, Asked], Any]) -> None:
        ATTACKS.append(Attack(name, reason, turn=turn, verdict=verdict))

    return declare


def harm(name: str, reason: str) -> Callable[[Callable[[Forge], Any]], None]:
    """Declares one that changes the folder."""

    def declare(change: Callable[[Forge], Any]) -> None:
        ATTACKS.append(Attack(name, reason, harm=change))

    return declare


def turned(name: str, reason: str, verdict: str = "INVALID", **knobs: Any) -> None:
    """An attack that sets knobs to values."""

    def turn(forge: Forge, asked: Asked) -> None:
        for knob, value in knobs.items():
            assert hasattr(forge, knob), knob
            setattr(forge, knob, value)

    ATTACKS.append(Attack(name, reason, turn=turn, verdict=verdict))


def edited(name: str, reason: str, edit: Callable[[Json], Any]) -> None:
    """An attack that changes the finished file's JSON in place."""

    def after(value: Json) -> Json:
        edit(value)
        return value

    turned(name, reason, after=[after])


def flip(text: str, at: int = 40) -> str:
    """Base64 with one bit of its data turned."""
    data = bytearray(base64.b64decode(text))
    data[at % len(data)] ^= 1
    return b64(bytes(data))


def with_an_unused_bit(make: Callable[[], bytes], load: Callable[[bytes], Any]) -> bytes:
    """A certificate or list whose signature claims that its last bit, a zero, is none of its own."""
    der = make()
    while der[-1] % 2:
        der = make()
    place = len(der) - len(load(der).signature) - 1
    return der[:place] + b"\x01" + der[place + 1 :]


def put(value: Json, path: str, new: Any) -> Json:
    """Set the value at a path of keys joined by dots."""
    *parents, last = path.split(".")
    place = value
    for key in parents:
        place = place[key]
    place[last] = new
    return value


def statement(path: str, new: Any) -> Callable[[Json], Json]:
    return lambda value: put(value, path, new)


def replace(old: str, new: str) -> Callable[[Any], Any]:
    return lambda value: (
        value.replace(old, new, 1) if isinstance(value, str) else value.replace(old.encode(), new.encode(), 1)
    )


# --- 1 read
turned("not JSON", "evidence_malformed", raw=lambda data: b"{" + data)
turned("not UTF-8", "evidence_malformed", raw=lambda data: data + b"\xff")
turned("an empty file", "evidence_malformed", raw=lambda data: b"")
turned("huge JSON", "evidence_too_large", raw=lambda data: data + b" " * 4 * 1024**2)
turned("nested without end", "evidence_malformed", raw=lambda data: b"[" * 200_000)
turned("a key twice", "duplicate_key", raw=lambda data: data.replace(b'"proof":', b'"entry": "", "proof":', 1))
edited("an unknown field", "unknown_field", lambda value: put(value, "alg", "none"))
edited("a field less", "evidence_malformed", lambda value: value.pop("crl"))
edited("another version", "evidence_malformed", lambda value: put(value, "mediaType", "application/x"))
edited("too many certificates", "evidence_malformed", lambda value: put(value, "certificates", [value["root"]] * 17))


# --- 2 root
@attack("no pinned root", "root_not_pinned")
def _(forge: Forge, asked: Asked) -> None:
    asked.roots = []


@attack("another pinned root", "root_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    asked.roots = [Root().fingerprint]


@attack("all of it under a root of its own", "root_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    asked.roots = [forge.root.fingerprint]
    forge.root = Root()


edited("a bit of the root", "root_mismatch", lambda value: put(value, "root", flip(value["root"], -10)))


def _rotated(forge: Forge, asked: Asked) -> None:
    old = Root()
    forge.former = [old]
    asked.roots = [old.fingerprint]


@attack("a rotation that only the new root signed", "rotation_invalid")
def _(forge: Forge, asked: Asked) -> None:
    _rotated(forge, asked)
    forge.rotation_keys = lambda old, new: [new.key]


@attack("a rotation that only the old root signed", "rotation_invalid")
def _(forge: Forge, asked: Asked) -> None:
    _rotated(forge, asked)
    forge.rotation_keys = lambda old, new: [old.key]


@attack("a rotation to another root", "rotation_invalid")
def _(forge: Forge, asked: Asked) -> None:
    _rotated(forge, asked)
    forge.edit_rotation = lambda value: put(value, "new", Root().fingerprint)


@attack("a former root without its rotation", "rotation_invalid")
def _(forge: Forge, asked: Asked) -> None:
    _rotated(forge, asked)
    forge.after = [lambda value: put(value, "rotations", [])]


# --- 3 trust
turned("a trust document that a stranger signed", "trust_signature_invalid", trust_keys=[Root().key])
turned("a trust document of another root", "trust_root_mismatch", edit_trust=statement("root", "ab" * 32))
turned("a trust document of another schema", "trust_malformed", edit_trust=statement("schema", "lumen-trust/9"))
turned("a policy without a quorum", "trust_malformed", quorum="")
turned(
    "a policy with a witness twice",
    "trust_malformed",
    edit_policy=lambda text: text.replace("witness w2", "witness w1"),
)
edited(
    "a bit of the trust document",
    "trust_signature_invalid",
    lambda value: put(value, "trust.payload", flip(value["trust"]["payload"])),
)


@attack("an older trust file", "trust_version_lower")
def _(forge: Forge, asked: Asked) -> None:
    asked.trust = forge.trust_file(version=1)


# --- 4 envelope
turned("another payload type, signed", "payload_type_mismatch", payload_type="application/json")
edited(
    "another payload type, unsigned",
    "payload_type_mismatch",
    lambda value: put(value, "envelope.payloadType", "text/plain"),
)
edited("an algorithm: none", "unknown_field", lambda value: value["envelope"]["signatures"][0].update(alg="none"))
edited("an algorithm beside the payload", "unknown_field", lambda value: value["envelope"].update(alg="ES256"))
edited("signatures of another kind", "envelope_malformed", lambda value: put(value, "envelope.signatures", {}))
edited(
    "many signatures",
    "envelope_malformed",
    lambda value: put(value, "envelope.signatures", value["envelope"]["signatures"] * 17),
)
edited("a payload that is no base64", "envelope_malformed", lambda value: put(value, "envelope.payload", "?"))


# --- 5 chain
@attack("a certificate from another root", "chain_untrusted")
def _(forge: Forge, asked: Asked) -> None:
    forge.issuer = Root()


edited(
    "a bit of the certificate",
    "chain_untrusted",
    lambda value: put(value, "certificates", [flip(value["certificates"][0], -5)]),
)
edited("a certificate that is none", "chain_malformed", lambda value: put(value, "certificates", [b64(b"x")]))
edited("no certificate", "chain_malformed", lambda value: put(value, "certificates", []))


@attack("a certificate in another form", "chain_malformed")
def _(forge: Forge, asked: Asked) -> None:
    def after(value: Json) -> Json:
        der = with_an_unused_bit(lambda: forge.signers[0].certificate(forge.root), x509.load_der_x509_certificate)
        return put(value, "certificates", [b64(der)])

    forge.after = [after]


turned("a signer that is an authority", "signer_is_ca", signers=[Signer(ca=True)])
turned("no purpose", "eku_missing", signers=[Signer(purposes=())])
turned("another purpose", "eku_missing", signers=[Signer(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))])
turned(
    "any purpose beside",
    "eku_missing",
    signers=[Signer(purposes=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))],
)
turned("a key for other uses", "key_usage_wrong", signers=[Signer(usage=usage(encipher=True))])
turned("a key that may sign certificates", "key_usage_wrong", signers=[Signer(usage=usage(authority=True))])
turned("constraints that are not critical", "chain_malformed", signers=[Signer(constraints_critical=False)])
turned("no identity", "identity_missing", signers=[Signer(uris=())])
turned("two identities", "identity_missing", signers=[Signer(uris=(REGION, REGION + "x"))])
turned("a foreign identity", "identity_missing", signers=[Signer(uris=("https://example.org",))])
turned(
    "an RSA key",
    "key_algorithm_not_allowed",
    signers=[Signer(key=rsa.generate_private_key(65537, 2048))],
    sign_with=[ed25519.Ed25519PrivateKey.generate()],
)
turned(
    "a key on another curve",
    "key_algorithm_not_allowed",
    signers=[Signer(key=ec.generate_private_key(ec.SECP384R1()))],
    sign_with=[ed25519.Ed25519PrivateKey.generate()],
)


@attack("a leaf that issues", "issuer_not_ca")
def _(forge: Forge, asked: Asked) -> None:
    middle = Signer(common="middle")
    forge.issuer, forge.intermediates = middle, [middle.certificate(forge.root)]


# --- 6 signature
turned("nobody signed", "signature_missing", sign_with=[])
turned("a stranger's signature", "signature_invalid", sign_with=[ed25519.Ed25519PrivateKey.generate()])
turned("a signature over a hash", "signature_invalid", encoding=lambda kind, payload: sha256(encoded(kind, payload)))
turned("a signature over the payload alone", "signature_invalid", encoding=lambda kind, payload: payload)
turned(
    "another version of the encoding",
    "signature_invalid",
    encoding=lambda kind, payload: encoded(kind, payload).replace(b"DSSEv1", b"DSSEv2"),
)
edited(
    "a bit of the payload",
    "signature_invalid",
    lambda value: put(value, "envelope.payload", flip(value["envelope"]["payload"])),
)
edited(
    "a bit of the signature",
    "signature_invalid",
    lambda value: value["envelope"]["signatures"][0].update(sig=flip(value["envelope"]["signatures"][0]["sig"])),
)


@attack("one key under two key ids", "threshold_not_met")
def _(forge: Forge, asked: Asked) -> None:
    asked.policy = {"threshold": 2}

    def twice(sealed: Json) -> Json:
        sealed["signatures"] = [sealed["signatures"][0], {**sealed["signatures"][0], "keyid": "ab" * 32}]
        return sealed

    forge.edit_envelope = twice


@attack("one key under two certificates", "threshold_not_met")
def _(forge: Forge, asked: Asked) -> None:
    asked.policy = {"threshold": 2}
    forge.signers = [forge.signers[0], Signer(key=forge.signers[0].key)]


# --- 7 statement
turned("a key twice in the statement", "duplicate_key", edit_payload=replace('"subject":', '"subject":[],"subject":'))
turned("no JSON in the payload", "statement_malformed", edit_payload=lambda data: data + b"}")
turned(
    "another statement type",
    "statement_type_mismatch",
    edit_statement=statement("_type", "https://in-toto.io/Statement/v0.1"),
)
turned(
    "another predicate type",
    "predicate_type_mismatch",
    edit_statement=statement("predicateType", "https://slsa.dev/provenance/v0.2"),
)
turned(
    "another builder",
    "builder_mismatch",
    edit_statement=statement("predicate.runDetails.builder.id", "urn:lumen:region:us-west-2"),
)
turned("no subject", "statement_malformed", edit_statement=statement("subject", []))
turned(
    "a subject without its digest",
    "statement_malformed",
    edit_statement=statement("subject", [{"name": REPORT, "digest": {"sha1": "ab" * 20}}]),
)


def _subjects(*names: str) -> Callable[[Json], Json]:
    return statement("subject", [{"name": name, "digest": {"sha256": "ab" * 32}} for name in names])


turned(
    "a thousand subjects too many", "too_many_subjects", edit_statement=_subjects(*(f"file{n}" for n in range(1025)))
)
turned("a path that leads up", "subject_name_unsafe", edit_statement=_subjects("../secret"))
turned("a path that leads up inside", "subject_name_unsafe", edit_statement=_subjects("files/../../secret"))
turned("an absolute path", "subject_name_unsafe", edit_statement=_subjects("/etc/passwd"))
turned("a path with a backslash", "subject_name_unsafe", edit_statement=_subjects("files\\x"))
turned("a path with a control character", "subject_name_unsafe", edit_statement=_subjects("files/a\nb"))
turned("an empty name", "subject_name_unsafe", edit_statement=_subjects(""))
turned("a subject twice", "subject_repeated", edit_statement=_subjects("a", "a"))

# --- 8 entry
edited("a swapped key id", "entry_mismatch", lambda value: value["envelope"]["signatures"][0].update(keyid="ab" * 32))


def _longer(value: Json) -> None:
    # The same signature, written otherwise: it verifies, and is still not the envelope that was logged.
    value["envelope"]["signatures"] *= 2


edited("a signature that stands twice", "entry_mismatch", _longer)


def _another_entry(value: Json) -> None:
    entry = json.loads(base64.b64decode(value["entry"]))
    value["entry"] = b64(canonical({**entry, "envelope_sha256": "ab" * 32}))


edited("an entry of something else", "entry_mismatch", _another_entry)
turned(
    "an entry of another signer",
    "entry_mismatch",
    edit_entry=lambda data: canonical({**json.loads(data), "signer_serial": "1"}),
)
turned(
    "an entry of another kind", "entry_malformed", edit_entry=lambda data: canonical({**json.loads(data), "kind": "x"})
)
turned("an entry in another form", "entry_malformed", edit_entry=lambda data: data + b" ")


@attack("a node taken for a leaf", "entry_malformed")
def _(forge: Forge, asked: Asked) -> None:
    def higher(value: Json) -> Json:
        # The first two leaves' parent, as an entry of its own: without the prefixes it would be one.
        pair = leaf(forge.entries[0]) + leaf(forge.entries[1])
        return put(value, "entry", b64(pair))

    forge.after = [higher]


# --- 9 checkpoint
turned("a proof of another form", "proof_malformed", edit_proof=replace("tlog-proof@v1", "tlog-proof@v2"))
turned("a proof without its index", "proof_malformed", edit_proof=replace("index 4\n", ""))
turned("an index with a zero before it", "proof_malformed", edit_proof=replace("index 4\n", "index 04\n"))
turned("a checkpoint that is cut off", "checkpoint_malformed", edit_note=lambda note: note[:-10])
turned("a size that is none", "checkpoint_malformed", edit_checkpoint=replace("\n11\n", "\n-11\n"))
turned("a log that the root does not name", "log_unknown", edit_checkpoint=replace(ORIGIN, "example.org/other"))
turned(
    "a checkpoint that another key signed",
    "checkpoint_signature_invalid",
    edit_policy=replace("log ", f"log {NoteKey(ORIGIN, 1).vkey}\n# log "),
)
turned(
    "a bit of the checkpoint", "checkpoint_signature_invalid", edit_note=replace(f"{ORIGIN}\n11\n", f"{ORIGIN}\n12\n")
)
turned(
    "a checkpoint that only witnesses signed",
    "checkpoint_signature_invalid",
    edit_note=lambda note: b"\n".join(line for line in note.split(b"\n") if ORIGIN.encode() + b" " not in line),
)

# --- 10 inclusion
turned("an index outside", "index_out_of_range", edit_index=lambda index: 11)
turned("an index of somebody else", "inclusion_invalid", edit_index=lambda index: 3)
turned("a proof for another size", "inclusion_invalid", leaves=(8, 2), edit_checkpoint=replace("\n11\n", "\n9\n"))
turned("a proof that is too short", "inclusion_invalid", edit_path=lambda path: path[:-1])
turned("a proof that is too long", "inclusion_invalid", edit_path=lambda path: [*path, bytes(32)])
turned(
    "a bit of the proof", "inclusion_invalid", edit_path=lambda path: [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]
)


@attack("the last leaf doubled", "inclusion_invalid")
def _(forge: Forge, asked: Asked) -> None:
    # An odd tree as some pad it: the last leaf stands twice, and the proof says so.
    forge.leaves = (2, 0)

    def doubled(text: str) -> str:
        hashes = [leaf(item) for item in forge.entries]
        root = node(tree(hashes[:2]), node(hashes[2], hashes[2]))
        return f"{ORIGIN}\n3\n{b64(root)}\n"

    forge.edit_checkpoint = doubled
    forge.edit_path = lambda path: [leaf(forge.entries[2]), *path]


@attack("a tree without prefixes", "inclusion_invalid")
def _(forge: Forge, asked: Asked) -> None:
    def bare(text: str) -> str:
        hashes = [sha256(item) for item in forge.entries]
        while len(hashes) > 1:
            pairs = [hashes[n : n + 2] for n in range(0, len(hashes), 2)]
            hashes = [sha256(b"".join(pair)) for pair in pairs]
        return f"{ORIGIN}\n11\n{b64(hashes[0])}\n"

    forge.edit_checkpoint = bare


# --- 11 time
@attack("a cosignature by another key", "cosignature_invalid")
def _(forge: Forge, asked: Asked) -> None:
    real = forge.witnesses[0]

    class Liar(NoteKey):
        def line(self, text: str, at: int | None = None) -> str:
            other = NoteKey(self.name, 4)
            other.id = self.id
            return other.line(text, at)

    forge.witnesses[0] = Liar(real.name, 4, real.key)


@attack("a cosignature with another time", "cosignature_invalid")
def _(forge: Forge, asked: Asked) -> None:
    real = forge.witnesses[0]

    class Earlier(NoteKey):
        def line(self, text: str, at: int | None = None) -> str:
            line = super().line(text, at)
            data = bytearray(base64.b64decode(line.split(" ")[2]))
            data[11] ^= 1
            return f"— {self.name} {b64(bytes(data))}\n"

    forge.witnesses[0] = Earlier(real.name, 4, real.key)


@attack("the log as its own witness", "self_asserted_time")
def _(forge: Forge, asked: Asked) -> None:
    forge.witnesses = [NoteKey("w1.example", 4, forge.log.key)]
    forge.quorum = "quorum w1\n"


@attack("the signer as its own witness", "self_asserted_time")
def _(forge: Forge, asked: Asked) -> None:
    forge.witnesses = [NoteKey("w1.example", 4, forge.signers[0].key)]
    forge.quorum = "quorum w1\n"


@attack("a time that is yet to come", "time_in_future")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = [int((NOW + timedelta(days=1)).timestamp())] * 2


@attack("a time beyond all calendars", "time_in_future")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = [2**62] * 2


@attack("the signer's own word for the time", "expired")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = []
    forge.crl.end = END + timedelta(days=90)
    asked.now = END + timedelta(days=30)


@attack("a witness less than the quorum", "expired")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = forge.seen[:1]
    forge.crl.end = END + timedelta(days=90)
    asked.now = END + timedelta(days=30)


# --- 12 crl
turned("no list", "crl_missing", crl_der=b"")
turned("a list that is none", "crl_malformed", crl_der=b"x")


@attack("a list in another form", "crl_malformed")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl_der = with_an_unused_bit(lambda: forge.crl.der(forge.root), x509.load_der_x509_crl)


turned("a list without a number", "crl_number_missing", crl=Crl(number=None))
turned("what has changed since another list", "crl_malformed", crl=Crl(delta_of=2))
turned("a list from the future", "crl_not_yet_valid", crl=Crl(begin=NOW + timedelta(days=1)))
turned("a stale list", "crl_stale", crl=Crl(begin=BEGIN, end=SIGNED - timedelta(hours=1)))


@attack("a stale list without a time", "crl_stale")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen, forge.crl = [], Crl(end=NOW - timedelta(days=1))


@attack("a list of another root", "crl_issuer_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl_der = Crl().der(Root("Another Root CA"))


@attack("a list that another key signed", "crl_signature_invalid")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl_der = Crl().der(forge.root, Root().key)


@attack("an older list", "crl_number_lower")
def _(forge: Forge, asked: Asked) -> None:
    asked.crl = Crl(number=2).der(forge.root)


@attack("an older list in the trust file", "crl_number_lower")
def _(forge: Forge, asked: Asked) -> None:
    asked.trust = forge.trust_file(crl=Crl(number=2).der(forge.root))


# --- 13, 14 validity and revocation
turned("a certificate that has expired before", "expired", signers=[Signer(end=SIGNED - timedelta(hours=1))])
turned("a certificate that is not yet valid", "not_yet_valid", signers=[Signer(begin=SIGNED + timedelta(days=1))])


@attack("a former root, after it was followed", "root_retired")
def _(forge: Forge, asked: Asked) -> None:
    forge.rotated = SIGNED - timedelta(days=1)
    _succeeded(forge, asked)


def _succeeded(forge: Forge, asked: Asked) -> None:
    """The verifier knows the root that followed, and a trust file that says so."""
    new = Root()
    asked.roots = [new.fingerprint]
    asked.trust = Forge(forge.folder, root=new, former=[forge.root], rotated=forge.rotated).trust_file()


@attack("revoked before", "revoked_before", verdict="REVOKED_BEFORE")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl.revoked = {forge.signers[0].serial: (SIGNED - timedelta(hours=1), None)}


@attack("revoked later, but invalid before", "revoked_before", verdict="REVOKED_BEFORE")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl.revoked = {forge.signers[0].serial: (SIGNED + timedelta(days=1), SIGNED - timedelta(days=1))}


@attack("revoked, and nobody knows when it was signed", "revoked_before", verdict="REVOKED_BEFORE")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = []
    forge.crl.revoked = {forge.signers[0].serial: (SIGNED + timedelta(days=1), None)}


@attack("revoked before, in a newer list", "revoked_before", verdict="REVOKED_BEFORE")
def _(forge: Forge, asked: Asked) -> None:
    newer = Crl(number=4, revoked={forge.signers[0].serial: (SIGNED - timedelta(hours=1), None)})
    asked.crl = newer.der(forge.root)


@attack("revoked after, under a policy that takes none", "verdict_not_accepted", verdict="REVOKED_AFTER")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl.revoked = {forge.signers[0].serial: (SIGNED + timedelta(days=1), None)}
    asked.policy = {"accept": ["VALID"]}


# --- 15 subjects
@harm("a changed subject", "subject_digest_mismatch")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).write_bytes(b"%PDF-1.4 another report\n")


@harm("a missing subject", "subject_missing")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).unlink()


@harm("a renamed subject", "subject_missing")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).rename(forge.folder / (REPORT + ".pdf"))


@harm("a symlink for a subject", "subject_not_a_file")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).rename(forge.folder / "elsewhere")
    (forge.folder / REPORT).symlink_to(forge.folder / "elsewhere")


@harm("a symlink for a subject's folder", "subject_not_a_file")
def _(forge: Forge) -> None:
    (forge.folder / "files" / "controls").rename(forge.folder / "elsewhere")
    (forge.folder / "files" / "controls").symlink_to(forge.folder / "elsewhere")


@harm("a pipe for a subject", "subject_not_a_file")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).unlink()
    os.mkfifo(forge.folder / REPORT)


@harm("a folder for a subject", "subject_not_a_file")
def _(forge: Forge) -> None:
    (forge.folder / REPORT).unlink()
    (forge.folder / REPORT).mkdir()


@attack("a file that nobody attested", "file_not_attested")
def _(forge: Forge, asked: Asked) -> None:
    asked.files = {"files/controls/reports/more.pdf": forge.folder / REPORT}


# --- 16 snapshot
@attack("evidence of another day", "day_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    asked.day = "2026-05-10"


@attack("another day's folder under this day's name", "day_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    make_day(forge.folder, DAY, lambda manifest: put(manifest, "seal.day", "2026-05-08"))


@attack("a manifest with another root", "merkle_root_mismatch")
def _(forge: Forge, asked: Asked) -> None:
    make_day(forge.folder, DAY, lambda manifest: put(manifest, "merkle_root", "ab" * 32))


@attack("a manifest that is none", "manifest_malformed")
def _(forge: Forge, asked: Asked) -> None:
    (forge.folder / MANIFEST).write_bytes(b"{}\n")


@attack("a manifest that lists a path outside", "manifest_malformed")
def _(forge: Forge, asked: Asked) -> None:
    def outside(manifest: Json) -> None:
        manifest["files"][0]["path"] = "files/../../x"
        manifest["hash"]["values"] = {item["path"]: item["sha256"] for item in manifest["files"]}
        manifest["merkle_root"] = tree([leaf(canonical(item)) for item in manifest["files"]]).hex()

    make_day(forge.folder, DAY, outside)


@attack("a manifest of version 1.0", "manifest_malformed")
def _(forge: Forge, asked: Asked) -> None:
    make_day(forge.folder, DAY, lambda manifest: put(manifest, "schema_version", 1.0))


@harm("a missing file of the day", "file_missing")
def _(forge: Forge) -> None:
    (forge.folder / METRICS).unlink()


@harm("a file more", "file_extra")
def _(forge: Forge) -> None:
    (forge.folder / "files" / "more.csv").write_bytes(b"x")


@harm("a file more at the top", "file_extra")
def _(forge: Forge) -> None:
    (forge.folder / "README").write_bytes(b"x")


@harm("an empty folder more", "file_extra")
def _(forge: Forge) -> None:
    (forge.folder / "files" / "more").mkdir()


@harm("folders in folders, deeper than a path is long", "file_extra")
def _(forge: Forge) -> None:
    place = os.open(forge.folder, os.O_RDONLY)
    for _number in range(100):
        os.mkdir("deeper" * 10, dir_fd=place)
        inner = os.open("deeper" * 10, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)


@harm("a file of a terabyte, none of which is there", "file_digest_mismatch")
def _(forge: Forge) -> None:
    os.truncate(forge.folder / METRICS, 2**40)


@harm("a changed file of the day", "file_digest_mismatch")
def _(forge: Forge) -> None:
    (forge.folder / METRICS).write_bytes(b"ts,phase_diff\n")


@harm("a symlink in the day", "file_not_plain")
def _(forge: Forge) -> None:
    (forge.folder / METRICS).rename(forge.folder.parent / "elsewhere")
    (forge.folder / METRICS).symlink_to(forge.folder.parent / "elsewhere")


# --- 18 policy
@attack("no witness, where one is needed", "quorum_required", verdict="NO_TIME")
def _(forge: Forge, asked: Asked) -> None:
    forge.seen = []
    asked.policy = {"quorum_required": True}


@attack("a development root, where none is taken", "development_root", verdict="VALID")
def _(forge: Forge, asked: Asked) -> None:
    forge.root = Root("Lumen Development Root CA")
    asked.policy = {"development": False}


@attack("a builder that the policy does not name", "builder_not_allowed", verdict="VALID")
def _(forge: Forge, asked: Asked) -> None:
    asked.policy = {"builders": ["urn:lumen:region:us-west-2"]}


@attack("a list that has ended, where a current one is needed", "crl_not_current", verdict="VALID")
def _(forge: Forge, asked: Asked) -> None:
    forge.crl.end = NOW - timedelta(days=1)
    asked.policy = {"crl_current": True}
