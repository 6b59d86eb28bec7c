"""`lumen gateway` and `lumen loop set`."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from support.gateways import CONFIRM, PHRASE, feed

from lumen_workers.adapters.store import SqlStore, open_store

from .conftest import Command

SESSION = "session_restore_lumen_v0_8.yaml"


@contextmanager
def opened(home: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{home}/lumen.db")
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def phrase(tmp_path: Path) -> Path:
    path = tmp_path / "phrase"
    path.write_text(PHRASE + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def signed(lumen: Command, home: Path, phrase: Path) -> None:
    """A gateway that is signed, with samples of now."""
    assert lumen("status").code == 0
    with opened(home) as store:
        feed(store)
    assert lumen("gateway", "sign", "--phrase-file", phrase).code == 0


@pytest.fixture
def locked(lumen: Command, signed: None, phrase: Path) -> None:
    answer = lumen("gateway", "lock", "--phrase-file", phrase, "--note", "go")
    assert (answer.code, answer.out) == (0, "gateway of main: locked; Lumen may change its rules\n")


def test_a_new_home_says_what_begins(lumen: Command) -> None:
    told = lumen("gateway", "status", "--json").json
    assert (told["status"], told["phase_lock"], told["may_change_rules"]) == (None, "seeking", False)
    assert told["blocked_because"] == "loop 'main' has no gateway; `lumen gateway sign` begins one"
    assert "`lumen gateway sign` begins one" in lumen("gateway", "log").out
    assert lumen("gateway", "log", "--json").json == []


def test_two_commands_lead_to_locked(lumen: Command, locked: None, home: Path) -> None:
    told = lumen("gateway", "status", "--json").json
    assert (told["status"], told["phase_lock"], told["may_change_rules"]) == ("locked", "locked", True)
    assert "locked" in lumen("gateway", "status").out
    log = lumen("gateway", "log").out.splitlines()
    assert [line.split("[")[1].split("]")[0] for line in log] == [
        "INIT",
        "BIND",
        "SIGN",
        "RESONATE",
        "LOCK-IN",
        "HANDOFF",
    ]
    assert [row["tag"] for row in lumen("gateway", "log", "--last", 2, "--json").json] == ["LOCK-IN", "HANDOFF"]
    everything = (home / SESSION).read_text() + lumen("gateway", "log").out + str(told)
    assert PHRASE not in everything
    told = lumen("gateway", "unlock", "--json").json
    assert told["status"] == "resonating"


def test_a_phrase_from_the_environment(lumen: Command, signed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_GATEWAY_PHRASE", PHRASE)
    assert "the phrase is right" in lumen("gateway", "sign").out
    assert lumen("gateway", "lock").code == 0


def test_a_confirm_phrase_of_its_own(
    lumen: Command, home: Path, phrase: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lumen("status")
    with opened(home) as store:
        feed(store)
    confirm = tmp_path / "confirm"
    confirm.write_text(CONFIRM)
    confirm.chmod(0o600)
    assert lumen("gateway", "sign", "--phrase-file", phrase, "--confirm-file", confirm).code == 0
    assert lumen("gateway", "lock", "--phrase-file", phrase).code == 1
    monkeypatch.setenv("LUMEN_GATEWAY_CONFIRM", CONFIRM)
    assert lumen("gateway", "lock").code == 0


def test_a_wrong_phrase_is_a_no(lumen: Command, signed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lumen("gateway", "log").out
    monkeypatch.setenv("LUMEN_GATEWAY_PHRASE", "another horse altogether")
    for verb in ("sign", "lock"):
        answer = lumen("gateway", verb)
        assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
        assert "another horse" not in answer.err
    assert lumen("gateway", "log").out == before


def test_nobody_is_asked_where_nobody_sits(lumen: Command) -> None:
    answer = lumen("gateway", "sign")
    assert answer.code == 2
    assert "give a file (mode 0600) or set LUMEN_GATEWAY_PHRASE" in answer.err


def test_others_must_not_read_the_file(lumen: Command, phrase: Path) -> None:
    phrase.chmod(0o644)
    answer = lumen("gateway", "sign", "--phrase-file", phrase)
    assert answer.code == 2
    assert "chmod 600" in answer.err


def test_rekeying_needs_a_reason(lumen: Command, signed: None, phrase: Path) -> None:
    assert "--note why" in lumen("gateway", "rekey", "--phrase-file", phrase).err
    phrase.write_text("a wholly new phrase")
    assert lumen("gateway", "rekey", "--phrase-file", phrase, "--note", "kim has left").code == 0
    assert "the phrase is right" in lumen("gateway", "sign", "--phrase-file", phrase).out


def test_beginning_anew_step_by_step(lumen: Command, signed: None, phrase: Path) -> None:
    assert lumen("gateway", "init", "--json").json["status"] == "initializing"
    assert lumen("gateway", "bind", "--json").json["status"] == "binding"
    assert lumen("gateway", "sign", "--phrase-file", phrase, "--json").json["status"] == "resonating"


def test_the_session_can_be_restored_while_locked(lumen: Command, locked: None, home: Path) -> None:
    answer = lumen("gateway", "restore-check", "--json")
    assert (answer.code, [row["ok"] for row in answer.json]) == (0, [True] * 4)
    told = yaml.safe_load((home / SESSION).read_text())
    assert told["gateway_id"] == "lumen_field_v0_8"
    assert (told["last_status"], told["loop_rate_hz"]) == ("locked", 5)
    assert len(told["resonance_hash_16"]) == 16
    assert told["restore_paths"]["sync_log"] == "logs/gateway_sync.log"
    assert stat.S_IMODE((home / SESSION).stat().st_mode) == 0o600


def test_a_session_file_that_was_changed_is_found_out(lumen: Command, locked: None, home: Path) -> None:
    path = home / SESSION
    good = path.read_text()
    path.write_text(good.replace("loop_rate_hz: 5", "loop_rate_hz: 50"))
    answer = lumen("gateway", "restore-check")
    assert answer.code == 1
    assert "its checksum does not match" in answer.err
    path.write_text(good + "more: 1\n")
    assert "more: unknown key" in lumen("gateway", "restore-check").err
    path.unlink()
    assert f"{SESSION} is not there" in lumen("gateway", "restore-check").err


def test_a_gateway_that_is_not_locked_cannot_be_restored(lumen: Command, locked: None) -> None:
    lumen("gateway", "unlock")
    answer = lumen("gateway", "restore-check", "--json")
    assert answer.code == 1
    assert [row["ok"] for row in answer.json] == [False, True, True, True]
    assert "status is locked: resonating" in answer.err


def test_a_loop_is_set_and_the_command_stands_on_the_bus(lumen: Command, home: Path, tmp_path: Path) -> None:
    assert "10 Hz, from its next burst on" in lumen("loop", "set", "--rate-hz", 10, "--note", "busy").out
    assert [row["rate_hz"] for row in lumen("loop", "list", "--json").json] == [5, 10]
    assert lumen("loop", "set", "--sync-mode", "free_run", "--loop", "demo", "--json").json["cmd"] == "loop.set"
    out = tmp_path / "out"
    assert lumen("export", out).code == 0
    (line,) = (out / "controls/commands.jsonl").read_text().splitlines()
    assert list(json.loads(line))[:5] == ["ts", "cmd", "by", "note", "rate_hz"]
    assert lumen("import", out, "--loop", "copy").code == 0
    with opened(home) as store:
        assert store.loops.rates()["copy"] == 5
    for words, said in (((), "give --rate-hz"), (("--rate-hz", 7), "use one of 1, 2, 4")):
        answer = lumen("loop", "set", *words)
        assert answer.code == 2
        assert said in answer.err
