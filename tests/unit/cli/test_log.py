"""`lumen log`: what it shows, proofs that are handed on, and the monitor's audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.logs import SIGNER, TestLog, entry_of

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import parse_checkpoint
from lumen_workers.trust.notes import is_signed, parse_note
from lumen_workers.trust.tlog.proof import parse_proof

from .conftest import Command

VKEY = SIGNER.key.vkey


@pytest.fixture
def log(home: Path) -> TestLog:
    """The home's log, with 300 entries."""
    made = TestLog(home / "log")
    made.fill(300, batch=150)
    return made


@pytest.fixture
def folder(log: TestLog) -> str:
    return str(log.folder.path)


def test_the_key_is_made_once(lumen: Command, home: Path) -> None:
    first = lumen("log", "key").out
    assert (home / "keys" / "log.pem").stat().st_mode & 0o777 == 0o600
    told = lumen("log", "key", "--json").json
    assert told == {"vkey": first.strip(), "origin": first.split("+")[0]}


def test_an_audit_of_the_homes_log_with_its_own_key(lumen: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    assert lumen("log", "audit").code == 2
    assert "has no log yet" in lumen("log", "audit").err
    assert lumen("attest", str(tmp_path / "a.txt")).code == 0
    answer = lumen("log", "audit", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json | {"root": "", "origin": ""} == {
        "ok": True,
        "reason": None,
        "origin": "",
        "size": 1,
        "root": "",
        "since": None,
        "entries": 1,
        "tiles": 1,
        "findings": [],
        "more": 0,
    }
    assert f"{answer.json['origin']}: 1 entries in 1 tiles hold" in lumen("log", "audit").out


def test_an_audit_of_a_copy_needs_nothing_but_the_key(lumen: Command, folder: str, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    answer = lumen("log", "audit", "--folder", str(tmp_path / "copy"), "--key", VKEY, "--json")
    assert (answer.code, answer.json["ok"], answer.json["size"]) == (0, True, 300)


def test_what_is_wrong_is_told(lumen: Command, log: TestLog, folder: str) -> None:
    (log.folder.path / "tile/0/000").unlink()
    answer = lumen("log", "audit", "--folder", folder, "--key", VKEY)
    assert answer.code == 1
    assert answer.out == "log_truncated: tile/0/000: tile/0/000 is not there\n"
    assert answer.err == f"lumen: the log {SIGNER.key.name} does not hold: log_truncated\n"
    told = lumen("log", "audit", "--folder", folder, "--key", VKEY, "--json")
    assert (told.code, told.json["ok"], told.json["reason"]) == (1, False, "log_truncated")
    assert told.json["findings"] == [
        {"reason": "log_truncated", "where": "tile/0/000", "detail": "tile/0/000 is not there"}
    ]


def test_what_was_remembered_holds_the_log_to_it(lumen: Command, log: TestLog, folder: str, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    words = ["log", "audit", "--folder", folder, "--key", VKEY, "--remember", str(memory)]
    assert lumen(*words, "--json").json["since"] is None
    first = memory.read_bytes()
    assert first == log.folder.checkpoint()
    shutil.copytree(folder, tmp_path / "old")
    log.fill(7)
    assert "goes on from the 300 that were remembered" in lumen(*words).out
    later = memory.read_bytes()
    assert later == log.folder.checkpoint() != first
    words[3] = str(tmp_path / "old")
    answer = lumen(*words)
    assert (answer.code, answer.out.split(":")[0]) == (1, "log_rolled_back")
    assert memory.read_bytes() == later


def test_a_memory_of_another_log_is_refused(lumen: Command, folder: str, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.write_bytes(b"something")
    answer = lumen("log", "audit", "--folder", folder, "--key", VKEY, "--remember", str(memory))
    assert answer.code == 2
    assert f"{memory} is no checkpoint of {SIGNER.key.name}" in answer.err
    assert memory.read_bytes() == b"something"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folder", "."], "say with --key"),
        (["--url", "http://127.0.0.1:1"], "say with --key"),
        (["--folder", ".", "--url", "http://127.0.0.1:1", "--key", VKEY], "exclude each other"),
        (["--folder", ".", "--key", "x"], "--key: it is no verifier key"),
        (["--url", "ftp://x", "--key", VKEY], "no log's address"),
    ],
)
def test_wrong_usage(lumen: Command, words: list[str], said: str) -> None:
    answer = lumen("log", "audit", *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_log_that_does_not_answer(lumen: Command) -> None:
    answer = lumen("log", "audit", "--url", "http://127.0.0.1:1", "--key", VKEY)
    assert answer.code == 3
    assert answer.err.startswith("lumen: the log cannot be read: http://127.0.0.1:1/checkpoint: ConnectError")


@pytest.mark.parametrize("index", [0, 149, 299])
def test_a_proof_holds(lumen: Command, log: TestLog, index: int) -> None:
    proof = parse_proof(lumen("log", "proof", str(index)).out)
    note = parse_note(proof.checkpoint)
    under = parse_checkpoint(note.text)
    assert is_signed(note, SIGNER.key)
    assert (proof.index, under.size) == (index, 300)
    assert merkle.verify_inclusion(merkle.leaf_hash(entry_of(index)), index, 300, proof.hashes, under.root)


def test_a_proof_under_an_older_checkpoint(lumen: Command, log: TestLog, tmp_path: Path) -> None:
    data = log.folder.checkpoint()
    assert data is not None
    (tmp_path / "checkpoint").write_bytes(data)
    log.fill(500)
    output = tmp_path / "proof"
    assert lumen("log", "proof", "10", "--checkpoint", str(tmp_path / "checkpoint"), "-o", str(output)).out == ""
    proof = parse_proof(output.read_text())
    under = parse_checkpoint(parse_note(proof.checkpoint).text)
    assert (proof.checkpoint, under.size) == (data, 300)
    assert merkle.verify_inclusion(merkle.leaf_hash(entry_of(10)), 10, 300, proof.hashes, under.root)


def test_proofs_that_cannot_be_made(lumen: Command, log: TestLog, tmp_path: Path) -> None:
    beyond = lumen("log", "proof", "300")
    assert (beyond.code, beyond.err) == (2, "lumen: there is no entry 300; the log has 300\n")
    (tmp_path / "checkpoint").write_bytes(b"x")
    assert "is no checkpoint" in lumen("log", "proof", "1", "--checkpoint", str(tmp_path / "checkpoint")).err
    path = log.folder.path / "tile/0/000"
    path.write_bytes(bytes(len(path.read_bytes())))
    answer = lumen("log", "proof", "1")
    assert answer.code == 1
    assert "has not the tree of 300 entries that was signed; `lumen log audit` tells" in answer.err


def test_what_is_shown(lumen: Command, log: TestLog) -> None:
    told = lumen("log", "show", "--json").json
    data = log.folder.checkpoint()
    assert data is not None
    root = parse_checkpoint(parse_note(data).text).root.hex()
    assert told | {"published_at": ""} == {
        "origin": SIGNER.key.name,
        "size": 300,
        "root": root,
        "signed_by": [SIGNER.key.name],
        "published_at": "",
    }
    assert lumen("log", "show").out == data.decode()
