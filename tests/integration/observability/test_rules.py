"""The rules, judged by Prometheus's and Alertmanager's own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.servers import missing

FOLDER = Path(__file__).resolve().parents[3] / "compose" / "prometheus"
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def run(program: str, *words: str) -> str:
    """What the tool prints; it must be content."""
    if shutil.which(program) is None:
        missing(program)
    done = subprocess.run([program, *words], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.prometheus
def test_configuration_and_rules_are_sound() -> None:
    run("promtool", "check", "config", "--syntax-only", "prometheus.yml")
    out = run("promtool", "check", "rules", *(f"rules/{path.name}" for path in (FOLDER / "rules").iterdir()))
    assert "FAILED" not in out


@pytest.mark.prometheus
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    run("promtool", "test", "rules", f"tests/{path.name}")


@pytest.mark.prometheus
def test_a_rule_test_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "days.yml"
    text = (FOLDER / "tests" / "days.yml").read_text().replace("../rules", f"{FOLDER}/rules")
    wrong.write_text(text.replace('alertname="LumenIntegrityMismatch", alertstate="firing"', 'alertname="Nobody"'))
    with pytest.raises(AssertionError, match="LumenIntegrityMismatch"):
        run("promtool", "test", "rules", str(wrong))


@pytest.mark.alertmanager
def test_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", "alertmanager.yml")


@pytest.mark.alertmanager
@pytest.mark.parametrize(("severity", "receiver"), [("page", "on-call"), ("ticket", "backlog")])
def test_who_is_told(severity: str, receiver: str) -> None:
    route = ("config", "routes", "test", "--config.file=alertmanager.yml", f"--verify.receivers={receiver}")
    for labels in ((), ("alertname=LumenStageFailed", "region=a")):
        assert run("amtool", *route, f"severity={severity}", *labels).split() == [receiver]


def test_a_page_is_repeated_every_ten_minutes_at_most() -> None:
    config: dict[str, Any] = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    [page] = [route for route in config["route"]["routes"] if route["matchers"] == ['severity="page"']]
    minutes = re.fullmatch(r"(\d+)m", page["repeat_interval"])
    assert minutes is not None
    assert int(minutes[1]) >= 10
