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
    for name in [name for name in os.environ if name.startswith(("LUMEN_", "SMTP_", "SLACK_"))]:
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
        code = 0
        try:
            main([*map(str, words), "--home", str(home)])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Answer(code=code, out=out, err=err)

    return call


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a day of samples, changes, effects, quotes and risks, and the day's snapshot. Not to be changed."""
    home = tmp_path_factory.mktemp("filled") / "home"
    home.mkdir()
    store = open_store(f"sqlite:///{home}/lumen.db")
    days.full_day(store)
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUMEN_HOME", str(home))
        main(["daily", "--day", days.DAY.isoformat()])
    return home


@pytest.fixture
def full(filled: Path, home: Path) -> Path:
    """A copy of the filled home, at ``home``."""
    shutil.copytree(filled, home)
    return home
