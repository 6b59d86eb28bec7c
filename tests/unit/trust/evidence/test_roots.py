"""Pinned roots, rotations, and newer lists and documents than the evidence's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.evidence import (
    DAY,
    NOW,
    OTHER,
    ROOT,
    Forge,
    Root,
    ask,
    b64,
    ed25519,
    edited,
    failed,
    odd_certificate,
)

from lumen_workers.trust.notes import NoteSigner
from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.crl import Revocation
from lumen_workers.trust.pki.trust_file import parse_trust_file

PUBLIC = ed25519(10).public_key()
SECOND = ed25519(11)
CERTIFICATE = ROOT.issue(PUBLIC)
SEEN = NOW - timedelta(minutes=2)
"""When the quorum of a ``Forge`` is reached."""


def test_a_root_must_be_pinned() -> None:
    assert failed(ask(Forge(), roots=())) == ("root", "root_not_pinned")
    assert failed(ask(Forge(), roots=(OTHER.fingerprint,))) == ("root", "root_mismatch")
    assert ask(Forge(), roots=(OTHER.fingerprint, ROOT.fingerprint)).ok


def test_another_s_root_with_its_own_fingerprint_is_not_taken_for_ours() -> None:
    report = ask(Forge(root=OTHER))
    assert failed(report) == ("root", "root_mismatch")
    assert (report.root, report.development, report.signer) == (OTHER.fingerprint, False, None)


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"x" * 20_000])
def test_a_root_that_cannot_be_read(der: bytes) -> None:
    pinned = (hashlib.sha256(der).hexdigest(),)
    assert failed(ask(edited(root=b64(der)), roots=pinned)) == ("root", "root_malformed")


def test_a_root_of_another_kind() -> None:
    key = Ed25519PrivateKey.generate()
    der = der_of(odd_certificate(key.public_key(), ROOT, ca=True))
    pinned = (hashlib.sha256(der).hexdigest(),)
    assert failed(ask(edited(root=b64(der)), roots=pinned)) == ("root", "root_malformed")


MIDDLE, LAST = Root(4), Root(5)


def rotated() -> Forge:
    """Evidence under a root that two rotations have led to from ``ROOT``."""
    rotations = [ROOT.rotation(MIDDLE, NOW - 20 * DAY), MIDDLE.rotation(LAST, NOW - 15 * DAY)]
    return Forge(root=LAST, former=[ROOT.der, MIDDLE.der], rotations=rotations)


def test_a_former_root_leads_to_the_present_one() -> None:
    for pinned in (ROOT, MIDDLE, LAST):
        report = ask(rotated(), roots=(pinned.fingerprint,))
        assert failed(report) == ("", "")
        assert report.root == LAST.fingerprint
    assert failed(ask(rotated(), roots=(OTHER.fingerprint,))) == ("root", "root_mismatch")


def test_rotations_that_do_not_hold() -> None:
    spoilt: list[Callable[[Forge], Any]] = [
        lambda forge: forge.rotations.pop(),
        lambda forge: forge.rotations.reverse(),
        lambda forge: forge.former.pop(),
        lambda forge: forge.rotations[0].update(payload=forge.rotations[1]["payload"]),
        lambda forge: forge.rotations[0]["signatures"].pop(0),
        lambda forge: forge.rotations[0]["signatures"].pop(1),
        lambda forge: forge.rotations.append(forge.rotations[0]),
        lambda forge: forge.former.__setitem__(1, b"\x30\x00"),
    ]
    for spoil in spoilt:
        forge = rotated()
        spoil(forge)
        check, reason = failed(ask(forge))
        assert (check, reason) in {("root", "rotation_invalid"), ("root", "root_malformed")}


def test_evidence_of_a_former_root_counts_if_it_was_seen_before_the_rotation() -> None:
    new = Root(6)
    for at, ok in ((NOW, True), (SEEN, False), (SEEN - DAY, False)):
        newer = replace(Forge(root=new).trust_file(), former_roots=(ROOT.der,), rotations=(ROOT.rotation(new, at),))
        report = ask(Forge(root=ROOT), roots=(new.fingerprint,), trust_file=parse_trust_file(newer.dump()))
        assert report.ok == ok
        assert not ask(Forge(root=ROOT).unwitnessed(), roots=(new.fingerprint,), trust_file=newer).ok
    assert failed(ask(Forge(root=ROOT), roots=(new.fingerprint,))) == ("root", "root_mismatch")


def test_a_newer_list_counts_and_an_older_one_is_refused() -> None:
    forge = Forge(root=ROOT, certificates=[CERTIFICATE])
    assert ask(forge, crl=ROOT.crl(number=6)).ok
    assert ask(forge, crl=ROOT.crl(number=5)).ok
    assert failed(ask(forge, crl=ROOT.crl(number=4))) == ("crl", "crl_number_lower")
    assert failed(ask(forge, crl=OTHER.crl(number=6)))[0] == "crl"
    assert failed(ask(forge, crl=b"garbage")) == ("crl", "crl_malformed")
    gone = Revocation(serial=x509.load_der_x509_certificate(CERTIFICATE).serial_number, revoked_at=SEEN - DAY)
    assert failed(ask(forge, crl=ROOT.crl(number=6, revoked=[gone]))) == ("revocation", "revoked_before")


def test_a_newer_trust_document_counts_and_an_older_one_is_refused() -> None:
    forge = Forge(root=ROOT)
    file = forge.trust_file()
    text = forge.policy_text()
    assert ask(forge, trust_file=replace(file, trust=ROOT.trust(text, version=4))).ok
    older = replace(file, trust=ROOT.trust(text, version=2))
    assert failed(ask(forge, trust_file=older)) == ("trust", "trust_version_lower")
    forged = replace(file, trust=OTHER.trust(text, version=9))
    assert failed(ask(forge, trust_file=forged)) == ("trust", "trust_signature_invalid")
    # A log whose key has been taken back counts no more.
    gone = NoteSigner("example.org/new", ed25519(50))
    without_log = replace(file, trust=ROOT.trust(f"log {gone.key.vkey}\nquorum none\n", version=4))
    assert failed(ask(forge, trust_file=without_log)) == ("checkpoint", "log_unknown")
    assert failed(ask(forge, trust_file=replace(file, crl=ROOT.crl(number=4)))) == ("crl", "crl_number_lower")
