"""A home's trust at first use, as time passes, and under a root of its operator's."""

from __future__ import annotations

import multiprocessing
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from support.logs import SIGNER

from lumen_workers.domain.errors import CheckFailed, TokenExpired
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.home import TrustHome
from lumen_workers.trust.pki.upkeep import open_trust, refresh_ocsp

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = RegionKey(Ed25519PrivateKey.generate())
VKEY = SIGNER.key.vkey
A = "ap-northeast-2"


def opened(home: Path, now: datetime = NOW, key: RegionKey = KEY) -> TrustHome:
    return open_trust(home / "keys", home / "trust", region=A, signer=key, log_vkey=VKEY, now=now)[0]


def test_first_use_makes_a_development_root_and_says_so(tmp_path: Path) -> None:
    home = opened(tmp_path)
    assert home.development
    assert "Development" in home.root.subject.rfc4514_string()
    for name in ("root.pem", "crl.der", "trust.json", "chain_manifest.json", "trust_rotation.jsonl"):
        assert (tmp_path / "trust" / name).is_file(), name
    assert home.chain_path(A).is_file()
    assert home.ocsp_path(A).is_file()
    private = [path for path in (tmp_path / "keys").rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
    assert {path.name for path in private} == {"root.key", "ocsp.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_the_second_use_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    opened(tmp_path, NOW + timedelta(hours=1))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_development_root_renews_in_time(tmp_path: Path) -> None:
    first = opened(tmp_path)
    serial = first.certificate(A).serial_number  # type: ignore[union-attr]
    later = open_trust(
        tmp_path / "keys",
        tmp_path / "trust",
        region=A,
        signer=KEY,
        log_vkey=VKEY,
        now=NOW + timedelta(days=170),
    )[1]
    assert later.certificate.serial_number != serial
    assert later.crl.number > 1
    assert later.crl.next_update > NOW + timedelta(days=170)
    assert (tmp_path / "trust" / "archive" / f"{A}-{serial:x}.pem").is_file()


def test_another_key_gets_another_certificate(tmp_path: Path) -> None:
    opened(tmp_path)
    other = RegionKey(Ed25519PrivateKey.generate())
    home = opened(tmp_path, key=other)
    assert home.standing(A, other.fingerprint, NOW).certificate.public_key() == load_pem_public_key(
        other.public_pem.encode()
    )


def test_what_a_crash_has_left_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "development-root"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "root.key").write_bytes(b"half")
    assert opened(tmp_path).development


def _open(folder: str) -> str:
    return opened(Path(folder)).root_fingerprint


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        prints = pool.map(_open, [str(tmp_path)] * 8)
    assert len(set(prints)) == 1


def under_a_root(folder: Path, now: datetime) -> tuple[TrustHome, Authority]:
    root = Authority.create(folder / "root", "secret", now)
    file = root.publish(now, policy=f"log {VKEY}\nquorum none\n")
    home = TrustHome(folder / "home" / "keys", folder / "home" / "trust")
    home.install(file)
    public = load_pem_public_key(KEY.public_pem.encode())
    home.put(A, root.issue(A, public, now, 180), None)  # type: ignore[arg-type]
    return home, root


@pytest.fixture
def real(tmp_path: Path) -> tuple[TrustHome, Authority]:
    """A home under a root of its operator's."""
    return under_a_root(tmp_path, NOW)


def test_a_real_root_is_not_needed_by_a_worker(real: tuple[TrustHome, Authority], tmp_path: Path) -> None:
    home = opened(tmp_path / "home")
    assert not home.development
    assert home.root_fingerprint == real[1].fingerprint
    assert not (tmp_path / "home" / "keys" / "development-root").exists()


def test_what_a_real_root_has_to_mend_is_said(real: tuple[TrustHome, Authority], tmp_path: Path) -> None:
    home, root = real
    with pytest.raises(TokenExpired, match="ended on 2026-08-28; `lumen pki issue"):
        opened(tmp_path / "home", NOW + timedelta(days=181))
    with pytest.raises(TokenExpired, match=r"revocation list ended on .*pki crl"):
        opened(tmp_path / "home", NOW + timedelta(days=121))
    with pytest.raises(TokenExpired, match="another key"):
        opened(tmp_path / "home", key=RegionKey(Ed25519PrivateKey.generate()))
    with pytest.raises(TokenExpired, match="us-west-2 has no certificate"):
        open_trust(home.keys, home.trust, region="us-west-2", signer=KEY, log_vkey=VKEY, now=NOW)
    certificate = home.certificate(A)
    assert certificate is not None
    root.revoke(certificate.serial_number, "superseded", NOW)
    home.install(root.trust_file())
    with pytest.raises(TokenExpired, match="is revoked"):
        opened(tmp_path / "home")
    home.install(root.publish(NOW, policy="quorum none\n"))
    with pytest.raises(TokenExpired, match="is revoked"):
        opened(tmp_path / "home")


def test_a_log_that_the_root_does_not_name(real: tuple[TrustHome, Authority], tmp_path: Path) -> None:
    home, root = real
    home.install(root.publish(NOW, policy="quorum none\n"))
    with pytest.raises(TokenExpired, match="lumen pki trust --root DIR --log example"):
        opened(tmp_path / "home")


def test_another_root_needs_a_rotation(real: tuple[TrustHome, Authority], tmp_path: Path) -> None:
    home, root = real
    stranger = Authority.create(tmp_path / "stranger", None, NOW)
    with pytest.raises(CheckFailed, match="no rotation leads from it"):
        home.install(stranger.trust_file())
    file = stranger.follow(root, NOW, "quarterly")
    home.install(file)
    assert home.root_fingerprint == stranger.fingerprint
    assert len(home.trust_file().rotations) == 1


def test_other_peoples_tools_agree(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    home, root = under_a_root(tmp_path, now)
    refresh_ocsp(home, root, A, now)
    certificate = home.certificate(A)
    assert certificate is not None
    leaf = f"chain/{A}.pem"

    def run(command: str) -> str:
        ran = subprocess.run(command.split(), cwd=home.trust, capture_output=True, text=True, check=False)
        return ran.stdout + ran.stderr

    def openssl_verifies() -> str:
        run("openssl crl -inform DER -in crl.der -out crl.pem")
        return run(f"openssl verify -x509_strict -crl_check -CAfile root.pem -CRLfile crl.pem {leaf}")

    assert openssl_verifies() == f"{leaf}: OK\n"
    asked = f"openssl ocsp -issuer root.pem -cert {leaf} -CAfile root.pem -no_nonce -respin ocsp/{A}.der"
    assert f"{leaf}: good" in run(asked)
    assert "Response verify OK" in run(asked)
    assert "Verified." in run(f"certtool --verify --load-ca-certificate root.pem --infile {leaf}")
    assert "Verified" in run("certtool --verify-crl --load-ca-certificate root.pem --infile crl.pem")

    root.revoke(certificate.serial_number, "key_compromise", now, now - timedelta(days=1))
    home.install(root.trust_file())
    refresh_ocsp(home, root, A, now, anew=True)
    assert "certificate revoked" in openssl_verifies()
    assert f"{leaf}: revoked" in run(asked)
    assert "Key Compromise" in run("openssl crl -inform DER -in crl.der -text -noout")
