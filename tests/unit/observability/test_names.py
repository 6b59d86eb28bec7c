"""Rules, their tests, dashboards and the runbook speak of what there is."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import store_records as records
from support.contexts import A, B, World
from support.metrics import VERSION, closed, failed, told
from typer.main import get_command

from lumen_workers.cli.main import app
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.journal import RHYTHM
from lumen_workers.observability.counters import ABOUT
from lumen_workers.pipelines.failures import CLASSES, POLICIES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "compose"
RULES = [
    rule
    for path in sorted((COMPOSE / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
NAME = re.compile(r"\b(?:job:)?lumen[_:][a-z0-9_:]+")
SPEC_RECORDED = {
    "lumen:sli1d",
    "lumen:sli7d",
    "lumen:sli30d",
    "lumen:error_rate_5m",
    "lumen:error_rate_1h",
    "lumen:daily_runs_success",
    "lumen:daily_runs_total",
    "lumen:failures_by_class:1d",
    "job:lumen_success_ratio_1d",
    "job:lumen_success_ratio_7d",
    "job:lumen_stage_failure",
}


def dashboards() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((COMPOSE / "grafana" / "dashboards").glob("*.json")):
        yield path.name, json.loads(path.read_text("utf-8"))


def expressions() -> Iterator[tuple[str, str]]:
    """Where it stands, and the expression."""
    for rule in RULES:
        yield rule.get("alert") or rule["record"], rule["expr"]
    for name, board in dashboards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                if "expr" in target:
                    yield f"{name}: {panel['title']}", target["expr"]


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[set[str]]:
    """Names of all metrics of a store that has something of everything."""
    world = World(tmp_path)
    store = world.store
    store.loops.register("main", 5, "host")
    store.samples.add("main", records.block(to_us(store.now()), 1))
    event = records.event("one")
    store.rules.insert([event])
    store.effects.add([records.effect(event)])
    store.ticks.since("daily", A)
    store.ticks.claim("effects", A, 1)
    world.clock.advance(86_400)
    store.samples.add("main", records.block(to_us(store.now()), 1))
    closed(store, date(2026, 1, 30))
    failed(store, date(2026, 1, 30), B, "pdf", "build")
    store.pulses.beat(A, "jobs", "host", "a/host/1", VERSION)
    store.notices.raise_alarm("x", "run_failed", AlarmSeverity.PAGE, "no")
    store.owed.add([records.owed("x")])
    store.journal.append(
        "main", RHYTHM, {"blend": 0.5, "delta_phase": 0.01, "contributions": {"light": 0.5}, "problem": None}
    )
    yield set(told(store, depths=lambda: {(A, "jobs"): (1, 2.0)}))
    world.close()


def test_every_name_is_told_or_recorded(exported: set[str]) -> None:
    known = exported | set(ABOUT) | RECORDED
    for where, expression in expressions():
        assert set(NAME.findall(re.sub(r'"[^"]*"', "", expression))) <= known, where


def test_names_that_are_promised(exported: set[str]) -> None:
    assert SPEC_RECORDED <= RECORDED
    signals = ("phase_diff", "entropy_rate", "creative_band", "risk_band")
    promised = {f"lumen_{signal}" for signal in signals} | {f"lumen_rule_last_{signal}_delta" for signal in signals}
    promised |= {"lumen_gateway_status", "lumen_pipeline_last_run_timestamp", "lumen_pipeline_success"}
    promised |= {"lumen_pipeline_duration_seconds", "lumen_remote_integrity_ok", "lumen_report_generated"}
    promised |= {"lumen_rhythm_blend", "lumen_rhythm_delta_phase", "lumen_rhythm_contribution"}
    promised |= {"lumen_alert_suppressed", "lumen_day_overdue_seconds", "lumen_queue_age_seconds"}
    assert promised <= exported
    wanted = {"LumenPipelineStalled", "LumenStageFailed", "LumenIntegrityMismatch", "LumenSLOBurnFast"}
    wanted |= {"LumenSLOBurnMultiWindow", "LumenRegionConsecutiveFailures"}
    assert wanted <= set(ALERTS)


def test_every_alert_is_seen_firing_by_a_test_and_stands_in_the_runbook() -> None:
    tests = "".join(path.read_text("utf-8") for path in (COMPOSE / "prometheus" / "tests").glob("*.yml"))
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.M)
    assert set(ALERTS) <= set(sections)
    for name, rule in ALERTS.items():
        assert f"{name}," in tests or f'{name}"' in tests or f"alertname: {name}\n" in tests, name
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        quiet = "unless on () (lumen:alert_suppressed == 1)" in " ".join(rule["expr"].split())
        assert quiet is (name != "LumenSuppressedLong"), name


def test_every_class_has_its_part_of_the_runbook() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert set(re.findall(r"\[(\w+)\]\(reliability\.md#\1\)", text)) == set(CLASSES)


def test_classes_that_are_tried_again_are_told_when_no_rerun_is_left() -> None:
    again = {name for name, policy in POLICIES.items() if policy.reruns}
    named = re.findall(r'error_class(!~|=~)"([^"]+)"', ALERTS["LumenStageFailed"]["expr"])
    assert {sign: set(classes.split("|")) for sign, classes in named} == {"!~": again, "=~": again}


def test_commands_that_alerts_name_exist() -> None:
    for name, rule in ALERTS.items():
        for words in re.findall(r"`lumen ([^`]+)`", rule["annotations"]["description"]):
            command: Any = get_command(app)
            for word in shlex.split(re.sub(r"\{\{.*?\}\}", "x", words)):
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, (name, words)
                command = command.commands[word]


def test_panels_that_are_promised() -> None:
    shown = {panel["title"]: panel for _, board in dashboards() for panel in board["panels"]}
    asked = " ".join(target["expr"] for target in shown["Natural Rhythm Blend"]["targets"])
    assert {"lumen_rhythm_blend", "lumen_rhythm_contribution"} <= set(NAME.findall(asked))


def test_dashboards_are_what_grafana_reads() -> None:
    titles = {name: board["title"] for name, board in dashboards()}
    assert titles == {
        "lumen_sli.json": "Execution SLI",
        "lumen_status.json": "Status & SLO",
        "tlog_panels.json": "Transparency Log",
    }
    for name, board in dashboards():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids)), name
        cells = [
            (x, y)
            for panel in board["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), f"{name}: panels overlap"
        assert max(x for x, _ in cells) < 24
    sources = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/lumen.yml").read_text("utf-8"))
    uids = {source["uid"] for source in sources["datasources"]}
    used = {
        target["datasource"]["uid"]
        for _, board in dashboards()
        for panel in board["panels"]
        for target in panel.get("targets", [])
    }
    assert used - {"${datasource}"} <= uids
