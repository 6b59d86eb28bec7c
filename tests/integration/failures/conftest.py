"""The peers of the session, and the report of what was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from support.failures.case import Judged
from support.failures.corpus import report
from support.failures.peers import Peers

from lumen_workers.pipelines.failures import CLASSES

REPORT = Path(__file__).resolve().parents[3] / "build" / "reports" / "failures.json"
_JUDGED = pytest.StashKey[list[Judged]]()


@pytest.fixture(scope="session")
def peers() -> Iterator[Peers]:
    """Servers that refuse, hang up, are silent or full; real ones among them."""
    made = Peers()
    yield made
    made.close()


@pytest.fixture(scope="session")
def judged(pytestconfig: pytest.Config) -> Iterator[list[Judged]]:
    """What was judged so far; written to ``build/reports/failures.json`` at the end."""
    found: list[Judged] = []
    pytestconfig.stash[_JUDGED] = found
    yield found
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    document = {**report(found), "judged": [asdict(one) for one in found]}
    REPORT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The confusion matrix."""
    found = config.stash.get(_JUDGED, [])
    if not found:
        return
    matrix = report(found)["matrix"]
    terminalreporter.section(f"verdicts on {len(found)} failures (down: truth, across: verdict)")
    terminalreporter.write_line(" " * 14 + "".join(f"{name:>14}" for name in CLASSES))
    for truth, row in matrix.items():
        terminalreporter.write_line(f"{truth:14}" + "".join(f"{row[verdict] or '.':>14}" for verdict in CLASSES))
