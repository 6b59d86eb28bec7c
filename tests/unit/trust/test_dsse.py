"""DSSE envelopes: the specification's own vector, and what is refused."""

from __future__ import annotations

import base64
import copy
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicNumbers,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given
from hypothesis import strategies as st
from support.evidence import ed25519, p256

from lumen_workers.trust.dsse import MAX_SIGNATURES, EnvelopeFault, pae, parse_envelope, sign_envelope, verify_by
from lumen_workers.trust.keys import RegionKey

TYPE = "http://example.com/HelloWorld"
BODY = b"hello world"
SIGNED = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"

# The example of DSSE's protocol.md: a P-256 key, and its signature as r and s, 32 bytes each.
X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
R_AND_S = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="

KEY = ed25519(1)


@pytest.fixture
def good() -> dict[str, Any]:
    return sign_envelope(TYPE, BODY, [RegionKey(KEY)])


def refused(value: Any) -> str:
    with pytest.raises(EnvelopeFault) as caught:
        parse_envelope(value)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_the_encoding_counts_bytes() -> None:
    assert pae(TYPE, BODY) == SIGNED
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("ü", b"\x00 \n") == b"DSSEv1 2 \xc3\xbc 3 \x00 \n"


def test_the_signature_of_the_specification_holds() -> None:
    raw = base64.b64decode(R_AND_S)
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = EllipticCurvePublicNumbers(X, Y, SECP256R1()).public_key()
    assert verify_by(public, signature, SIGNED)
    assert not verify_by(public, signature, SIGNED + b"!")
    assert not verify_by(public, raw, SIGNED)


@given(st.text(max_size=50), st.binary(max_size=200), st.text(max_size=50), st.binary(max_size=200))
def test_no_two_envelopes_have_one_encoding(kind: str, body: bytes, other: str, more: bytes) -> None:
    assert (pae(kind, body) == pae(other, more)) == ((kind, body) == (other, more))


@given(st.text(max_size=50), st.binary(max_size=200))
def test_what_was_signed_is_read_again(kind: str, body: bytes) -> None:
    read = parse_envelope(sign_envelope(kind, body, [RegionKey(KEY)]))
    assert (read.payload_type, read.payload, read.signed) == (kind, body, pae(kind, body))
    assert verify_by(KEY.public_key(), read.signatures[0].sig, read.signed)


def test_each_signer_signs_the_encoding_itself(good: dict[str, Any]) -> None:
    root = RegionKey(p256(5))
    both = sign_envelope(TYPE, BODY, [RegionKey(KEY), root])
    assert both["signatures"][0] == good["signatures"][0]
    first, second = parse_envelope(both).signatures
    assert first.keyid == RegionKey(KEY).fingerprint
    KEY.public_key().verify(first.sig, SIGNED)
    p256(5).public_key().verify(second.sig, SIGNED, ECDSA(SHA256()))


def test_a_signature_over_a_hash_of_the_encoding_does_not_hold() -> None:
    hashed = KEY.sign(hashlib.sha256(SIGNED).digest())
    assert not verify_by(KEY.public_key(), hashed, SIGNED)
    twice = p256(5).sign(hashlib.sha256(SIGNED).digest(), ECDSA(SHA256()))
    assert not verify_by(p256(5).public_key(), twice, SIGNED)


def test_the_algorithm_follows_from_the_key() -> None:
    assert not verify_by(p256(5).public_key(), p256(5).sign(SIGNED, ECDSA(SHA384())), SIGNED)
    other = generate_private_key(SECP384R1())
    assert not verify_by(other.public_key(), other.sign(SIGNED, ECDSA(SHA256())), SIGNED)
    foreign: Any = rsa.generate_private_key(65537, 2048).public_key()
    assert not verify_by(foreign, b"", SIGNED)
    assert not verify_by(KEY.public_key(), p256(5).sign(SIGNED, ECDSA(SHA256())), SIGNED)


@given(st.binary(max_size=100))
def test_any_bytes_may_stand_for_a_signature(signature: bytes) -> None:
    assert not verify_by(KEY.public_key(), signature, SIGNED)
    assert not verify_by(p256(5).public_key(), signature, SIGNED)


def test_either_alphabet_is_read() -> None:
    body = bytes(range(256)) + b"\xff\xef\xbf" * 5
    value = sign_envelope(TYPE, body, [RegionKey(KEY)])
    assert set("+/") <= set(value["payload"])
    other = copy.deepcopy(value)
    other["payload"] = base64.urlsafe_b64encode(body).decode()
    other["signatures"][0]["sig"] = base64.urlsafe_b64encode(base64.b64decode(value["signatures"][0]["sig"])).decode()
    assert parse_envelope(other) == parse_envelope(value)


@pytest.mark.parametrize("text", ["A", "AA", "AA=", "AAA", "AAAA=", "AA A=", "AA\nA=", "AAA\u00e4", "=", "AA==AA=="])
def test_what_is_no_base64_is_refused(good: dict[str, Any], text: str) -> None:
    assert refused({**good, "payload": text}) == "envelope_malformed"
    assert refused({**good, "signatures": [{"keyid": "", "sig": text}]}) == "envelope_malformed"


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"payload": "", "payloadType": ""}])
def test_what_is_no_envelope_is_refused(value: Any) -> None:
    assert refused(value) == "envelope_malformed"


@pytest.mark.parametrize("name", ["payload", "payloadType", "signatures"])
@pytest.mark.parametrize("value", [None, 1, {}, [1], ["x"], [{}], [{"sig": "AA=="}], [{"keyid": 1, "sig": "AA=="}]])
def test_fields_of_another_kind_are_refused(good: dict[str, Any], name: str, value: Any) -> None:
    assert refused({**good, name: value}) == "envelope_malformed"
    assert refused({key: item for key, item in good.items() if key != name}) == "envelope_malformed"


def test_no_other_field_is_read_over(good: dict[str, Any]) -> None:
    assert refused({**good, "extra": 1}) == "unknown_field"
    assert refused({**good, "signatures": [{**good["signatures"][0], "alg": "none"}]}) == "unknown_field"


def test_there_are_at_most_16_signatures(good: dict[str, Any]) -> None:
    [one] = good["signatures"]
    assert len(parse_envelope({**good, "signatures": [one] * MAX_SIGNATURES}).signatures) == 16
    assert refused({**good, "signatures": [one] * (MAX_SIGNATURES + 1)}) == "envelope_malformed"
    assert parse_envelope({**good, "signatures": []}).signatures == ()
