"""Counters, their bases, and exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from support import store_records as records
from support.contexts import A, B, World
from support.metrics import STAGES, VERSION, closed, failed, open_metrics, told

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.pipelines.failures import CLASSES


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_every_sum_of_the_rules_is_there_from_the_start(world: World) -> None:
    found = told(world.store)
    assert found["lumen_days_success_total"] == found["lumen_days_failed_total"] == {("daily",): 0}
    failures = found["lumen_stage_failed_total"]
    wanted = {
        (error_class, "daily", region, "other", stage, "other")
        for error_class in CLASSES
        for region in (A, B)
        for stage in STAGES
    }
    assert failures == dict.fromkeys(wanted, 0)
    assert len(found["lumen_runs_failed_total"]) == 2 * len(CLASSES)
    assert len(found["lumen_stage_success_total"]) == 2 * len(STAGES)
    assert found["lumen_runs_total"] == {("", "daily", region, "other", "other"): 0 for region in (A, B)}
    assert found["lumen_attempts_lost_total"] == {("daily", A): 0, ("daily", B): 0}


def test_runs_stages_and_days_are_counted(world: World) -> None:
    closed(world.store, date(2026, 1, 30))
    failed(world.store, date(2026, 1, 30), B, "pdf", "build")
    world.store.pulses.beat(A, "jobs", "host", "a/host/1", VERSION)
    found = told(world.store)
    assert found["lumen_days_success_total"] == {("daily",): 1}
    assert found["lumen_runs_total"]["", "daily", A, "host", "0badcafe"] == 1
    assert found["lumen_runs_success_total"]["", "daily", A, "host", "0badcafe"] == 1
    assert found["lumen_runs_failed_total"]["build", "daily", B, "host", "0badcafe"] == 1
    assert found["lumen_stage_failed_total"]["build", "daily", B, "host", "pdf", "0badcafe"] == 1
    assert sum(found["lumen_stage_success_total"].values()) == len(STAGES)
    assert found["lumen_attempts_total"]["asked", "", "daily", A] == 1


def test_versions_and_runners_that_are_gone_share_a_series(world: World) -> None:
    def count(version: str, runner: str) -> None:
        labels = {"pipeline": "daily", "region": A, "version": version, "runner": runner, "error_class": "build"}
        world.store.tallies.add("lumen_runs_failed_total", labels)

    world.store.pulses.beat(A, "jobs", "here", "a/here/1", "11111111" * 8)
    for version, runner in (("0badcafe", "here"), ("11111111", "here"), ("22222222", "here"), ("0badcafe", "gone")):
        count(version, runner)
    count("22222222", "gone")
    found = {key: value for key, value in told(world.store)["lumen_runs_failed_total"].items() if value}
    assert found == {
        ("build", "daily", A, "here", "0badcafe"): 1,
        ("build", "daily", A, "here", "11111111"): 1,
        ("build", "daily", A, "here", "other"): 1,
        ("build", "daily", A, "other", "0badcafe"): 1,
        ("build", "daily", A, "other", "other"): 1,
    }


def test_every_tally_of_ours_is_told(world: World) -> None:
    world.store.notices.raise_alarm("x", "run_failed", AlarmSeverity.PAGE, "no")
    world.store.tallies.add("lumen_brand_new_total", {"reason": 'a "quoted"\nreason'}, 7)
    world.store.tallies.add("other_total", {}, 7)
    found = told(world.store)
    assert found["lumen_alarms_total"] == {("run_failed", "page"): 1}
    assert found["lumen_brand_new_total"] == {('a "quoted"\nreason',): 7}
    assert "other_total" not in found


def test_a_failed_stage_carries_its_trace_and_run_for_a_day(world: World) -> None:
    run = failed(world.store, date(2026, 1, 30), B, "pdf", "build")

    def exemplars() -> list[dict[str, str]]:
        families = {family.name: family for family in open_metrics(world.store)}
        return [dict(s.exemplar.labels) for s in families["lumen_stage_failed"].samples if s.exemplar]

    assert exemplars() == [{"trace_id": "b" * 32, "run_id": run.run_id}]
    world.clock.advance(86_401)
    assert exemplars() == []


def test_runs_and_stages_that_went_well_carry_theirs(world: World) -> None:
    run = closed(world.store, date(2026, 1, 30))
    lost = failed(world.store, date(2026, 1, 30), B, "pdf", "build")
    families = {family.name: family for family in open_metrics(world.store)}

    def exemplars(name: str) -> list[str]:
        return [s.exemplar.labels["trace_id"] for s in families[name].samples if s.exemplar]

    assert exemplars("lumen_runs_success") == [run.trace_id]
    assert exemplars("lumen_runs_failed") == [lost.trace_id]
    assert sorted(exemplars("lumen_runs")) == sorted([run.trace_id, lost.trace_id])
    assert exemplars("lumen_stage_success") == [run.trace_id] * len(STAGES)
    assert not exemplars("lumen_days_success")


def test_what_people_have_to_look_at(world: World) -> None:
    found = told(world.store)
    assert set(found["lumen_letters"].values()) == set(found["lumen_outbox"].values()) == {0}
    assert not {"lumen_standing_alarms", "lumen_owed"} & set(found)
    store = world.store
    store.notices.raise_alarm("a", "run_failed", AlarmSeverity.PAGE, "no")
    store.notices.raise_alarm("b", "run_failed", AlarmSeverity.PAGE, "no")
    store.notices.raise_alarm("c", "run_lost", AlarmSeverity.TICKET, "no")
    store.notices.resolve("b", "kim")
    store.notices.refuse("lumen.daily", A, "no such day", "{}", None)
    store.sends.add([records.send("1"), records.send("2")])
    store.owed.add([records.owed("x"), records.owed("y")])
    found = told(store)
    assert found["lumen_standing_alarms"] == {("run_failed", "page"): 1, ("run_lost", "ticket"): 1}
    assert found["lumen_letters"] == {("kept",): 1, ("replayed",): 0, ("discarded",): 0}
    assert found["lumen_outbox"]["due",] == 2
    assert found["lumen_owed"] == {("cross-verify", "due"): 2}
