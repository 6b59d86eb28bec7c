"""`lumen rhythm`: what is looked at, noted, and told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import iso
from lumen_workers.domain.journal import RHYTHM

from .conftest import Command


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("LUMEN_CONFIGS", str(folder))
    return folder


@pytest.fixture
def room(configs: Path, home: Path) -> Path:
    """A file of the surroundings with a reading of now: 500 lux, 25 °C, no sound."""
    (configs / "rhythm.yaml").write_text("source: csv:logs/environment.csv\nmax_age_s: 600\n")
    path = home / "logs" / "environment.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"ts,light_intensity,ambient_temp,sound_level\n{iso(datetime.now(UTC))},500,25,\n")
    return path


def test_without_a_source_nothing_moves_and_nothing_is_noted(lumen: Command) -> None:
    for command in ("show", "sync"):
        answer = lumen("rhythm", command)
        assert (answer.code, answer.out) == (
            0,
            "no source: rhythm.yaml names none, so the phase target stays as it is\n",
        )
    assert lumen("rhythm", "show", "--json").json == {"source": False, "phase_target": 0.05}
    assert lumen("rhythm", "sync", "--json").json == {"source": False, "phase_target": 0.05, "loops": []}
    assert lumen("rhythm", "list", "--json").json == []


def test_show_looks_and_writes_nothing(lumen: Command, room: Path) -> None:
    told = lumen("rhythm", "show", "--json").json
    assert told["inputs"] == {"light_intensity": 500.0, "ambient_temp": 25.0, "sound_level": None}
    assert told["contributions"]["temperature"] == pytest.approx(1.0)
    assert (told["contributions"]["sound"], told["problem"]) == (None, None)
    assert told["phase_target"] == pytest.approx(0.05 + told["delta_phase"])
    assert 0 < told["delta_phase"] <= 0.02
    rows = {line.split()[0]: line for line in lumen("rhythm", "show").out.splitlines() if line}
    assert "500 lux" in rows["light"]
    assert "phase_diff" in rows["light"]
    assert "loosens the phase target" in rows["temperature"]
    assert "not measured: left out" in rows["sound"]
    assert "the time of day" in rows["day_cycle"]
    assert "the phase target moves by +0.0" in rows["blend"]
    assert lumen("rhythm", "list", "--json").json == []


def test_sync_notes_it_each_time(lumen: Command, room: Path) -> None:
    told = lumen("rhythm", "sync", "--json").json
    assert told["loops"] == ["main"]
    assert lumen("rhythm", "sync").out.endswith("noted for main\n")
    first, second = lumen("rhythm", "list", "--json").json
    assert first == {key: value for key, value in told.items() if key not in ("source", "phase_target", "loops")} | {
        "loop": "main"
    }
    assert second["ts"] > first["ts"]
    assert len(lumen("rhythm", "list", "-n", "1", "--json").json) == 1
    assert lumen("rhythm", "list", "--loop", "demo", "--json").json == []
    assert lumen("rhythm", "list", "--loop", "nobody").code == 2


def test_a_source_that_cannot_be_read_is_told(lumen: Command, room: Path) -> None:
    room.unlink()
    told = lumen("rhythm", "sync", "--json")
    assert (told.code, told.json["delta_phase"], told.json["phase_target"]) == (0, None, 0.05)
    assert "No such file" in told.json["problem"]
    shown = lumen("rhythm", "show").out
    assert "problem: " in shown
    assert "nothing is measured, so the phase target stays as it is" in shown
    assert "No such file" in lumen("rhythm", "list").out


def test_lines_of_other_programs_are_listed_too(lumen: Command, home: Path) -> None:
    assert lumen("rhythm", "list").code == 0
    store = open_store(f"sqlite:///{home}/lumen.db")
    store.journal.append("main", RHYTHM, {"lux": 5})
    store.close()
    assert lumen("rhythm", "list").code == 0
    (line,) = lumen("rhythm", "list", "--json").json
    assert (line["loop"], line["lux"]) == ("main", 5)
    assert datetime.fromisoformat(line["ts"]).tzinfo is not None


def test_a_source_that_is_wrong_stops_the_start(lumen: Command, configs: Path) -> None:
    (configs / "rhythm.yaml").write_text("source: carrier-pigeon\n")
    answer = lumen("status")
    assert answer.code == 2
    assert answer.err == "lumen: rhythm: source: 'carrier-pigeon' is none of none, csv:PATH and http:URL\n"
