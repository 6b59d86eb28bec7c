"""Wrong input: one clear line, the right exit code, nothing written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from lumen_workers import __version__
from lumen_workers.adapters.store import open_store
from lumen_workers.cli.main import main, take_globals

from .conftest import Command

NAIVE = "2026-01-31T09:00:00"

WRONG: list[tuple[str, Sequence[str], str]] = [
    ("command", ["statsu"], "Did you mean 'status'? `lumen --help` tells more"),
    ("subcommand", ["rules", "remove"], "'remove'; `lumen rules --help`"),
    ("option", ["status", "--colour"], "--colour; `lumen status --help`"),
    ("missing argument", ["rules", "set", "risk_max"], "'value'"),
    ("not a number", ["rules", "set", "risk_max", "much"], "'value'"),
    ("too many arguments", ["runs", "show", "a", "b"], "b"),
    ("option out of range", ["run", "--duration", "0"], "--duration"),
    ("port out of range", ["run", "--flower-port", "70000"], "--flower-port"),
    ("two ways out", ["exporter", "--textfile", "--push"], "give one of --textfile and --push"),
    ("target without a way", ["exporter", "/tmp"], "go with --textfile or --push"),
    ("no folder for the file", ["exporter", "--textfile"], "LUMEN_TEXTFILE_DIR"),
    ("no gateway", ["exporter", "--push"], "PUSHGATEWAY_URL"),
    ("open address", ["exporter", "--port", "0", "--host", "0.0.0.0"], "set LUMEN_EXPORTER_TOKEN"),
    ("region to run", ["run", "--regions", "us-west-2,mars"], "unknown region 'mars'; the regions are"),
    ("no region to run", ["run", "--regions", ","], "names none"),
    ("loop of rules", ["rules", "get", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop to change", ["rules", "set", "risk_max", "0.3", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop of effects", ["effects", "list", "--loop", "nosuch"], "unknown loop 'nosuch'; this home has: demo, main"),
    ("loop to compute", ["effects", "compute", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop of quotes", ["quotes", "list", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop of risks", ["risks", "list", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop of samples", ["loop", "samples", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop to export", ["export", "out", "--loop", "nosuch"], "unknown loop 'nosuch'"),
    ("loop's name", ["import", ".", "--loop", "Not/A/Name"], "'Not/A/Name'"),
    ("rule", ["rules", "set", "nosuch", "0.3"], "unknown rule 'nosuch'; loop 'main' has: creative_min, risk_max"),
    ("value above", ["rules", "set", "risk_max", "0.9"], "0.9 is not within 0.2 to 0.4"),
    ("value below zero", ["rules", "set", "risk_max", "-0.3"], "-0.3 is not within 0.2 to 0.4"),
    ("value that is none", ["rules", "set", "risk_max", "nan"], "nan is not within"),
    ("event", ["rules", "rollback", "ev-nosuch"], "'ev-nosuch' is not known"),
    ("nothing to undo", ["rules", "rollback"], "give one of EVENT, --to TIME or --last-automatic RULE"),
    ("two things to undo", ["rules", "rollback", "ev", "--to", "x"], "give one of"),
    ("naive time to undo to", ["rules", "rollback", "--to", NAIVE], "--to: 2026-01-31T09:00:00 has no time zone"),
    ("naive start", ["export", "out", "--from", NAIVE], "--from: 2026-01-31T09:00:00 has no time zone"),
    ("naive end", ["export", "out", "--to", NAIVE], "--to: 2026-01-31T09:00:00 has no time zone"),
    ("no time", ["export", "out", "--to", "noon"], "--to: 'noon' is not an ISO 8601 timestamp"),
    ("end before start", ["export", "out", "--from", f"{NAIVE}Z", "--to", f"{NAIVE}+09:00"], "is not before"),
    ("folder to import", ["import", "nosuch"], "nosuch"),
    ("nothing to import", ["import", "/"], "nothing to import"),
    ("word for a day", ["daily", "--day", "tomorrow"], "day 'tomorrow': use today, yesterday or YYYY-MM-DD"),
    ("day to come", ["daily", "--day", "2099-01-01"], "has not begun in Asia/Seoul"),
    ("day that is none", ["runs", "list", "--day", "2026-02-30"], "'2026-02-30'"),
    ("region of a day", ["daily", "--region", "mars"], "unknown region 'mars'; the regions are"),
    ("region's name", ["daily", "--region", "Not A Region"], "unknown region 'Not A Region'"),
    ("task", ["enqueue", "weekly"], "unknown task 'weekly'; known: "),
    ("region of a task", ["enqueue", "daily", "--region", "mars"], "unknown region 'mars'"),
    ("queued day to come", ["enqueue", "daily", "--day", "2099-01-01"], "has not begun"),
    ("day of a tick", ["enqueue", "effects", "--day", "today"], "day: "),
    ("arguments", ["enqueue", "daily", "--args", "day=today"], "is not a JSON object"),
    ("unknown argument", ["enqueue", "daily", "--args", '{"dya": "today"}'], "dya: "),
    ("argument's type", ["enqueue", "daily", "--args", '{"day": 5}'], "day: "),
    ("trace", ["enqueue", "daily", "--args", '{"trace_id": "abc"}'], "trace_id: "),
    ("wait for what leaves no trace", ["enqueue", "cross_verify", "--args", '{"key": "k"}', "--wait"], "waited for"),
    ("run", ["runs", "show", "nosuch"], "run 'nosuch' is not known"),
    ("event of an effect", ["effects", "show", "nosuch"], "'nosuch' is not known"),
    ("snapshot", ["archive", "verify", "someday"], "'someday' is not a snapshot"),
    ("region that must have signed", ["archive", "verify", "2026-01-31", "--require", "mars"], "unknown region 'mars'"),
]


@pytest.mark.parametrize(("words", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_usage_is_one_line(
    lumen: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], said: str
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    answer = lumen(*words)
    assert answer.code == 2
    assert answer.err.startswith("lumen: ")
    assert answer.err.count("\n") == 1
    assert said in answer.err
    assert answer.out == ""
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LUMEN_ZONE", "Nowhere", "'Nowhere' is not a known time zone"),
        ("LUMEN_REGION", "mars", "mars is not among the regions"),
        ("LUMEN_EFFECT_PRE_S", "long", "LUMEN_EFFECT_PRE_S"),
        ("LUMEN_CONFIGS", "/nosuch", "LUMEN_CONFIGS=/nosuch is not a folder"),
        ("LUMEN_STORE_URL", "mysql://host/db", "store URL: use sqlite:"),
    ],
)
def test_a_wrong_variable_is_one_line(
    lumen: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    answer = lumen("status")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert said in answer.err


def test_help_is_shown_where_nothing_is_asked_for(lumen: Command) -> None:
    for words, command in (([], "lumen"), (["rules"], "lumen rules")):
        answer = lumen(*words)
        assert answer.code == 2
        assert answer.err.startswith(f"Usage: {command} ")
        assert "Commands:" in answer.err


@pytest.mark.parametrize(
    "words", [["status"], ["rules", "get"], ["daily"], ["run"], ["demo"], ["import", "."], ["enqueue", "daily"]]
)
def test_a_home_that_cannot_be_is_one_line(lumen: Command, home: Path, words: Sequence[str]) -> None:
    home.write_text("a file")
    answer = lumen(*words)
    assert (answer.code, answer.out) == (8, "")
    assert answer.err == f"lumen: home {home} is not a folder; choose another with --home or LUMEN_HOME\n"
    assert home.read_text() == "a file"


def test_a_home_that_cannot_be_made_is_one_line(lumen: Command, home: Path) -> None:
    home.parent.joinpath("file").touch()
    answer = lumen("status", "--home", home.parent / "file" / "home")
    # The last --home counts: it is the fixture's.
    assert answer.code == 0
    with pytest.raises(SystemExit) as end:
        main(["status", f"--home={home.parent}/file/home"])
    assert end.value.code == 8


def test_the_doctor_names_a_home_that_cannot_be(lumen: Command, home: Path) -> None:
    home.write_text("a file")
    answer = lumen("doctor", "--json")
    assert (answer.code, answer.err) == (1, "lumen: not ready: home\n")
    (finding,) = [row for row in answer.json if row["status"] == "fail"]
    assert (finding["name"], finding["detail"]) == ("home", f"{home} is not a folder")
    assert "--home" in finding["mend"]


def test_the_doctor_makes_nothing(lumen: Command, home: Path) -> None:
    rows = {row["name"]: row for row in lumen("doctor", "--json").json}
    assert rows["store"]["detail"] == f"sqlite:///{home}/lumen.db (will be made)"
    assert not home.exists()


def test_nothing_runs_for_a_home_that_is_not_there(lumen: Command, home: Path) -> None:
    answer = lumen("stop")
    assert (answer.code, answer.out) == (0, f"nothing runs for {home}\n")
    assert not home.exists()


def test_a_store_of_a_newer_version_is_one_line_and_left_alone(lumen: Command, home: Path) -> None:
    home.mkdir()
    open_store(f"sqlite:///{home}/lumen.db").close()
    with sqlite3.connect(home / "lumen.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for words in (["status"], ["daily", "--day", "2026-01-31"], ["run"]):
        answer = lumen(*words)
        assert (answer.code, answer.err.count("\n")) == (8, 1)
        assert "9999" in answer.err
        assert "upgrade lumen" in answer.err


def test_a_store_that_is_no_database_is_one_line(lumen: Command, home: Path) -> None:
    home.mkdir()
    (home / "lumen.db").write_text("not a database " * 100)
    answer = lumen("status")
    assert (answer.code, answer.err.count("\n")) == (8, 1)
    assert "not a database" in answer.err


def test_a_store_that_is_away_is_one_line_without_its_password(lumen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_STORE_URL", "postgresql://user:hunter2@127.0.0.1:1/db")
    answer = lumen("status")
    assert (answer.code, answer.err.count("\n")) == (3, 1)
    assert "hunter2" not in answer.err


def test_no_broker_is_one_line(lumen: Command) -> None:
    answer = lumen("enqueue", "daily", "--day", "today")
    assert answer.code == 6
    assert answer.err == "lumen: there is no broker; start one with `lumen run`, or set LUMEN_BROKER_URL\n"


def test_a_broker_that_does_not_answer_stops_the_start(lumen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_BROKER_URL", "redis://:hunter2@127.0.0.1:1/0")
    answer = lumen("run", "--duration", 2)
    assert (answer.code, answer.out, answer.err.count("\n")) == (3, "", 1)
    assert "redis://:***@127.0.0.1:1/0 does not answer" in answer.err


def test_debug_adds_the_traceback_and_changes_nothing_else(lumen: Command) -> None:
    plain, debugged = lumen("runs", "show", "nosuch"), lumen("--debug", "runs", "show", "nosuch")
    assert debugged.code == plain.code == 2
    assert debugged.err.startswith("Traceback")
    assert debugged.err.endswith(plain.err)


def test_an_error_that_is_not_ours_has_its_class_and_says_how_to_learn_more(
    lumen: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("lumen_workers.local.overview.overview", broken)
    answer = lumen("status")
    assert (answer.code, answer.err) == (7, "lumen: ZeroDivisionError: oh; more with --debug\n")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28), "/some/file")

    monkeypatch.setattr("lumen_workers.local.overview.overview", full)
    assert lumen("status").err == "lumen: /some/file: No space left on device; free some space\n"


def test_global_options_stand_anywhere_before_two_dashes(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["--home", "h", "rules", "get"], ["rules", "--home=h", "get"], ["rules", "get", "--home", "h"]):
        monkeypatch.setenv("LUMEN_HOME", "other")
        assert take_globals(words) == (["rules", "get"], False)
        assert os.environ["LUMEN_HOME"] == "h"
    assert take_globals(["status", "--debug", "--", "--home", "x"]) == (["status", "--", "--home", "x"], True)
    assert os.environ["LUMEN_HOME"] == "h"


@pytest.mark.parametrize("words", [["--home"], ["--home="], ["--home", "--json"]])
def test_home_needs_a_folder(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        take_globals(words)
    assert end.value.code == 2
    assert capsys.readouterr().err == "lumen: --home needs a folder\n"


@pytest.mark.parametrize("words", [["--version"], ["--home", "/nowhere", "--version"]])
def test_the_version(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    assert capsys.readouterr().out == f"lumen {__version__}\n"
