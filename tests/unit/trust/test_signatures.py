from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.errors import ConfigError, UsageError
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.signatures import MAX_BYTES, Pinned, SignatureState, sign_bytes, verify

DATA = b'{"a":1}\n'
KEY = RegionKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = RegionKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNATURE = sign_bytes(DATA, KEY, region="one")


P256 = RegionKey(ec.derive_private_key(5, ec.SECP256R1()))
CERTIFIED = sign_bytes(DATA, KEY, region="one", certificate_pem="-----BEGIN…", root_fingerprint="0" * 64)


def check(signature: bytes, data: bytes = DATA, region: str = "one", pinned: Pinned | None = KEY.fingerprint) -> str:
    return verify(signature, data, region=region, pinned=pinned)


def edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(SIGNATURE), **changes}).encode()


def test_valid() -> None:
    assert check(SIGNATURE) is SignatureState.VALID


def test_the_same_again_gives_the_same_bytes() -> None:
    assert sign_bytes(DATA, KEY, region="one") == SIGNATURE


def test_fields() -> None:
    fields = json.loads(SIGNATURE)
    assert set(fields) == {"alg", "fingerprint", "hash_hex", "public_key_pem", "sig_b64", "signer"}
    assert (fields["alg"], fields["signer"], fields["fingerprint"]) == ("ed25519", "one", KEY.fingerprint)


def test_the_certificate_is_there_and_believed_for_nothing() -> None:
    fields = json.loads(CERTIFIED)
    assert set(fields) - set(json.loads(SIGNATURE)) == {"signer_cert_pem", "root_fingerprint"}
    assert check(CERTIFIED) is SignatureState.VALID
    assert check(json.dumps({**fields, "signer_cert_pem": "", "root_fingerprint": "another"}).encode()) == "valid"
    assert check(CERTIFIED, pinned=OTHER.fingerprint) is SignatureState.KEY_MISMATCH


@pytest.mark.parametrize("field", ["signer_cert_pem", "root_fingerprint"])
def test_half_a_certificate_is_no_form(field: str) -> None:
    assert check(edited(**{field: "x"})) is SignatureState.MALFORMED
    fields = json.loads(CERTIFIED)
    assert check(json.dumps({**fields, field: 1}).encode()) is SignatureState.MALFORMED
    assert check(json.dumps({**fields, "more": "x"}).encode()) is SignatureState.MALFORMED
    del fields[field]
    assert check(json.dumps(fields).encode()) is SignatureState.MALFORMED
    with pytest.raises(ValueError, match="go together"):
        sign_bytes(DATA, KEY, region="one", **{"certificate_pem" if field == "signer_cert_pem" else field: "x"})


def test_a_p256_key_signs_with_ecdsa() -> None:
    signature = sign_bytes(DATA, P256, region="one")
    fields = json.loads(signature)
    assert fields["alg"] == "ecdsa-p256-sha256"
    assert check(signature, pinned=P256.fingerprint) is SignatureState.VALID
    assert check(signature, data=DATA + b" ", pinned=P256.fingerprint) is SignatureState.INVALID
    assert check(signature) is SignatureState.KEY_MISMATCH
    digest = ec.ECDSA(Prehashed(SHA256()))
    half = ec.derive_private_key(5, ec.SECP256R1()).sign(bytes(32), digest)
    forged = {**fields, "sig_b64": base64.b64encode(half).decode()}
    assert check(json.dumps(forged).encode(), pinned=P256.fingerprint) is SignatureState.INVALID


@pytest.mark.parametrize("alg", ["ed25519", "none", "ecdsa-p384-sha384", "ECDSA-P256-SHA256", ""])
def test_the_algorithm_follows_from_the_key_and_must_agree(alg: str) -> None:
    changed = json.dumps({**json.loads(sign_bytes(DATA, P256, region="one")), "alg": alg}).encode()
    assert check(changed, pinned=P256.fingerprint) is SignatureState.MALFORMED
    assert check(edited(alg="ecdsa-p256-sha256")) is SignatureState.MALFORMED


def test_each_of_a_regions_pinned_keys_counts() -> None:
    assert check(SIGNATURE, pinned=(P256.fingerprint, KEY.fingerprint)) is SignatureState.VALID
    assert check(SIGNATURE, pinned=(P256.fingerprint, OTHER.fingerprint)) is SignatureState.KEY_MISMATCH
    assert check(SIGNATURE, pinned=()) is SignatureState.KEY_MISMATCH


def test_other_data() -> None:
    assert check(SIGNATURE, data=DATA + b" ") is SignatureState.INVALID
    assert check(SIGNATURE, data=b"") is SignatureState.INVALID


def test_other_region() -> None:
    assert check(SIGNATURE, region="two") is SignatureState.INVALID


def test_no_pin_and_another_pin() -> None:
    assert check(SIGNATURE, pinned=None) is SignatureState.NOT_PINNED
    assert check(SIGNATURE, pinned=OTHER.fingerprint) is SignatureState.KEY_MISMATCH


def test_a_key_that_claims_the_pinned_fingerprint() -> None:
    forged = json.loads(sign_bytes(DATA, OTHER, region="one")) | {"fingerprint": KEY.fingerprint}
    assert check(json.dumps(forged).encode()) is SignatureState.KEY_MISMATCH


def test_the_pinned_key_beside_anothers_signature() -> None:
    forged = edited(sig_b64=base64.b64encode(OTHER.sign(DATA)).decode())
    assert check(forged) is SignatureState.INVALID


def ec_pem(curve: ec.EllipticCurve) -> str:
    public = ec.generate_private_key(curve).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("signature", "state"),
    [
        (edited(alg="none"), SignatureState.MALFORMED),
        (edited(alg="hmac-sha256"), SignatureState.MALFORMED),
        (edited(hash_hex="0" * 64), SignatureState.INVALID),
        (edited(fingerprint="0" * 64), SignatureState.KEY_MISMATCH),
        (edited(sig_b64=""), SignatureState.INVALID),
        (edited(sig_b64="!!"), SignatureState.MALFORMED),
        (edited(sig_b64="é"), SignatureState.MALFORMED),
        (edited(sig_b64=None), SignatureState.MALFORMED),
        (edited(public_key_pem=""), SignatureState.MALFORMED),
        (edited(public_key_pem="\ud800"), SignatureState.MALFORMED),
        (edited(public_key_pem=ec_pem(ec.SECP256R1())), SignatureState.MALFORMED),
        (edited(public_key_pem=ec_pem(ec.SECP384R1())), SignatureState.MALFORMED),
        (edited(public_key_pem=ec_pem(ec.SECP384R1()), alg="ecdsa-p256-sha256"), SignatureState.MALFORMED),
        (edited(more="x"), SignatureState.MALFORMED),
        (SIGNATURE[:-3], SignatureState.MALFORMED),
        (SIGNATURE.replace(b'"alg"', b'"alg":"ed25519","alg"'), SignatureState.MALFORMED),
        (SIGNATURE + b" " * MAX_BYTES, SignatureState.MALFORMED),
        (b"[]", SignatureState.MALFORMED),
        (b"", SignatureState.MALFORMED),
    ],
)
def test_tampered(signature: bytes, state: SignatureState) -> None:
    assert check(signature) is state


@given(st.binary(max_size=300) | st.dictionaries(st.text(), st.text()).map(lambda value: json.dumps(value).encode()))
def test_never_raises(signature: bytes) -> None:
    assert check(signature) is SignatureState.MALFORMED


@given(st.integers(0, len(SIGNATURE) * 8 - 1))
def test_a_flipped_bit_never_makes_it_good_for_other_data(bit: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    assert check(bytes(changed), data=DATA + b"x") is not SignatureState.VALID


def test_a_bad_region_cannot_sign() -> None:
    with pytest.raises(UsageError):
        sign_bytes(DATA, KEY, region="../one")


class Foreign:
    """A signer whose key is of a kind that is not ours."""

    fingerprint = "0" * 64
    public_pem = ec_pem(ec.SECP384R1())

    def sign(self, data: bytes) -> bytes:
        raise AssertionError(data)


def test_a_key_of_another_kind_cannot_sign() -> None:
    with pytest.raises(ConfigError, match="region one: it is a key of another kind"):
        sign_bytes(DATA, Foreign(), region="one")


def by_library(folder: Path, fields: dict[str, str]) -> None:
    public = load_pem_public_key(fields["public_key_pem"].encode())
    raw = base64.b64decode(fields["sig_b64"])
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(raw, DATA, ec.ECDSA(SHA256()))
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)
        public.verify(raw, DATA)


def by_openssl(folder: Path, fields: dict[str, str]) -> None:
    (folder / "key.pem").write_text(fields["public_key_pem"])
    (folder / "sig").write_bytes(base64.b64decode(fields["sig_b64"]))
    (folder / "data").write_bytes(DATA)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in data -sigfile sig"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


def verifiers() -> list[Callable[[Path, dict[str, str]], None]]:
    """The library always; OpenSSL's program too where a version that knows Ed25519 is installed."""
    if shutil.which("openssl"):
        said = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout
        if said.startswith("OpenSSL 3"):
            return [by_library, by_openssl]
    return [by_library]


@pytest.mark.parametrize("key", [KEY, P256], ids=["ed25519", "p256"])
@pytest.mark.parametrize("verifier", verifiers())
def test_other_tools_can_check_it(
    tmp_path: Path, verifier: Callable[[Path, dict[str, str]], None], key: RegionKey
) -> None:
    verifier(tmp_path, json.loads(sign_bytes(DATA, key, region="one")))
