"""The metrics as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from support.contexts import World
from support.metrics import open_metrics, told, view

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.ports import Store
from lumen_workers.observability.collector import StoreCollector

ALWAYS = {
    "lumen_build_info",
    "lumen_exporter_scrape_seconds",
    "lumen_region_up",
    "lumen_region_drained",
    "lumen_paused",
    "lumen_alert_suppressed",
    "lumen_tick_period_seconds",
    "lumen_runs_open",
    "lumen_letters",
    "lumen_outbox",
    "lumen_runs_total",
    "lumen_runs_success_total",
    "lumen_runs_failed_total",
    "lumen_stage_success_total",
    "lumen_stage_failed_total",
    "lumen_days_success_total",
    "lumen_days_failed_total",
    "lumen_attempts_lost_total",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_an_empty_store_tells_only_what_it_knows(world: World) -> None:
    found = told(world.store)
    assert set(found) == ALWAYS
    assert found["lumen_build_info"] == {("0badcafe", "0.1.0"): 1}
    assert 0 < found["lumen_exporter_scrape_seconds"][()] < 60


def test_both_text_forms_are_sound(world: World) -> None:
    families = [family.name for family in open_metrics(world.store)]
    assert len(families) == len(set(families)) > 15
    assert b"# TYPE lumen_region_up gauge" in generate_latest(StoreCollector(lambda: world.store, view()))


def test_no_label_grows_with_every_run(world: World) -> None:
    names = {
        label
        for family in StoreCollector(lambda: world.store, view()).collect()
        for s in family.samples
        for label in s.labels
    }
    assert not names & {"run_id", "trace_id", "day", "holder"}


def test_a_store_that_is_away_tells_nothing() -> None:
    def away() -> Store:
        raise StoreUnavailable("store x: away")

    with pytest.raises(StoreUnavailable):
        list(StoreCollector(away, view()).collect())
