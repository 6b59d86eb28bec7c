"""`lumen pki` where something is not as it should be: said in one line, and nothing is half done."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

A, B = "ap-northeast-2", "us-west-2"


@pytest.fixture
def make_root(lumen, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Makes a root without a passphrase, by name."""

    def make(name: str) -> Path:
        assert lumen("pki", "init-root", tmp_path / name, "--no-passphrase").code == 0
        return tmp_path / name

    return make


@pytest.fixture
def root(make_root) -> Path:  # type: ignore[no-untyped-def]
    return make_root("root")  # type: ignore[no-any-return]


@pytest.fixture
def issued(lumen, root: Path) -> Path:  # type: ignore[no-untyped-def]
    """This home has a certificate under it."""
    assert lumen("pki", "issue", A, "--root", root).code == 0
    return root


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def theirs(folder: Path, region: str = A) -> Path:
    """A request as openssl makes it, of a P-256 key."""
    words = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout their.key -out their.csr -subj"
    subprocess.run([*words.split(), f"/CN={region}"], cwd=folder, check=True, capture_output=True)
    return folder / "their.csr"


def test_a_folder_that_is_in_use_is_no_place_for_a_root(lumen, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    answer = lumen("pki", "init-root", tmp_path / "mine", "--no-passphrase")
    assert (answer.code, "is not empty" in answer.err) == (2, True)
    answer = lumen("pki", "init-root", tmp_path / "mine" / "letter.txt", "--no-passphrase")
    assert (answer.code, "cannot make a root" in answer.err) == (8, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_request_of_another_tool(lumen, root: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    csr, out = theirs(tmp_path), tmp_path / "out"
    unnamed = lumen("pki", "issue", "--root", root, "--csr", csr, "--out", out)
    assert (unnamed.code, "names no log; give --log" in unnamed.err) == (2, True)
    vkey = lumen("log", "key").out.strip()
    answer = lumen("pki", "issue", "--root", root, "--csr", csr, "--out", out, "--log", vkey, "--days", 30)
    assert (answer.code, f"{A}: certificate" in answer.out) == (0, True)
    made = x509.load_pem_x509_certificate((out / "chain" / f"{A}.pem").read_bytes())
    assert made.public_key() == x509.load_pem_x509_csr(csr.read_bytes()).public_key()
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 30
    assert (out / "ocsp" / f"{A}.der").is_file()
    again = lumen("pki", "issue", "--root", root, "--csr", csr, "--out", out)
    assert again.code == 0, "the log is named by now"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--csr", "their.csr"), "--csr and --output go together"),
        (("--output", "out"), "--csr and --output go together"),
        ((B, "--csr", "their.csr", "--output", "out"), f"is of region {A}, not of {B}"),
        (("--csr", "letter.txt", "--output", "out"), "is no request of `lumen pki request`"),
        (("--csr", "nowhere", "--output", "out"), "is no request of `lumen pki request`"),
        (("--csr", "their.csr", "--output", "out", "--log", "nonsense"), "is no request"),
        ((), "give a region of this home"),
    ],
)
def test_what_is_no_request(lumen, root: Path, tmp_path: Path, monkeypatch, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    theirs(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear Kim")
    before = files(root)
    answer = lumen("pki", "issue", "--root", root, *words)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert files(root) == before


def test_a_key_is_not_rotated_under_a_root_that_the_home_does_not_follow(  # type: ignore[no-untyped-def]
    lumen, issued: Path, make_root, home: Path
) -> None:
    before = files(home / "keys") | files(home / "trust")
    answer = lumen("pki", "rotate", A, "--root", make_root("stranger"))
    assert (answer.code, "no rotation leads from it" in answer.err) == (1, True)
    assert files(home / "keys") | files(home / "trust") == before
    unknown = lumen("pki", "rotate", "mars-1", "--root", issued)
    assert (unknown.code, "unknown region" in unknown.err) == (2, True)


def test_of_a_rotated_key_the_public_half_is_kept(lumen, issued: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    old = (home / "keys" / f"{A}.pem").read_bytes()
    serial = lumen("pki", "show", "--json").json["certificate"]["serial"]
    answer = lumen("pki", "rotate", A, "--root", issued)
    assert (answer.code, "restart the workers" in answer.out) == (0, True)
    kept = [path.read_text() for path in (home / "keys" / "archive").iterdir()]
    assert len(kept) == 1
    assert "BEGIN PUBLIC KEY" in kept[0]
    assert old not in files(home).values()
    assert (home / "trust" / "archive" / f"{A}-{serial}.pem").is_file()


def test_a_root_that_follows_issues_this_home_s_certificates(lumen, issued: Path, make_root, home: Path) -> None:  # type: ignore[no-untyped-def]
    before = lumen("pki", "show", "--json").json
    new = make_root("new")
    answer = lumen("pki", "rotate", "--root", issued, "--new-root", new)
    assert (answer.code, f"follows {before['root_fingerprint']}" in answer.out) == (0, True)
    after = lumen("pki", "show", "--json").json
    assert (after["problem"], after["fingerprint"]) == (None, before["fingerprint"])
    assert after["root_fingerprint"] != before["root_fingerprint"]
    assert after["certificate"]["serial"] != before["certificate"]["serial"]
    own = lumen("pki", "rotate", "--root", new, "--new-root", new)
    assert (own.code, "is the old one" in own.err) == (2, True)
    back = lumen("pki", "rotate", "--root", new, "--new-root", issued)
    assert (back.code, "was there before it" in back.err) == (2, True)
    old = lumen("pki", "issue", A, "--root", issued)
    assert (old.code, "no rotation leads from it" in old.err) == (1, True)


def test_what_is_revoked_is_so_in_every_file(lumen, issued: Path) -> None:  # type: ignore[no-untyped-def]
    shown = lumen("pki", "show", "--json").json
    early = lumen("pki", "revoke", shown["certificate"]["serial"], "--root", issued, "--since", "2999-01-01T00:00:00Z")
    assert (early.code, "still to come" in early.err) == (2, True)
    words = ("--reason", "key_compromise", "--since", "2026-01-31T12:00:00Z")
    assert lumen("pki", "revoke", shown["certificate"]["serial"], "--root", issued, *words).code == 0
    answer = ocsp.load_der_ocsp_response(Path(shown["ocsp"]).read_bytes())
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    crl = x509.load_der_x509_crl(Path(shown["crl"]).read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(int(shown["certificate"]["serial"], 16)) is not None
    assert "not in order" in lumen("pki", "show").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("revoke", "1f"), "has issued no certificate 1f"),
        (("revoke", "xyz"), "no serial number in hex"),
        (("revoke", "1f", "--since", "yesterday"), "no instant with its offset"),
        (("revoke", "1f", "--since", "2026-01-31T12:00:00"), "no instant with its offset"),
        (("trust", "--witness", ""), "trust document was not made"),
        (("trust", "--log", "nonsense"), "trust document was not made"),
        (("trust", "--quorum", "1"), "trust document was not made"),
        (("trust", "--policy", "nowhere"), "trust document was not made"),
        (("trust", "--policy", "nowhere", "--quorum", "1"), "--policy says all of it"),
    ],
)
def test_what_a_root_does_not_do(lumen, issued: Path, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    before = files(issued)
    answer = lumen("pki", *words, "--root", issued)
    assert (answer.code, said in answer.err) == (2, True), answer.err
    assert files(issued) == before


def test_answers_by_a_root_that_has_issued_nothing_here(lumen, issued: Path, make_root) -> None:  # type: ignore[no-untyped-def]
    answer = lumen("pki", "ocsp", "--root", make_root("stranger"))
    assert (answer.code, "this home has no certificate of the root" in answer.err) == (2, True)
    answer = lumen("pki", "ocsp", "--root", make_root("another"), "--output", issued.parent / "carried")
    assert (answer.code, "nobody has" in answer.err) == (2, True)
    assert not (issued.parent / "carried").exists()


def carried(lumen, root: Path, folder: Path, name: str) -> Path:  # type: ignore[no-untyped-def]
    """What is to be carried to this home."""
    assert lumen("pki", "request", "--output", folder / "ours.csr").code == 0
    words = ("--csr", folder / "ours.csr", "--output", folder / name)
    assert lumen("pki", "issue", "--root", root, *words).code == 0
    return folder / name


def test_answers_and_lists_are_carried(lumen, root: Path, tmp_path: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    lumen("pki", "install", carried(lumen, root, tmp_path, "first"))
    before = lumen("pki", "show", "--json").json
    answer = Path(before["ocsp"]).read_bytes()
    assert lumen("pki", "crl", "--root", root).code == 0
    assert lumen("pki", "ocsp", "--root", root, "--output", tmp_path / "news").code == 0
    assert lumen("pki", "install", tmp_path / "news").code == 0
    after = lumen("pki", "show", "--json").json
    assert (after["problem"], after["certificate"]) == (None, before["certificate"])
    assert after["crl_number"] == before["crl_number"] + 1
    assert Path(after["ocsp"]).read_bytes() != answer
    assert not any(b"PRIVATE" in data for data in files(tmp_path / "news").values())


def test_an_older_folder_is_not_installed(lumen, root: Path, tmp_path: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    first = carried(lumen, root, tmp_path, "first")
    second = carried(lumen, root, tmp_path, "second")
    assert lumen("pki", "crl", "--root", root).code == 0
    third = carried(lumen, root, tmp_path, "third")
    for folder in (first, second, third, third):
        assert lumen("pki", "install", folder).code == 0
    before = files(home / "trust")
    answer = lumen("pki", "install", first)
    assert (answer.code, "older than the present one" in answer.err) == (1, True)
    assert files(home / "trust") == before


def test_a_folder_that_does_not_hold_is_not_installed(lumen, root: Path, make_root, tmp_path: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    good = carried(lumen, root, tmp_path, "good")
    other = carried(lumen, make_root("stranger"), tmp_path, "other")
    assert lumen("pki", "install", good).code == 0
    before = files(home / "trust")

    def refused(name: str, said: str, code: int = 1) -> None:
        answer = lumen("pki", "install", tmp_path / name)
        assert (answer.code, said in answer.err) == (code, True), answer.err
        assert files(home / "trust") == before

    refused("other", "no rotation leads from it")
    shutil.copytree(good, tmp_path / "mixed")
    shutil.copy(other / "chain" / f"{A}.pem", tmp_path / "mixed" / "chain")
    refused("mixed", "does not lead to the root")
    shutil.copytree(good, tmp_path / "renamed")
    (tmp_path / "renamed" / "chain" / f"{A}.pem").rename(tmp_path / "renamed" / "chain" / f"{B}.pem")
    refused("renamed", "is of another region")
    shutil.copytree(good, tmp_path / "damaged")
    (tmp_path / "damaged" / "trust.json").write_bytes(b"{}")
    refused("damaged", "no trust file", 2)
    assert lumen("pki", "install", other, "--replace").code == 0


def test_a_root_that_is_gone_from_the_home(lumen, issued: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    (home / "trust" / "root.pem").unlink()
    answer = lumen("pki", "show")
    assert (answer.code, "lumen pki install FOLDER" in answer.err) == (4, True)
    assert not (home / "keys" / "development-root").exists()
    assert lumen("pki", "issue", A, "--root", issued).code == 0
    assert lumen("pki", "show", "--json").json["problem"] is None


def test_a_home_whose_list_is_of_another_root(lumen, issued: Path, make_root, home: Path) -> None:  # type: ignore[no-untyped-def]
    shutil.copy(make_root("stranger") / "trust.json", home / "trust" / "trust.json")
    shown = lumen("pki", "show", "--json").json
    assert "install what the root has issued" in shown["problem"]
    assert (shown["crl_number"], shown["crl_next_update"], shown["certificate"]["revoked"]) == (None, None, None)
    assert "not in order" in lumen("pki", "show").out
