"""The command, called in this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import day as days

from lumen_workers.adapters.store import open_store
from lumen_workers.cli.main import main
from lumen_workers.domain.records import Severity


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


Command = Callable[..., Answer]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the caller's; `--home` may be forgotten without harm."""
    for name in [name for name in os.environ if name.startswith("LUMEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path / "forgotten"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is not there yet."""
    return tmp_path / "home"


@pytest.fixture
def lumen(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls the command with ``--home`` behind its words."""

    def call(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*map(str, words), "--home", str(home)])
        out, err = capsys.readouterr()
        return Answer(code=end.value.code if isinstance(end.value.code, int) else 0, out=out, err=err)

    return call


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a day of samples, a change, its effect, a quote and a risk; and the day, built. Not to be changed."""
    home = tmp_path_factory.mktemp("filled") / "home"
    home.mkdir()
    store = open_store(f"sqlite:///{home}/lumen.db")
    store.loops.register("main", 5, "host")
    days.sample(store, 0, 120)
    for event_id, seconds, note in (("ev-good", 40.0, "better"), ("ev-bad", 80.0, "worse")):
        days.effect(store, days.change(store, event_id, seconds, note=note))
    days.effect(store, days.change(store, "ev-short", 119.0), delta=None, n_post=5)
    days.quote(store, "ev-good")
    days.risk(store, "ev-bad", Severity.WARN)
    store.close()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setenv("LUMEN_HOME", str(home))
        main(["daily", "--day", days.DAY.isoformat()])
    assert not end.value.code
    return home


@pytest.fixture
def full(filled: Path, home: Path) -> Path:
    """A copy of the filled home, at ``home``."""
    shutil.copytree(filled, home)
    return home
