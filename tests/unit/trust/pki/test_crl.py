"""Revocation lists: what comes back of what was said, and each reason for which one is refused."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from support.evidence import DAY, NOW, OTHER, ROOT, Root

from lumen_workers.trust.pki.crl import MAX_DER, REASONS, Crl, CrlFault, Revocation, check_crl, make_crl


def reason(der: bytes, root: Root = ROOT) -> str:
    with pytest.raises(CrlFault) as caught:
        check_crl(der, root.certificate)
    assert str(caught.value)
    return caught.value.reason


def odd(
    *,
    number: int | None = 5,
    issuer: x509.Name = ROOT.certificate.subject,
    key: Any = ROOT.key,
    more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    entry: tuple[x509.ExtensionType, bool] | None = None,
) -> bytes:
    """A list such as our root never makes."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(NOW).next_update(NOW + DAY)
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    if entry is not None:
        revoked = x509.RevokedCertificateBuilder().serial_number(1).revocation_date(NOW)
        builder = builder.add_revoked_certificate(revoked.add_extension(entry[0], critical=entry[1]).build())
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_what_was_said_comes_back() -> None:
    said = [
        Revocation(
            serial=number, revoked_at=NOW - DAY, reason=name, invalid_since=NOW - 2 * DAY if number % 2 else None
        )
        for number, name in enumerate(REASONS, start=1)
    ]
    der = make_crl(ROOT.certificate, ROOT.key, number=7, revoked=said, now=NOW + timedelta(microseconds=5), days=30)
    listed = check_crl(der, ROOT.certificate)
    assert (listed.number, listed.this_update, listed.next_update) == (7, NOW, NOW + 30 * DAY)
    assert {serial: (item.revoked_at, item.invalid_since) for serial, item in listed.revoked.items()} == {
        item.serial: (item.revoked_at, item.invalid_since) for item in said
    }
    found = x509.load_der_x509_crl(der)
    reasons = [
        item.extensions.get_extension_for_class(x509.CRLReason).value.reason for item in found if item.serial_number > 1
    ]
    assert reasons == list(REASONS.values())[1:]
    with pytest.raises(x509.ExtensionNotFound):  # RFC 5280 wants "unspecified" left out
        next(iter(found)).extensions.get_extension_for_class(x509.CRLReason)


@pytest.mark.parametrize(
    ("revoked_at", "invalid_since", "since"),
    [
        (NOW, None, NOW),
        (NOW, NOW - DAY, NOW - DAY),
        (NOW, NOW + DAY, NOW),
    ],
)
def test_the_earlier_date_counts(revoked_at: datetime, invalid_since: datetime | None, since: datetime) -> None:
    assert Revocation(serial=1, revoked_at=revoked_at, invalid_since=invalid_since).since == since


def test_none() -> None:
    assert reason(b"") == "crl_missing"


@pytest.mark.parametrize("der", [b"x", ROOT.der, ROOT.crl()[:-1], ROOT.crl() + b"0", b"0" * (MAX_DER + 1)])
def test_what_is_no_list(der: bytes) -> None:
    assert reason(der) == "crl_malformed"


def test_a_list_of_another_root() -> None:
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another Root CA")])
    assert reason(odd(issuer=other)) == "crl_issuer_mismatch"
    assert reason(ROOT.crl(), Root(3, development=True)) == "crl_issuer_mismatch"


def test_a_list_that_the_root_did_not_sign() -> None:
    assert OTHER.certificate.subject == ROOT.certificate.subject
    assert reason(OTHER.crl()) == "crl_signature_invalid"
    der = bytearray(ROOT.crl())
    der[-1] ^= 1
    assert reason(bytes(der)) in ("crl_signature_invalid", "crl_malformed")


def test_a_list_without_a_number() -> None:
    assert reason(odd(number=None)) == "crl_number_missing"


def test_half_a_list() -> None:
    """What is critical changes what the list means, and is not for those who do not know it."""
    assert reason(odd(more=((x509.DeltaCRLIndicator(4), True),))) == "crl_malformed"
    only = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
    assert reason(odd(more=((only, True),))) == "crl_malformed"
    elsewhere = x509.CertificateIssuer([x509.DirectoryName(OTHER.certificate.subject)])
    assert reason(odd(entry=(elsewhere, True))) == "crl_malformed"
    assert isinstance(check_crl(odd(entry=(x509.CRLReason(x509.ReasonFlags.superseded), False)), ROOT.certificate), Crl)


@asn1.sequence
class Body:
    """The part that is signed, of a list without entries."""

    version: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    begin: asn1.UTCTime
    end: asn1.UTCTime | None
    extensions: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class Signed:
    body: Body
    algorithm: asn1.TLV
    signature: asn1.BitString


def test_a_list_that_never_ends() -> None:
    """``nextUpdate`` is optional in the form; the library makes no list without it."""
    found = asn1.decode_der(Signed, ROOT.crl())
    body = dataclasses.replace(found.body, end=None)
    signature = asn1.BitString(data=ROOT.signer.sign(asn1.encode_der(body)), padding_bits=0)
    endless = asn1.encode_der(Signed(body=body, algorithm=found.algorithm, signature=signature))
    assert x509.load_der_x509_crl(endless).is_signature_valid(ROOT.key.public_key())
    assert reason(endless) == "crl_malformed"
