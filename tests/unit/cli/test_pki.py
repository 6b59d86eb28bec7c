"""`lumen pki`, as a root's operator and a home's go through it; `lumen attest`, `verify` and `log` under that root."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
from pathlib import Path

import pytest

A = "ap-northeast-2"


@pytest.fixture
def root(lumen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # type: ignore[no-untyped-def]
    """A root with a passphrase."""
    monkeypatch.setenv("LUMEN_CA_PASS", "open sesame")
    folder = tmp_path / "root"
    assert lumen("pki", "init-root", folder).code == 0
    return folder


@pytest.fixture
def issued(lumen, root: Path) -> Path:  # type: ignore[no-untyped-def]
    """The same, and this home has a certificate under it."""
    assert lumen("pki", "issue", A, "--root", root).code == 0
    return root


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.txt"
    path.write_text("a report\n")
    return path


def test_a_fresh_home_has_every_file_that_is_named(lumen, home: Path) -> None:  # type: ignore[no-untyped-def]
    shown = lumen("pki", "show", "--json").json
    for name in ("root", "chain", "crl", "ocsp", "trust_file"):
        assert Path(shown[name]).is_file(), name
    assert (shown["development"], shown["problem"]) == (True, None)
    der = subprocess.run(["openssl", "x509", "-in", shown["root"], "-outform", "DER"], capture_output=True, check=True)
    assert hashlib.sha256(der.stdout).hexdigest() == shown["root_fingerprint"]
    assert lumen("log", "key").out.strip() == shown["log"]
    assert "(development root)" in lumen("pki", "show").out


def test_a_root_is_made_once_apart_and_encrypted(lumen, root: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "root.key").stat().st_mode) == 0o600
    assert b"ENCRYPTED" in (root / "root.key").read_bytes()
    again = lumen("pki", "init-root", root)
    assert (again.code, "holds a root already" in again.err) == (2, True)
    inside = lumen("pki", "init-root", home / "root")
    assert (inside.code, "where workers are" in inside.err) == (2, True)


def test_a_root_without_a_passphrase_is_asked_for(lumen, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    answer = lumen("pki", "init-root", tmp_path / "root")
    assert (answer.code, "set LUMEN_CA_PASS" in answer.err) == (2, True)
    assert "give a file" not in answer.err
    assert lumen("pki", "init-root", tmp_path / "root", "--no-passphrase").code == 0


def test_evidence_under_a_real_root(lumen, issued: Path, file: Path, home: Path) -> None:  # type: ignore[no-untyped-def]
    shown = lumen("pki", "show", "--json").json
    assert (shown["development"], shown["problem"]) == (False, None)
    assert not (home / "keys" / "development-root").exists()
    made = lumen("attest", file, "--json").json[0]
    assert made["root_fingerprint"] == shown["root_fingerprint"]
    answer = lumen("verify", file, "--root", shown["root_fingerprint"], "--offline", "--json")
    assert (answer.code, answer.json["verdict"], answer.json["development"]) == (0, "NO_TIME", False)
    assert lumen("verify", file).code == 0
    wrong = lumen("verify", file, "--root", "ab" * 32, "--json")
    assert (wrong.code, wrong.json["reason"]) == (1, "root_mismatch")


def test_a_revoked_certificate_signs_no_more_and_is_named(lumen, issued: Path, file: Path) -> None:  # type: ignore[no-untyped-def]
    shown = lumen("pki", "show", "--json").json
    lumen("attest", file)
    assert "revoked, list 3" in lumen("pki", "revoke", shown["certificate"]["serial"], "--root", issued).out
    answer = lumen("verify", file, "--json")
    assert (answer.code, answer.json["verdict"], answer.json["reason"]) == (1, "REVOKED_BEFORE", "revoked_before")
    assert lumen("verify", file, "--offline", "--root", shown["root_fingerprint"]).code == 0, "nobody has told it"
    crl = lumen("verify", file, "--offline", "--root", shown["root_fingerprint"], "--crl", shown["crl"])
    assert crl.code == 1
    refused = lumen("attest", file, "--force")
    assert (refused.code, "is revoked" in refused.err) == (4, True)
    assert lumen("pki", "show", "--json").json["certificate"]["revoked"] is True
    again = lumen("pki", "revoke", shown["certificate"]["serial"], "--root", issued)
    assert (again.code, "revoked already" in again.err) == (2, True)


def test_a_regions_key_is_rotated_and_what_it_signed_goes_on_to_count(lumen, issued: Path, file: Path) -> None:  # type: ignore[no-untyped-def]
    before = lumen("pki", "show", "--json").json
    lumen("attest", file)
    assert lumen("pki", "rotate", A, "--root", issued).code == 0
    after = lumen("pki", "show", "--json").json
    assert after["fingerprint"] != before["fingerprint"]
    assert after["certificate"]["serial"] != before["certificate"]["serial"]
    assert lumen("verify", file).code == 0
    other = file.with_name("other.txt")
    other.write_text("another\n")
    assert lumen("attest", other).code == 0
    assert lumen("verify", other).code == 0


def test_a_root_follows_another(lumen, issued: Path, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    old = lumen("pki", "show", "--json").json["root_fingerprint"]
    new = tmp_path / "new"
    lumen("pki", "init-root", new)
    refused = lumen("pki", "issue", A, "--root", new)
    assert (refused.code, "no rotation leads from it" in refused.err) == (1, True)
    assert lumen("pki", "rotate", "--root", issued, "--new-root", new).code == 0
    assert lumen("pki", "issue", A, "--root", new).code == 0
    now = lumen("pki", "show", "--json").json["root_fingerprint"]
    assert now != old
    lumen("attest", file)
    for trusted in (old, now):
        answer = lumen("verify", file, "--root", trusted, "--offline", "--json")
        assert (answer.code, answer.json["root"]) == (0, now), answer.json


def test_a_certificate_for_another_machine(lumen, root: Path, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lumen("pki", "request", "--output", tmp_path / "request.csr")
    assert "PRIVATE" not in (tmp_path / "request.csr").read_text()
    carried = tmp_path / "carried"
    words = ("pki", "issue", A, "--root", root, "--request", tmp_path / "request.csr", "--output", carried)
    assert lumen(*words).code == 0
    assert lumen("pki", "install", carried).code == 0
    shown = lumen("pki", "show", "--json").json
    assert (shown["development"], shown["problem"]) == (False, None)
    assert lumen("attest", file).code == 0
    assert lumen("pki", "install", tmp_path / "nowhere").code == 2


def test_lists_and_answers_are_made_anew(lumen, issued: Path) -> None:  # type: ignore[no-untyped-def]
    before = lumen("pki", "show", "--json").json
    ocsp = Path(before["ocsp"]).read_bytes()
    assert lumen("pki", "crl", "--root", issued, "--days", "30").code == 0
    after = lumen("pki", "show", "--json").json
    assert after["crl_number"] == before["crl_number"] + 1
    assert after["crl_next_update"] < before["crl_next_update"]
    assert before["ocsp"] in lumen("pki", "ocsp", "--root", issued).out
    assert Path(before["ocsp"]).read_bytes() != ocsp


def test_witnesses_and_their_quorum(lumen, issued: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    witness = "w.example+59ea7df8+BGRk8J0+T3cDN5QJcBY+c9qXEw7AuKbg1mZrtC0OYFYm"
    wrong = lumen("pki", "trust", "--root", issued, "--witness", witness)
    assert (wrong.code, "trust document was not made" in wrong.err) == (2, True)
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    assert lumen("pki", "trust", "--root", issued, "--policy", policy).out == "quorum none\n"
    said = lumen("pki", "show", "--json").json["problem"]
    assert "does not name this home's log" in said
    assert lumen("pki", "issue", A, "--root", issued).code == 0
    assert lumen("pki", "show", "--json").json["problem"] is None


def test_a_wrong_passphrase(lumen, issued: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LUMEN_CA_PASS", "another")
    answer = lumen("pki", "crl", "--root", issued)
    assert (answer.code, "LUMEN_CA_PASS does not open" in answer.err) == (4, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("crl", "--root", "nowhere"), "there is no root"),
        (("issue", "mars-1", "--root", "nowhere"), "unknown region"),
        (("rotate", "--root", "nowhere"), "give a region, or --new-root"),
        (("revoke", "xyz", "--root", "nowhere", "--reason", "whim"), "--reason whim: use"),
    ],
)
def test_wrong_usage(lumen, words: tuple[str, ...], said: str) -> None:  # type: ignore[no-untyped-def]
    answer = lumen("pki", *words)
    assert (answer.code, said in answer.err) == (2, True), answer.err


def test_a_root_that_others_may_look_into(lumen, issued: Path) -> None:  # type: ignore[no-untyped-def]
    issued.chmod(0o755)
    answer = lumen("pki", "crl", "--root", issued)
    assert (answer.code, "chmod 700" in answer.err) == (8, True)


def test_the_parts_are_what_other_tools_expect(lumen, issued: Path, file: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    parts = tmp_path / "parts"
    made = lumen("attest", file, "--split", parts, "--json").json[0]
    name = file.name
    envelope = (parts / f"{name}.intoto.json").read_bytes()
    assert hashlib.sha256(envelope).hexdigest() == made["envelope_sha256"]
    assert json.loads((parts / f"{name}.entry.json").read_bytes())["envelope_sha256"] == made["envelope_sha256"]
    assert lumen("log", "proof", "0").out == (parts / f"{name}.tlog-proof").read_text()
    assert lumen("log", "show", "--json").json["size"] == 1
