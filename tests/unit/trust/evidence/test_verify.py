"""What holds, what each verdict means, and what a policy makes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from support.evidence import (
    DAY,
    IDENTITY,
    NOW,
    REGION,
    ROOT,
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

from lumen_workers.trust.dsse import pae, sign_envelope
from lumen_workers.trust.evidence.policy import DEFAULT, STRICT, Verdict, VerifyPolicy
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.crl import Revocation
from lumen_workers.trust.statement import PAYLOAD_TYPE

PUBLIC = ed25519(10).public_key()
SECOND = ed25519(11)
CERTIFICATE = ROOT.issue(PUBLIC)
SEEN = NOW - timedelta(minutes=2)
"""When the quorum of a ``Forge`` is reached."""


def test_witnessed_evidence_is_valid() -> None:
    report = ask(Forge())
    assert failed(report) == ("", "")
    assert (report.verdict, report.signer, report.development) == (Verdict.VALID, IDENTITY, False)
    assert report.root == ROOT.fingerprint
    # Two of three witnesses are the quorum: the second one to see it gives the time.
    assert report.signed_at == NOW - timedelta(minutes=2)
    assert {check.name: check.reason for check in report.checks if check.status == "skipped"} == {
        "subjects": "no_files",
        "snapshot": "no_snapshot",
        "log": "no_log",
    }
    assert ask(Forge(), policy=STRICT).ok


def test_the_report_has_the_documented_form() -> None:
    value = ask(Forge()).as_json()
    assert value.keys() == {"ok", "verdict", "reason", "checks", "root", "development", "signed_at", "signer", "day"}
    assert all(check.keys() == {"name", "status", "reason", "detail"} for check in value["checks"])
    assert {check["status"] for check in value["checks"]} == {"ran", "skipped"}
    assert (value["ok"], value["verdict"], value["reason"]) == (True, "VALID", "")
    assert datetime.fromisoformat(value["signed_at"]) == NOW - timedelta(minutes=2)


def test_without_a_quorum_there_is_no_time() -> None:
    report = ask(Forge().unwitnessed())
    assert (report.verdict, report.ok, report.signed_at) == (Verdict.NO_TIME, True, None)
    [time] = [check for check in report.checks if check.name == "time"]
    assert (time.status, time.reason) == ("skipped", "no_quorum")
    assert failed(ask(Forge().unwitnessed(), policy=STRICT)) == ("policy", "quorum_required")


def test_fewer_witnesses_than_the_quorum_say_nothing() -> None:
    report = ask(Forge(seen=[None, NOW - DAY, None]))
    assert (report.verdict, report.signed_at) == (Verdict.NO_TIME, None)


def test_a_verdict_under_a_development_root_says_so() -> None:
    root = Root(3, development=True)
    report = ask(Forge(root=root), roots=(root.fingerprint,))
    assert (report.ok, report.development) == (True, True)
    assert failed(ask(Forge(root=root), roots=(root.fingerprint,), policy=STRICT)) == ("policy", "development_root")


def test_a_p256_signer_counts() -> None:
    key = p256(9)
    forge = Forge(signers=[RegionKey(key)], certificates=[ROOT.issue(key.public_key())])
    assert ask(forge).verdict is Verdict.VALID


def test_an_intermediate_between_signer_and_root() -> None:
    key = p256(8)
    middle = odd_certificate(
        key.public_key(), ROOT, ca=True, usage={"key_cert_sign": True, "crl_sign": True}, extended=None, names=()
    )
    leaf = odd_certificate(PUBLIC, ROOT, issuer=middle.subject, key=key, subject="leaf")
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    assert authority  # the leaf's own names the root: no path is built by it alone
    report = ask(Forge(certificates=[der_of(leaf), der_of(middle)]))
    assert failed(report) == ("", "")
    assert failed(ask(Forge(certificates=[der_of(leaf)]))) == ("chain", "chain_untrusted")


def test_a_keyid_decides_nothing() -> None:
    forge = Forge()
    forge.envelope = sign_envelope(PAYLOAD_TYPE, forge.payload, forge.signers)
    for keyid in ("", "00" * 32, RegionKey(SECOND).fingerprint):
        forge.envelope["signatures"][0]["keyid"] = keyid
        assert ask(forge).ok


def test_expired_since_a_witness_saw_it() -> None:
    later = NOW + 200 * DAY
    crl = ROOT.crl(number=9, begin=later - DAY)
    report = ask(Forge(), now=later, crl=crl)
    assert (report.verdict, report.ok) == (Verdict.EXPIRED_BUT_TIMESTAMPED, True)
    assert ask(Forge(), now=later, crl=crl, policy=STRICT).ok
    assert ask(Forge(), now=later).ok  # its own list was current when it was signed
    assert failed(ask(Forge(), now=later, policy=STRICT)) == ("policy", "crl_not_current")
    assert failed(ask(Forge().unwitnessed(), now=later, crl=crl)) == ("validity", "expired")
    assert failed(ask(Forge().unwitnessed(), now=later)) == ("crl", "crl_stale")


def revoked(at: datetime, since: datetime | None = None) -> bytes:
    serial = x509.load_der_x509_certificate(CERTIFICATE).serial_number
    return ROOT.crl(
        number=9, revoked=[Revocation(serial=serial, revoked_at=at, reason="key_compromise", invalid_since=since)]
    )


@pytest.mark.parametrize(
    ("at", "since", "verdict"),
    [
        (SEEN + timedelta(seconds=1), None, Verdict.REVOKED_AFTER),
        (SEEN, None, Verdict.REVOKED_BEFORE),
        (SEEN - DAY, None, Verdict.REVOKED_BEFORE),
        (SEEN + DAY, SEEN + timedelta(seconds=1), Verdict.REVOKED_AFTER),
        (SEEN + DAY, SEEN, Verdict.REVOKED_BEFORE),
        (SEEN - DAY, SEEN + DAY, Verdict.REVOKED_BEFORE),
    ],
)
def test_revocation_counts_from_its_earlier_date(at: datetime, since: datetime | None, verdict: Verdict) -> None:
    forge = Forge(certificates=[CERTIFICATE])
    report = ask(forge, crl=revoked(at, since), now=NOW + 2 * DAY)
    assert report.verdict is verdict
    assert report.ok == (verdict is Verdict.REVOKED_AFTER)
    assert report.reason == ("" if report.ok else "revoked_before")
    strict = ask(forge, crl=revoked(at, since), now=NOW + 2 * DAY, policy=STRICT)
    assert failed(strict)[1] == ("verdict_not_accepted" if report.ok else "revoked_before")


def test_revoked_and_no_time_is_revoked_before() -> None:
    report = ask(Forge(certificates=[CERTIFICATE]).unwitnessed(), crl=revoked(NOW + DAY), now=NOW)
    assert (report.verdict, report.reason) == (Verdict.REVOKED_BEFORE, "revoked_before")


def two(**changes: Any) -> Forge:
    second = ROOT.issue(SECOND.public_key(), region="eu-north-1")
    return Forge(
        root=ROOT,
        certificates=[CERTIFICATE, second],
        signers=[RegionKey(ed25519(10)), RegionKey(SECOND)],
        **changes,
    )


def test_a_threshold_counts_distinct_keys() -> None:
    want = VerifyPolicy(threshold=2)
    assert ask(two(), policy=want).ok
    assert failed(ask(Forge(root=ROOT), policy=want)) == ("signature", "threshold_not_met")
    one_key_twice = two()
    one_key_twice.signers = [RegionKey(ed25519(10))] * 2
    assert failed(ask(one_key_twice, policy=want)) == ("signature", "threshold_not_met")
    two_names = two(
        envelope={
            **sign_envelope(PAYLOAD_TYPE, statement().dump(), []),
            "signatures": [
                {"keyid": name, "sig": b64(ed25519(10).sign(pae(PAYLOAD_TYPE, statement().dump())))} for name in "ab"
            ],
        }
    )
    assert failed(ask(two_names, policy=want)) == ("signature", "threshold_not_met")
    two_certificates = two()
    two_certificates.certificates = [CERTIFICATE, ROOT.issue(PUBLIC, region="eu-north-1")]
    two_certificates.signers = [RegionKey(ed25519(10))]
    assert failed(ask(two_certificates, policy=want)) == ("signature", "threshold_not_met")


def test_the_first_certificate_s_key_must_be_among_them() -> None:
    forge = two()
    forge.signers = [RegionKey(SECOND)]
    assert failed(ask(forge)) == ("signature", "signature_invalid")


def test_a_policy_takes_what_it_names() -> None:
    assert failed(ask(Forge(), policy=VerifyPolicy(builders=("urn:lumen:region:x",)))) == (
        "policy",
        "builder_not_allowed",
    )
    assert ask(Forge(), policy=VerifyPolicy(builders=(IDENTITY,))).ok
    report = ask(Forge(), policy=VerifyPolicy(accept=(Verdict.NO_TIME,)))
    assert failed(report) == ("policy", "verdict_not_accepted")
    assert report.verdict is Verdict.VALID
    assert failed(ask(Forge().unwitnessed(), policy=VerifyPolicy(quorum_required=True))) == (
        "policy",
        "quorum_required",
    )
    assert DEFAULT.accept == (
        Verdict.VALID,
        Verdict.NO_TIME,
        Verdict.EXPIRED_BUT_TIMESTAMPED,
        Verdict.REVOKED_AFTER,
    )
    assert REGION in IDENTITY
