"""Other people's programs about our certificates, lists, answers, requests and documents: openssl and GnuTLS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.evidence import ed25519, p256
from support.logs import SIGNER

from lumen_workers.domain.ports import Signer
from lumen_workers.trust.dsse import parse_envelope
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.home import TrustHome
from lumen_workers.trust.pki.request import make_request, read_request
from lumen_workers.trust.pki.upkeep import refresh_ocsp

A = "ap-northeast-2"
DAY = timedelta(days=1)
SIGNERS: dict[str, Signer] = {"ed25519": RegionKey(ed25519(3)), "p256": RegionKey(p256(3))}
PUBLIC: dict[str, Any] = {"ed25519": ed25519(3).public_key(), "p256": p256(3).public_key()}

Run = Callable[[str], str]


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def root(tmp_path: Path, now: datetime) -> Authority:
    return Authority.create(tmp_path / "root", None, now)


@pytest.fixture
def home(tmp_path: Path) -> TrustHome:
    return TrustHome(tmp_path / "keys", tmp_path / "trust")


@pytest.fixture
def run(home: TrustHome) -> Run:
    """Runs a command in the home's public folder; returns what it says."""

    def call(command: str) -> str:
        ran = subprocess.run(command.split(), cwd=home.trust, capture_output=True, text=True, check=False)
        return f"{ran.stdout}{ran.stderr}\nended with {ran.returncode}"

    return call


def fill(home: TrustHome, root: Authority, now: datetime, kind: str = "ed25519", begin: datetime | None = None) -> int:
    certificate = root.issue(A, PUBLIC[kind], begin or now, 180)
    home.install(root.trust_file())
    home.put(A, certificate, root.answer(certificate, now))
    return certificate.serial_number


def openssl_verifies(run: Run, more: str = "") -> str:
    run("openssl crl -inform DER -in crl.der -out crl.pem")
    return run(f"openssl verify -x509_strict -crl_check -CAfile root.pem -CRLfile crl.pem {more} chain/{A}.pem")


def certtool_verifies(run: Run, purpose: str = "1.3.6.1.5.5.7.3.3") -> str:
    return run(f"certtool --verify --verify-purpose={purpose} --load-ca-certificate root.pem --infile chain/{A}.pem")


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_certificate(home: TrustHome, root: Authority, now: datetime, run: Run, kind: str) -> None:
    serial = fill(home, root, now, kind)
    assert openssl_verifies(run).endswith("OK\n\nended with 0")
    assert f"serial={serial:X}" in run(f"openssl x509 -noout -serial -in chain/{A}.pem").replace("serial=0", "serial=")
    text = run(f"openssl x509 -noout -text -in chain/{A}.pem")
    for words in (
        "Basic Constraints: critical\n                CA:FALSE",
        "Key Usage: critical\n                Digital Signature\n",
        "Extended Key Usage: \n                Code Signing\n",
        f"URI:urn:lumen:region:{A}\n",
        f"Subject: CN = {A}, O = Lumen System C",
        "Issuer: CN = Lumen Root CA, O = Lumen System C",
    ):
        assert words in text
    assert "Chain verification output: Verified. The certificate is trusted." in certtool_verifies(run)
    assert "purpose" in certtool_verifies(run, "1.3.6.1.5.5.7.3.1").lower()


@pytest.mark.parametrize(("days", "said"), [(200, "certificate has expired"), (-1, "certificate is not yet valid")])
def test_a_certificate_at_another_time(
    home: TrustHome, root: Authority, now: datetime, run: Run, days: int, said: str
) -> None:
    fill(home, root, now)
    at = int((now + days * DAY).timestamp())
    run("openssl crl -inform DER -in crl.der -out crl.pem")
    assert said in run(f"openssl verify -attime {at} -CAfile root.pem chain/{A}.pem")
    assert "CRL has expired" in openssl_verifies(run, f"-attime {int((now + 121 * DAY).timestamp())}")


def test_a_certificate_of_another_root_of_that_name(home: TrustHome, root: Authority, tmp_path: Path, run: Run) -> None:
    now = datetime.now(UTC)
    fill(home, root, now)
    other = Authority.create(tmp_path / "other", None, now)
    (home.trust / "root.pem").write_bytes((other.folder / "root.pem").read_bytes())
    assert "verification failed" in openssl_verifies(run)
    assert "Not verified. The certificate is NOT trusted. The certificate issuer is unknown." in certtool_verifies(run)
    said = run("certtool --verify-crl --load-ca-certificate root.pem --infile crl.pem")
    assert "Verification output: Not verified." in said


def test_a_list(home: TrustHome, root: Authority, now: datetime, run: Run) -> None:
    serial = fill(home, root, now)
    check = "openssl crl -inform DER -in crl.der -noout -CAfile root.pem -crlnumber -issuer -nextupdate"
    assert "verify OK" in run(check)
    assert "crlNumber=0x1\n" in run(check).replace("0x01", "0x1")
    verify = "certtool --verify-crl --load-ca-certificate root.pem --infile crl.pem"
    assert openssl_verifies(run).endswith("ended with 0")
    assert "Verification output: Verified" in run(verify)

    root.revoke(serial, "key_compromise", now, now - DAY)
    home.install(root.trust_file())
    assert "certificate revoked" in openssl_verifies(run)
    text = run("openssl crl -inform DER -in crl.der -noout -text")
    for words in (
        f"Serial Number: {serial:X}",
        "Key Compromise",
        "Invalidity Date",
        "X509v3 CRL Number: \n                2",
    ):
        assert words in text.replace("Serial Number: 0", "Serial Number: ")
    assert "Verification output: Verified" in run(verify)
    assert f"{serial:x}" in run("certtool --crl-info --inder --infile crl.der").replace(":", "").lower()


def test_an_answer(home: TrustHome, root: Authority, now: datetime, run: Run) -> None:
    serial = fill(home, root, now)
    ask = (
        f"openssl ocsp -issuer root.pem -cert chain/{A}.pem -CAfile root.pem -no_nonce -respin ocsp/{A}.der -resp_text"
    )
    said = run(ask)
    assert "Response verify OK" in said
    assert f"chain/{A}.pem: good" in said
    assert "OCSP No Check" in said
    (home.trust / "responder.pem").write_bytes((root.folder / "ocsp.pem").read_bytes())
    assert "Response verify OK" in run(f"{ask} -VAfile responder.pem")
    assert "verify OK" in run(
        f"openssl ocsp -respin ocsp/{A}.der -issuer root.pem -serial 0x{serial:x} -VAfile root.pem -CAfile root.pem"
    )

    root.revoke(serial, "key_compromise", now)
    home.install(root.trust_file())
    refresh_ocsp(home, root, A, now, anew=True)
    said = run(ask)
    assert "Response verify OK" in said
    assert f"chain/{A}.pem: revoked" in said
    assert "Reason: keyCompromise" in said


def test_an_answer_of_nobody_s(home: TrustHome, root: Authority, tmp_path: Path, now: datetime, run: Run) -> None:
    fill(home, root, now)
    other = Authority.create(tmp_path / "other", None, now)
    certificate = home.certificate(A)
    assert certificate is not None
    home.put(A, certificate, other.answer(certificate, now))
    said = run(f"openssl ocsp -issuer root.pem -cert chain/{A}.pem -CAfile root.pem -no_nonce -respin ocsp/{A}.der")
    assert "Response verify OK" not in said
    assert "Response Verify Failure" in said or "No Status found" in said


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_request(home: TrustHome, run: Run, kind: str) -> None:
    home.trust.mkdir()
    (home.trust / "ours.csr").write_bytes(make_request(A, SIGNERS[kind], SIGNER.key.vkey))
    said = run("openssl req -in ours.csr -noout -verify -text")
    for words in ("verify OK", f"Subject: CN = {A}, O = Lumen System C", SIGNER.key.vkey, "ended with 0"):
        assert words in said
    assert "Self signature: verified" in run("certtool --crq-info --infile ours.csr")


@pytest.mark.parametrize("kind", ["ed25519", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_a_request_of_theirs(home: TrustHome, root: Authority, now: datetime, run: Run, kind: str) -> None:
    home.trust.mkdir()
    run(f"openssl genpkey -algorithm {kind} -out key.pem")
    assert "ended with 0" in run(f"openssl req -new -key key.pem -subj /CN={A} -out theirs.csr")
    asked = read_request((home.trust / "theirs.csr").read_bytes())
    assert (asked.region, asked.log) == (A, None)
    certificate = root.issue(asked.region, asked.public, now, 90)
    home.install(root.trust_file())
    home.put(A, certificate, root.answer(certificate, now))
    assert openssl_verifies(run).endswith("OK\n\nended with 0")
    assert run(f"openssl x509 -noout -pubkey -in chain/{A}.pem") == run("openssl pkey -in key.pem -pubout")


def test_a_root_document(home: TrustHome, root: Authority, tmp_path: Path, now: datetime, run: Run) -> None:
    """Trust documents and rotations are signatures that openssl checks."""
    second = Authority.create(tmp_path / "second", None, now)
    file = second.follow(root, now, "yearly")
    home.install(file)
    for document, signers in ((file.trust, [second]), (file.rotations[0], [root, second])):
        envelope = parse_envelope(document)
        (home.trust / "signed").write_bytes(envelope.signed)
        for authority, signature in zip(signers, envelope.signatures, strict=True):
            (home.trust / "signature").write_bytes(signature.sig)
            (home.trust / "public.pem").write_text(authority.signer.public_pem)
            assert "Verified OK" in run("openssl dgst -sha256 -verify public.pem -signature signature signed")
    assert (
        run(f"openssl x509 -in {root.folder}/root.pem -noout -fingerprint -sha256")
        .replace(":", "")
        .lower()
        .find(root.fingerprint)
        > 0
    )


def test_an_encrypted_root_key_opens_with_its_passphrase_only(
    tmp_path: Path, now: datetime, home: TrustHome, run: Run
) -> None:
    home.trust.mkdir()
    made = Authority.create(tmp_path / "root", "sesame", now)
    key = made.folder / "root.key"
    assert run(f"openssl pkey -in {key} -passin pass:sesame -pubout").startswith(made.signer.public_pem)
    assert "ended with 1" in run(f"openssl pkey -in {key} -passin pass:other -noout")
