"""The schedule file and the app that is built from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lumen_workers.config import Settings, load
from lumen_workers.domain.errors import ConfigError
from lumen_workers.pipelines.tasks import TASKS
from lumen_workers.schedule import entries
from lumen_workers.worker.build import beat_entries, build_app


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.setenv("LUMEN_BROKER_URL", "unix:///run/redis.sock?db=3")
    monkeypatch.setenv("LUMEN_REGION", "us-west-2")
    monkeypatch.setenv("LUMEN_CONFIGS", str(Path(__file__).resolve().parents[3] / "configs"))
    return load(home=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('SCHEDULE = {"x": {"run": "efects", "every_s": 5}}', "entry 'x': unknown tick or pipeline 'efects'"),
        ('SCHEDULE = {"x": {"run": "daily", "cron": "61 9 * * *"}}', "entry 'x': bad cron '61 9 * * *'"),
        ('SCHEDULE = {"x": {"run": "effects", "every_s": 5}', "beat_schedule.py line 1: '{' was never closed"),
        ("SCHEDULE = [1]", "SCHEDULE is a dict"),
        ("SHEDULE = {}", "has no attribute 'SCHEDULE'"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("1 / 0", "beat_schedule.py: ZeroDivisionError: division by zero"),
    ],
)
def test_a_mistake_is_one_line(
    text: str, words: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries(settings)  # the real one is known now, and comes back after the test
    (tmp_path / "beat_schedule.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "beat_schedule")
    with pytest.raises(ConfigError) as caught:
        entries(settings)
    assert words in str(caught.value)
    assert str(caught.value).startswith("beat_schedule.py")
    assert "\n" not in str(caught.value)


def test_every_task_goes_to_its_lane_in_the_process_region(settings: Settings) -> None:
    app = build_app(settings)
    assert set(TASKS) <= set(app.tasks)
    for name, task in TASKS.items():
        assert app.amqp.router.route({}, name)["queue"].name == f"us-west-2.{task.lane}"


@pytest.mark.parametrize("url", ["amqp://localhost", "localhost:6379", "memory://"])
def test_a_broker_that_is_not_redis_is_refused(
    url: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMEN_BROKER_URL", url)
    with pytest.raises(ConfigError, match=r"LUMEN_BROKER_URL: scheme .* is not one of redis, rediss"):
        build_app(load(home=tmp_path))


def test_messages_are_json_and_acknowledged_late(settings: Settings) -> None:
    app = build_app(settings)
    conf = app.conf
    assert conf.broker_url == "redis+socket:///run/redis.sock?virtual_host=3"
    assert conf.accept_content == ["json"]
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost, conf.worker_prefetch_multiplier) == (True, False, 1)
    assert conf.broker_transport_options["visibility_timeout"] > 10 * max(
        task.time_limit or 0 for task in app.tasks.values()
    )


def test_a_region_fires_its_own_entries_into_its_own_lanes(settings: Settings) -> None:
    found = entries(settings)
    fired = beat_entries(found, "us-west-2")
    assert fired.keys() == {name for name, entry in found.items() if "us-west-2" in entry.regions}
    assert {row["options"]["queue"] for row in fired.values()} == {"us-west-2.jobs", "us-west-2.sampler"}
    assert beat_entries(found, "mars") == {}


def test_two_apps_in_one_process_have_tasks_of_their_own(settings: Settings) -> None:
    first, second = build_app(settings), build_app(settings)
    assert first.tasks["lumen.daily"].app is first
    assert second.tasks["lumen.daily"].app is second
