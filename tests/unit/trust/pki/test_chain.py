"""Each reason for which a signer's certificate is refused, and that a good one is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.evidence import DAY, IDENTITY, NOW, OTHER, ROOT, ed25519, odd_certificate, p256

from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.chain import MAX_DER, ChainFault, check_chain, load_certificate

PUBLIC = ed25519(7).public_key()
CODE, ANY = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
AUTHORITY = {"key_cert_sign": True, "crl_sign": True}


def reason(leaf: x509.Certificate, *pool: x509.Certificate, root: x509.Certificate = ROOT.certificate) -> str:
    """The word, and the same one with more certificates at hand that have nothing to do with it."""
    found = set()
    for more in ((), (ROOT.certificate, load_certificate(OTHER.issue(PUBLIC)))):
        try:
            check_chain(leaf, [leaf, *pool, *more], root)
            found.add("")
        except ChainFault as error:
            found.add(error.reason)
    assert len(found) == 1
    return found.pop()


def test_what_the_root_issues_leads_to_it() -> None:
    for public in (PUBLIC, p256(9).public_key()):
        leaf = load_certificate(ROOT.issue(public, begin=NOW, days=90))
        chain = check_chain(leaf, [], ROOT.certificate)
        assert (chain.public, chain.identity, chain.serial) == (public, IDENTITY, leaf.serial_number)
        assert (chain.begin, chain.end) == (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
        assert chain.path == (leaf, ROOT.certificate)
        assert leaf.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert leaf.serial_number.bit_length() <= 159


@pytest.mark.parametrize("der", [b"", b"x", b"0" * 100, ROOT.der[:-1], ROOT.der + b"0", b"0" * (MAX_DER + 1)])
def test_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(ChainFault) as caught:
        load_certificate(der)
    assert caught.value.reason == "chain_malformed"


@pytest.mark.parametrize("public", [rsa.generate_private_key(65537, 2048), generate_private_key(SECP384R1())])
def test_a_key_of_another_kind(public: rsa.RSAPrivateKey) -> None:
    assert reason(odd_certificate(public.public_key(), ROOT)) == "key_algorithm_not_allowed"


def test_an_authority_is_no_signer() -> None:
    assert reason(odd_certificate(PUBLIC, ROOT, ca=True)) == "signer_is_ca"
    assert reason(odd_certificate(PUBLIC, ROOT, ca=True, usage=AUTHORITY)) == "signer_is_ca"
    assert reason(ROOT.certificate) == "signer_is_ca"


def test_constraints_that_are_not_critical() -> None:
    assert reason(odd_certificate(PUBLIC, ROOT, critical=False)) == "chain_malformed"


@pytest.mark.parametrize(
    "usage",
    [
        {"digital_signature": False, "content_commitment": True},
        {"content_commitment": True},
        {"key_encipherment": True},
        {"data_encipherment": True},
        {"key_agreement": True},
        {"key_cert_sign": True},
        {"crl_sign": True},
    ],
)
def test_a_key_for_more_than_signatures(usage: dict[str, bool]) -> None:
    assert reason(odd_certificate(PUBLIC, ROOT, usage=usage)) == "key_usage_wrong"


@pytest.mark.parametrize(
    "extended",
    [None, (ANY,), (CODE, ANY), (ExtendedKeyUsageOID.OCSP_SIGNING,), (CODE, ExtendedKeyUsageOID.SERVER_AUTH)],
)
def test_another_purpose(extended: tuple[x509.ObjectIdentifier, ...] | None) -> None:
    assert reason(odd_certificate(PUBLIC, ROOT, extended=extended)) == "eku_missing"


@pytest.mark.parametrize(
    "names", [(), ("https://example.org",), (IDENTITY, IDENTITY), (IDENTITY, "https://example.org")]
)
def test_not_one_region(names: tuple[str, ...]) -> None:
    assert reason(odd_certificate(PUBLIC, ROOT, names=names)) == "identity_missing"


def test_another_root_of_the_same_name() -> None:
    assert OTHER.certificate.subject == ROOT.certificate.subject
    assert reason(load_certificate(OTHER.issue(PUBLIC))) == "chain_untrusted"
    assert reason(odd_certificate(PUBLIC, ROOT, key=ed25519(7))) == "chain_untrusted"


def test_a_root_that_had_not_begun_or_had_ended() -> None:
    early = load_certificate(ROOT.issue(PUBLIC, begin=ROOT.certificate.not_valid_before_utc - DAY))
    late = load_certificate(ROOT.issue(PUBLIC, begin=ROOT.certificate.not_valid_after_utc + DAY))
    assert reason(early) == reason(late) == "chain_untrusted"


def test_a_critical_extension_that_nobody_knows() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    extension = x509.Extension(unknown.oid, True, unknown)
    assert reason(odd_certificate(PUBLIC, ROOT, more=[extension])) == "chain_untrusted"
    assert reason(odd_certificate(PUBLIC, ROOT, more=[x509.Extension(unknown.oid, False, unknown)])) == ""


def between(number: int = 8, **more: object) -> x509.Certificate:
    """An intermediate authority with the key ``p256(number)``."""
    made = {"ca": True, "usage": AUTHORITY, "extended": None, "names": (), "subject": "middle", **more}
    return odd_certificate(p256(number).public_key(), ROOT, **made)  # type: ignore[arg-type]


def test_one_authority_may_stand_between() -> None:
    leaf = odd_certificate(PUBLIC, ROOT, issuer=between().subject, key=p256(8))
    assert reason(leaf, between()) == ""
    assert reason(leaf) == "chain_untrusted"
    chain = check_chain(leaf, [between()], ROOT.certificate)
    assert len(chain.path) == 3


def test_one_that_issues_without_being_an_authority() -> None:
    signer = between(ca=False, usage={}, extended=(CODE,), names=(IDENTITY,))
    leaf = odd_certificate(PUBLIC, ROOT, issuer=signer.subject, key=p256(8))
    assert reason(leaf, signer) == "issuer_not_ca"


def test_one_that_may_not_sign_certificates() -> None:
    signer = between(usage={"crl_sign": True})
    leaf = odd_certificate(PUBLIC, ROOT, issuer=signer.subject, key=p256(8))
    assert reason(leaf, signer) == "chain_untrusted"


def test_two_between_are_too_many() -> None:
    low = odd_certificate(
        p256(9).public_key(),
        ROOT,
        ca=True,
        usage=AUTHORITY,
        extended=None,
        names=(),
        subject="low",
        issuer=between().subject,
        key=p256(8),
    )
    leaf = odd_certificate(PUBLIC, ROOT, issuer=low.subject, key=p256(9))
    assert reason(leaf, low, between()) == "chain_untrusted"


def test_a_certificate_is_no_root_of_its_own() -> None:
    own = odd_certificate(PUBLIC, ROOT, issuer=x509.Name([]), key=ed25519(7), subject="own")
    assert reason(own) == "chain_untrusted"
    assert reason(load_certificate(der_of(own)), own) == "chain_untrusted"
