"""Lines of the journal that came from elsewhere: what is good is kept once, what is not is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.archive.forms import export_loop, import_dir
from lumen_workers.domain.journal import COMMAND, FILES, GATEWAY

TS = "2026-01-31T09:00:00+09:00"


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    yield opened
    opened.close()


def take(store: SqlStore, folder: Path, kind: str, text: str) -> tuple[int, dict[str, int]]:
    """How many were new, and what was refused."""
    path = folder / "in" / FILES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    report = import_dir(store, folder / "in", "main", quarantine=folder / "quarantine")
    (file,) = [file for file in report.files if file.path == FILES[kind]]
    return file.added, dict(file.refused)


def test_commands_as_the_specification_has_them(store: SqlStore, tmp_path: Path) -> None:
    lines = (
        f'{{"ts": "{TS}", "cmd": "gateway.lock", "by": "Sena", "note": "잠금"}}\n'
        f'{{"ts": "{TS}", "cmd": "loop.set", "rate_hz": 10, "sync_mode": "x", "by": "Lubit", "note": ""}}\n'
    )
    assert take(store, tmp_path, COMMAND, lines) == (2, {})
    assert take(store, tmp_path, COMMAND, lines) == (0, {})
    assert [row.data["cmd"] for row in store.journal.rows(COMMAND)] == ["gateway.lock", "loop.set"]
    assert store.loops.rates() == {"main": 5}, "what is imported is history"
    assert store.gateways.rows() == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "json"),
        ('{"ts": NaN}', "json"),
        ("[]", "object"),
        (f'{{"ts": "{TS}", "by": "x"}}', "missing cmd"),
        (f'{{"ts": "{TS}", "cmd": "x"}}', "missing by"),
        ('{"cmd": "x", "by": "y"}', "missing ts"),
        ('{"ts": "2026-01-31T09:00:00", "cmd": "x", "by": "y"}', "naive"),
        (f'{{"ts": "{TS}", "cmd": "x", "by": "y", "entry_id": 5}}', "type entry_id"),
        (f'{{"ts": "{TS}", "cmd": "x", "by": "y", "deep": [{{"a": "\\u0000"}}]}}', "encoding data"),
        (f'{{"ts": "{TS}", "cmd": "x", "by": "y", "deep": {{"\\ud800": 1}}}}', "encoding data"),
    ],
)
def test_a_bad_command_is_refused_and_the_rest_kept(store: SqlStore, tmp_path: Path, line: str, reason: str) -> None:
    good = f'{{"ts": "{TS}", "cmd": "gateway.lock", "by": "Sena"}}'
    assert take(store, tmp_path, COMMAND, f"{line}\n{good}\n") == (1, {reason: 1})


def test_the_same_line_twice_is_one(store: SqlStore, tmp_path: Path) -> None:
    good = f'{{"ts": "{TS}", "cmd": "gateway.lock", "by": "Sena"}}\n'
    assert take(store, tmp_path, COMMAND, good * 2) == (1, {"duplicate": 1})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("LOCK-IN", "line"),
        (f"{TS} LOCK-IN", "line"),
        ("noon [LOCK-IN]", "ts"),
        ("2026-01-31T09:00:00 [LOCK-IN]", "naive"),
        (f"{TS} [LOCK-IN] - -> locked {{nothing}}", "json"),
        (f"{TS} [LOCK-IN] - -> locked {{}} \ud800", "encoding"),
    ],
)
def test_a_bad_log_line_is_refused(store: SqlStore, tmp_path: Path, line: str, reason: str) -> None:
    assert take(store, tmp_path, GATEWAY, line) == (0, {reason: 1})


def test_a_log_in_plain_words_is_kept_and_written_again(store: SqlStore, tmp_path: Path) -> None:
    lines = f"{TS} [INIT]\n{TS} [LOCK-IN] by hand,  at the bench \n"
    assert take(store, tmp_path, GATEWAY, lines) == (2, {})
    export_loop(store, "main", tmp_path / "out")
    written = (tmp_path / "out" / FILES[GATEWAY]).read_text()
    utc = "2026-01-31T00:00:00.000000+00:00"
    assert written == f"{utc} [INIT]\n{utc} [LOCK-IN] by hand,  at the bench\n"
    assert take(store, tmp_path, GATEWAY, written) == (0, {})
