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
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.errors import UsageError
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.signatures import MAX_BYTES, SignatureState, sign_bytes, verify

DATA = b'{"a":1}\n'
KEY = RegionKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = RegionKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNATURE = sign_bytes(DATA, KEY, region="one")


def check(signature: bytes, data: bytes = DATA, region: str = "one", pinned: str | None = KEY.fingerprint) -> str:
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


def ec_pem() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
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
        (edited(public_key_pem=ec_pem()), SignatureState.MALFORMED),
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


def by_library(folder: Path, fields: dict[str, str]) -> None:
    public = load_pem_public_key(fields["public_key_pem"].encode())
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(base64.b64decode(fields["sig_b64"]), DATA)


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


@pytest.mark.parametrize("verifier", verifiers())
def test_other_tools_can_check_it(tmp_path: Path, verifier: Callable[[Path, dict[str, str]], None]) -> None:
    verifier(tmp_path, json.loads(SIGNATURE))
