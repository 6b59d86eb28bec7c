"""What a process imports before it has anything to do: it decides how soon it answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("pandas", "scipy", "statsmodels", "reportlab", "PIL", "segno", "alembic")
OF_COMMANDS = ("numpy", "pydantic", "sqlalchemy", "cryptography", "celery", "redis", "psutil", "rich", "httpx")


def imported(code: str, candidates: tuple[str, ...], home: Path, **env: str) -> list[str]:
    """Which of ``candidates`` a new interpreter has imported behind ``code``."""
    tell = f"{code}\nimport sys\nprint('imported:', *(name for name in {candidates!r} if name in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", tell],
        env={"LUMEN_HOME": str(home), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.splitlines()[-1].split()[1:]


BROKER = "redis://127.0.0.1:1/0"
"""Nobody listens there; nothing connects at import."""


def test_help_imports_nothing_that_only_commands_need(tmp_path: Path) -> None:
    code = "from lumen_workers.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert imported(code, HEAVY + OF_COMMANDS, tmp_path) == []


@pytest.mark.parametrize("lane", ["sampler", "jobs", "beat"])
def test_a_worker_starts_without_what_only_some_work_needs(tmp_path: Path, lane: str) -> None:
    assert imported("import lumen_workers.worker.app", HEAVY, tmp_path, LUMEN_LANE=lane, LUMEN_BROKER_URL=BROKER) == []
    assert list(tmp_path.iterdir()) == []


def test_the_check_can_see_an_import(tmp_path: Path) -> None:
    assert imported("import reportlab", HEAVY, tmp_path) == ["reportlab"]
