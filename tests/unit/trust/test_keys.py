from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault, LumenError, NotFound, TokenExpired
from lumen_workers.trust.keys import RegionKey, create_key, load_key
from lumen_workers.trust.pins import Pins, open_signer, rotate_signer

REGION = "ap-northeast-2"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_at_first_use_and_kept(tmp_path: Path) -> None:
    keys = tmp_path / "home" / "keys"
    first = open_signer(keys, REGION)
    again = open_signer(keys, REGION)
    assert first.fingerprint == again.fingerprint
    assert first.sign(b"x") == again.sign(b"x")
    assert mode(keys) == 0o700
    assert mode(keys / f"{REGION}.pem") == 0o600
    assert sorted(path.name for path in keys.iterdir()) == [f"{REGION}.pem", f"{REGION}.pin"]


def test_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_signer(tmp_path / "keys", REGION)
    finally:
        os.umask(before)
    assert mode(tmp_path / "keys") == 0o700
    assert mode(tmp_path / "keys" / f"{REGION}.pem") == 0o600


def test_regions_have_keys_of_their_own(tmp_path: Path) -> None:
    one, other = open_signer(tmp_path, REGION), open_signer(tmp_path, "us-west-2")
    assert one.fingerprint != other.fingerprint
    assert Pins(tmp_path).all() == {REGION: (one.fingerprint,), "us-west-2": (other.fingerprint,)}


def test_fingerprint_is_of_the_der_public_key(tmp_path: Path) -> None:
    key = open_signer(tmp_path, REGION)
    der = load_pem_public_key(key.public_pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.fingerprint == hashlib.sha256(der).hexdigest()


def test_signature_is_plain_rfc_8032() -> None:
    private = Ed25519PrivateKey.from_private_bytes(  # RFC 8032, 7.1, test 3
        bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    )
    assert RegionKey(private).sign(bytes.fromhex("af82")).hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )


START = """
import sys
from pathlib import Path
from lumen_workers.trust.pins import open_signer
print("ready", flush=True)
sys.stdin.readline()
print(open_signer(Path(sys.argv[1]), "ap-northeast-2").fingerprint)
"""


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    for round_ in range(3):
        keys = tmp_path / str(round_)
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", START, str(keys)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        for racer in racers:
            assert racer.stdout
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin
            racer.stdin.write("go\n")
            racer.stdin.flush()
        found = {racer.communicate()[0].strip() for racer in racers}
        assert found == {open_signer(keys, REGION).fingerprint}


def test_passphrase(tmp_path: Path) -> None:
    key = open_signer(tmp_path, REGION, "무지개 rainbow")
    assert b"ENCRYPTED" in (tmp_path / f"{REGION}.pem").read_bytes()
    assert open_signer(tmp_path, REGION, "무지개 rainbow").fingerprint == key.fingerprint
    with pytest.raises(TokenExpired, match="LUMEN_KEY_PASS does not open"):
        open_signer(tmp_path, REGION, "wrong")
    for missing in (None, ""):
        with pytest.raises(TokenExpired, match="is encrypted; set LUMEN_KEY_PASS"):
            open_signer(tmp_path, REGION, missing)


def test_passphrase_for_a_plain_key_is_not_ignored(tmp_path: Path) -> None:
    open_signer(tmp_path, REGION)
    with pytest.raises(TokenExpired, match="is not encrypted although"):
        open_signer(tmp_path, REGION, "secret")


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620])
def test_key_that_others_may_use(tmp_path: Path, bits: int) -> None:
    open_signer(tmp_path, REGION)
    (tmp_path / f"{REGION}.pem").chmod(bits)
    with pytest.raises(EnvironmentFault, match="chmod 600"):
        open_signer(tmp_path, REGION)


def test_no_key_in_a_folder_that_others_may_write(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    keys.chmod(0o777)
    with pytest.raises(EnvironmentFault, match="chmod 700"):
        open_signer(keys, REGION)
    assert not list(keys.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_damaged_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{REGION}.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="not a private key"):
        open_signer(tmp_path, REGION)
    assert path.read_bytes() == content


def test_key_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / f"{REGION}.pem"
    path.write_bytes(generate_private_key(SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="Ed25519"):
        load_key(path)


def test_a_p256_key_may_be_put_there(tmp_path: Path) -> None:
    private = generate_private_key(SECP256R1())
    path = tmp_path / f"{REGION}.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    key = open_signer(tmp_path, REGION)
    private.public_key().verify(key.sign(b"data"), b"data", ECDSA(SHA256()))
    assert not key.is_ed25519
    assert Pins(tmp_path).get(REGION) == key.fingerprint
    assert not rotate_signer(tmp_path, REGION).is_ed25519


def test_load_never_makes_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_key(tmp_path / "a.pem")
    assert not list(tmp_path.iterdir())


def test_create_never_replaces_one(tmp_path: Path) -> None:
    assert create_key(tmp_path / "a.pem") is True
    before = (tmp_path / "a.pem").read_bytes()
    assert create_key(tmp_path / "a.pem") is False
    assert (tmp_path / "a.pem").read_bytes() == before


def test_changed_key_is_an_error_that_names_both(tmp_path: Path) -> None:
    pinned = open_signer(tmp_path, REGION).fingerprint
    (tmp_path / f"{REGION}.pem").unlink()
    create_key(tmp_path / f"{REGION}.pem")
    found = load_key(tmp_path / f"{REGION}.pem").fingerprint
    with pytest.raises(CheckFailed, match=f"key of region {REGION} changed: pinned {pinned}, found {found}; "):
        open_signer(tmp_path, REGION)
    assert Pins(tmp_path).get(REGION) == pinned


def test_lost_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    open_signer(tmp_path, REGION)
    (tmp_path / f"{REGION}.pem").unlink()
    with pytest.raises(CheckFailed, match="is gone"):
        open_signer(tmp_path, REGION)
    assert not (tmp_path / f"{REGION}.pem").exists()


@pytest.mark.parametrize("region", ["../evil", "a/b", "", "UP", "."])
def test_region_stays_inside_the_folder(tmp_path: Path, region: str) -> None:
    with pytest.raises(LumenError):
        open_signer(tmp_path / "keys", region)
    with pytest.raises(LumenError):
        Pins(tmp_path / "keys").pin(region, "0" * 64)
    assert not list(tmp_path.iterdir())


def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault):
        open_signer(tmp_path / "file" / "keys", REGION)
