"""A root in its folder: what it makes, whom it lets in, what it remembers, and who may follow it."""

from __future__ import annotations

import json
import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.evidence import ed25519

from lumen_workers.domain.errors import ConfigError, EnvironmentFault, NotFound, TokenExpired, UsageError
from lumen_workers.trust.keys import dump_private
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.certificates import fingerprint
from lumen_workers.trust.pki.crl import check_crl
from lumen_workers.trust.pki.documents import read_rotation, read_trust
from lumen_workers.trust.pki.ledger import Ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PUBLIC = ed25519(5).public_key()
A = "ap-northeast-2"


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "root", None, NOW)


def listed(root: Authority) -> set[int]:
    return set(check_crl(root.trust_file().crl, root.certificate).revoked)


def number(root: Authority) -> int:
    return check_crl(root.trust_file().crl, root.certificate).number


def test_a_root_is_as_the_page_says(root: Authority) -> None:
    found = root.certificate
    names = {item.oid: item.value for item in found.subject}
    assert names == {NameOID.COMMON_NAME: "Lumen Root CA", NameOID.ORGANIZATION_NAME: "Lumen System C"}
    assert found.issuer == found.subject
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 1)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (
        (True,) * 4
    )
    assert found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert 3650 <= (found.not_valid_after_utc - found.not_valid_before_utc).days <= 3653
    assert root.fingerprint == fingerprint(found.public_bytes(Encoding.DER))
    assert not root.development


def test_what_lies_in_its_folder(root: Authority) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in root.folder.iterdir()}
    assert stat.S_IMODE(root.folder.stat().st_mode) == 0o700
    assert modes.pop(".lock") == 0o600
    assert modes == {"root.key": 0o600, "root.pem": 0o644, "trust.json": 0o644, "trust_rotation.jsonl": 0o644}
    root.answer(root.issue(A, PUBLIC, NOW, 180), NOW)
    assert stat.S_IMODE((root.folder / "ocsp.key").stat().st_mode) == 0o600
    assert [line["event"] for line in root.ledger.lines()] == ["root", "trust", "crl", "issued", "delegated"]


def test_a_passphrase_is_needed_where_there_is_one(tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "root", "open sesame", NOW)
    assert b"ENCRYPTED" in (made.folder / "root.key").read_bytes()
    assert Authority.open(made.folder, "open sesame").fingerprint == made.fingerprint
    for wrong in ("another", "", None):
        with pytest.raises(TokenExpired, match="LUMEN_CA_PASS"):
            Authority.open(made.folder, wrong)


def test_a_folder_that_is_not_empty_is_left_alone(root: Authority, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in root.folder.iterdir()}
    with pytest.raises(UsageError, match="holds a root already"):
        Authority.create(root.folder, None, NOW)
    assert {path: path.read_bytes() for path in root.folder.iterdir()} == before
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    (mine / "letter.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        Authority.create(mine, None, NOW)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o755
    with pytest.raises(EnvironmentFault, match="cannot make a root"):
        Authority.create(mine / "letter.txt", None, NOW)
    medium = tmp_path / "medium"
    (medium / "lost+found").mkdir(parents=True)
    assert Authority.create(medium, None, NOW).fingerprint
    assert stat.S_IMODE(medium.stat().st_mode) == 0o700


def test_a_root_that_cannot_be_opened(root: Authority, tmp_path: Path) -> None:
    def said(error: type[Exception]) -> str:
        with pytest.raises(error) as caught:
            Authority.open(root.folder, None)
        return str(caught.value)

    with pytest.raises(NotFound, match="init-root"):
        Authority.open(tmp_path / "nowhere", None)
    root.folder.chmod(0o750)
    assert "chmod 700" in said(EnvironmentFault)
    root.folder.chmod(0o700)
    (root.folder / "root.key").chmod(0o640)
    assert "chmod 600" in said(EnvironmentFault)
    (root.folder / "root.key").chmod(0o600)
    certificate, key = (root.folder / "root.pem").read_bytes(), (root.folder / "root.key").read_bytes()
    (root.folder / "root.key").write_bytes(dump_private(generate_private_key(SECP256R1())))
    assert "not the certificate of root.key" in said(ConfigError)
    (root.folder / "root.key").write_bytes(dump_private(ed25519(1)))
    assert "a P-256 key is needed" in said(ConfigError)
    (root.folder / "root.key").write_bytes(key)
    (root.folder / "root.pem").write_bytes(certificate[:-40])
    assert "restore it from a copy" in said(ConfigError)
    (root.folder / "root.pem").unlink()
    assert "make another" in said(ConfigError)


def test_a_signer_s_certificate_is_as_the_page_says(root: Authority) -> None:
    made = root.issue(A, PUBLIC, NOW, 180)
    extension = made.extensions.get_extension_for_class
    assert made.public_key() == PUBLIC
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 180
    assert (extension(x509.BasicConstraints).critical, extension(x509.BasicConstraints).value.ca) == (True, False)
    assert extension(x509.KeyUsage).critical
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CODE_SIGNING]
    uris = extension(x509.SubjectAlternativeName).value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [f"urn:lumen:region:{A}"]
    own = root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extension(x509.AuthorityKeyIdentifier).value.key_identifier == own
    assert extension(x509.SubjectKeyIdentifier).value == x509.SubjectKeyIdentifier.from_public_key(PUBLIC)
    assert root.issued(made)
    assert made.serial_number != root.issue(A, PUBLIC, NOW, 180).serial_number
    line = root.ledger.lines()[-2]
    assert line["serial"] == f"{made.serial_number:x}"
    assert line["region"] == A
    assert datetime.fromisoformat(line["not_after"]) == made.not_valid_after_utc


def test_revocations_stand_in_every_list_from_then_on(root: Authority) -> None:
    first, second = (root.issue(A, PUBLIC, NOW, 180).serial_number for _ in range(2))
    assert (number(root), listed(root)) == (1, set())
    root.revoke(first, "key_compromise", NOW + DAY, NOW - DAY)
    assert (number(root), listed(root)) == (2, {first})
    found = check_crl(root.trust_file().crl, root.certificate).revoked[first]
    assert (found.revoked_at, found.invalid_since) == (NOW + DAY, NOW - DAY)
    root.revoke(second, "superseded", NOW + 2 * DAY)
    root.publish(NOW + 3 * DAY)
    assert (number(root), listed(root)) == (4, {first, second})
    reopened = Authority.open(root.folder, None)
    assert [item.serial for item in reopened.revocations()] == [first, second]


def test_which_certificates_serve(root: Authority) -> None:
    assert root.serving(NOW) == {}
    root.issue(A, PUBLIC, NOW, 180)
    other, newest = root.issue("us-west-2", PUBLIC, NOW, 90), root.issue(A, PUBLIC, NOW, 180)
    assert root.serving(NOW) == {A: newest, "us-west-2": other}
    assert root.serving(NOW + 100 * DAY) == {A: newest}
    root.revoke(newest.serial_number, "superseded", NOW)
    assert root.serving(NOW) == {"us-west-2": other}
    (root.folder / "issued" / f"{other.serial_number:x}.pem").unlink()
    with pytest.raises(ConfigError, match="restore it from a copy, or issue another"):
        root.serving(NOW)


def test_what_cannot_be_revoked(root: Authority) -> None:
    serial = root.issue(A, PUBLIC, NOW, 180).serial_number
    with pytest.raises(UsageError, match="has issued no certificate"):
        root.revoke(serial + 1, "superseded", NOW)
    with pytest.raises(UsageError, match="still to come"):
        root.revoke(serial, "superseded", NOW, NOW + DAY)
    assert listed(root) == set()
    root.revoke(serial, "superseded", NOW)
    with pytest.raises(UsageError, match="revoked already"):
        root.revoke(serial, "superseded", NOW)
    assert number(root) == 2


def test_a_policy_that_cannot_be_read_changes_nothing(root: Authority) -> None:
    before = {path: path.read_bytes() for path in root.folder.iterdir()}
    with pytest.raises(ValueError, match="quorum"):
        root.publish(NOW, policy="nonsense\n")
    assert {path: path.read_bytes() for path in root.folder.iterdir()} == before
    root.publish(NOW, policy="# mine\nquorum none\n")
    assert root.policy_text() == "# mine\nquorum none\n"
    assert read_trust(root.trust_file().trust, root.certificate).version == 2


def test_the_responder_is_renewed_and_replaced(root: Authority) -> None:
    certificate = root.issue(A, PUBLIC, NOW, 180)

    def responder(now: datetime) -> x509.Certificate:
        response = x509.ocsp.load_der_ocsp_response(root.answer(certificate, now))
        assert response.certificate_status is x509.ocsp.OCSPCertStatus.GOOD
        return response.certificates[0]

    first = responder(NOW)
    extension = first.extensions.get_extension_for_class
    assert list(extension(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert extension(x509.OCSPNoCheck)
    assert root.issued(first)
    assert responder(NOW + 100 * DAY) == first
    second = responder(NOW + 155 * DAY)
    assert second.public_key() != first.public_key()
    root.revoke(second.serial_number, "key_compromise", NOW + 156 * DAY)
    assert responder(NOW + 156 * DAY).public_key() != second.public_key()
    (root.folder / "ocsp.pem").unlink()
    assert responder(NOW + 156 * DAY) not in (first, second)


def test_a_root_that_has_ended_does_nothing_more(root: Authority) -> None:
    end = root.certificate.not_valid_after_utc
    serial = root.issue(A, PUBLIC, end - DAY, 180).serial_number
    for work in (
        lambda: root.issue(A, PUBLIC, end, 180),
        lambda: root.publish(end),
    ):
        with pytest.raises(TokenExpired, match=r"ended on 2036-.*--new-root"):
            work()
    assert serial


def test_another_root_follows(root: Authority, tmp_path: Path) -> None:
    root.publish(NOW, policy="# the policy\nquorum none\n")
    second = Authority.create(tmp_path / "second", None, NOW)
    third = Authority.create(tmp_path / "third", None, NOW)
    file = second.follow(root, NOW, "yearly")
    assert file == second.trust_file()
    assert [fingerprint(der) for der in (*file.former_roots, file.root)] == [root.fingerprint, second.fingerprint]
    assert read_rotation(file.rotations[0], root.certificate, second.certificate).at == NOW
    assert second.policy_text() == "# the policy\nquorum none\n"
    assert second.follow(root, NOW + DAY, "again").rotations == file.rotations, "once is enough"
    longer = third.follow(second, NOW + DAY, "yearly")
    assert longer.former_roots == (*file.former_roots, file.root)
    assert longer.rotations[0] == file.rotations[0]
    for authority in (root, second):
        told = [line for line in authority.ledger.lines() if line["event"] == "rotated"]
        assert (told[0]["old"], told[0]["new"]) == (root.fingerprint, second.fingerprint)


def test_who_cannot_follow(root: Authority, tmp_path: Path) -> None:
    second = Authority.create(tmp_path / "second", None, NOW)
    other = Authority.create(tmp_path / "other", None, NOW)
    development = Authority.create(tmp_path / "development", None, NOW, development=True)
    second.follow(root, NOW, "yearly")
    for new, old, said in (
        (root, root, "is the old one"),
        (root, second, "was there before"),
        (second, other, "follows another one already"),
        (other, development, "for development"),
    ):
        before = new.trust_file()
        with pytest.raises(UsageError, match=said):
            new.follow(old, NOW, "no")
        assert new.trust_file() == before


def test_a_ledger_that_forgot_is_found(root: Authority) -> None:
    serial = root.issue(A, PUBLIC, NOW, 180).serial_number
    older = (root.folder / "trust_rotation.jsonl").read_bytes()
    root.revoke(serial, "key_compromise", NOW)
    (root.folder / "trust_rotation.jsonl").write_bytes(older)
    with pytest.raises(ConfigError, match=f"does not know that {serial:x} is revoked"):
        root.publish(NOW)
    assert listed(root) == {serial}


def test_numbers_never_go_back(root: Authority) -> None:
    older = (root.folder / "trust_rotation.jsonl").read_bytes()
    for _ in range(3):
        root.publish(NOW, policy="quorum none\n")
    (root.folder / "trust_rotation.jsonl").write_bytes(older)
    root.publish(NOW, policy="quorum none\n")
    assert number(root) == 5
    assert read_trust(root.trust_file().trust, root.certificate).version == 5


@pytest.mark.parametrize("damage", [b"", b"x", b"[]", b"{}"])
def test_a_trust_file_that_is_damaged(root: Authority, damage: bytes) -> None:
    (root.folder / "trust.json").write_bytes(damage)
    for work in (root.trust_file, root.policy_text, lambda: root.publish(NOW)):
        with pytest.raises(ConfigError, match="restore it from a copy"):
            work()
    (root.folder / "trust.json").unlink()
    with pytest.raises(ConfigError, match="pki crl"):
        root.trust_file()
    root.publish(NOW)
    assert number(root) == 2


def test_a_line_that_a_crash_cut_off_is_no_act(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert (ledger.lines(), ledger.whole()) == ([], b"")
    ledger.add("one", NOW, text="ü")
    with ledger.path.open("ab") as stream:
        stream.write(b'{"ts": "2026-03-01T12:00:00Z", "event": "revoked", "serial": {}')
    assert [line["event"] for line in ledger.lines()] == ["one"]
    ledger.add("two", NOW)
    assert [line["event"] for line in ledger.lines()] == ["one", "two"]
    assert [json.loads(line)["event"] for line in ledger.path.read_text().splitlines()] == ["one", "two"]


@pytest.mark.parametrize("damage", [b"\n", b"x\n", b"[]\n", b'{"event": 1}\n', b"\xff\n", b'{"event": "revoked"\n'])
def test_a_line_that_is_damaged_is_found(tmp_path: Path, damage: bytes) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add("one", NOW)
    ledger.path.write_bytes(ledger.path.read_bytes() + damage)
    with pytest.raises(ConfigError, match="line 2, cannot be read"):
        ledger.lines()


def _act(folder: str) -> list[str]:
    root = Authority.open(Path(folder), None)
    serials = []
    for _ in range(3):
        made = root.issue(A, PUBLIC, NOW, 180)
        root.revoke(made.serial_number, "superseded", NOW)
        assert root.answer(made, NOW)
        serials.append(f"{made.serial_number:x}")
    return serials


def test_operators_at_once(root: Authority) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        serials = [serial for made in pool.map(_act, [str(root.folder)] * 4) for serial in made]
    lines = root.ledger.lines()
    numbers = [line["number"] for line in lines if line["event"] == "crl"]
    assert numbers == list(range(1, 14))
    assert sorted(line["serial"] for line in lines if line["event"] == "issued") == sorted(serials)
    assert (number(root), listed(root)) == (13, {int(serial, 16) for serial in serials})
    assert sum(line["event"] == "delegated" for line in lines) == 1
