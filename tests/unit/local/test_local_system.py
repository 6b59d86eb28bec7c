"""What `lumen run` starts."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from lumen_workers.local.broker import EmbeddedBroker, ExternalBroker
from lumen_workers.local.process import ProcessSpec
from lumen_workers.local.system import system_specs, system_urls

REGIONS = ("ap-northeast-2", "us-west-2")


def build(
    tmp_path: Path, flower_port: int | None = 5555, exporter_port: int | None = 9108, web_port: int | None = 8700
) -> dict[str, ProcessSpec]:
    broker = EmbeddedBroker(program=Path("/bin/redis"), socket_path=tmp_path / "r.sock", data_dir=tmp_path / "redis")
    specs = system_specs(
        home=tmp_path,
        regions=REGIONS,
        broker=broker,
        env={"LUMEN_LOCALE": "ko"},
        flower_port=flower_port,
        exporter_port=exporter_port,
        web_port=web_port,
        jobs=2,
    )
    return {spec.name: spec for spec in specs}


def test_every_region_has_its_three_processes(tmp_path: Path) -> None:
    lanes = [f"{region}/{lane}" for region in REGIONS for lane in ("sampler", "jobs", "beat")]
    assert list(build(tmp_path)) == ["broker", *lanes, "flower", "exporter", "web"]
    assert list(build(tmp_path, flower_port=None, exporter_port=None, web_port=None)) == ["broker", *lanes]


def test_workers_listen_to_their_lane_only(tmp_path: Path) -> None:
    specs = build(tmp_path)
    sampler = list(specs["us-west-2/sampler"].argv)
    assert sampler[:5] == [sys.executable, "-m", "celery", "-A", "lumen_workers"]
    assert sampler[sampler.index("-Q") + 1] == "us-west-2.sampler"
    assert sampler[sampler.index("-n") + 1] == "lumen-sampler@us-west-2-%h"
    assert sampler[sampler.index("--pool") + 1] == "threads"
    assert sampler[sampler.index("--concurrency") + 1] == "2"
    jobs = list(specs["ap-northeast-2/jobs"].argv)
    assert jobs[jobs.index("-Q") + 1] == "ap-northeast-2.jobs"
    assert jobs[jobs.index("--pool") + 1] == "prefork"
    assert jobs[jobs.index("--concurrency") + 1] == "2"
    assert specs["ap-northeast-2/jobs"].nice == 10
    assert specs["ap-northeast-2/sampler"].nice == 0


def test_beat_keeps_no_file(tmp_path: Path) -> None:
    # What has run stands in the store; a schedule file of its own could only contradict it.
    for name, spec in build(tmp_path).items():
        if name.endswith("/beat"):
            assert not {"-s", "--schedule", "--pidfile"} & {word.split("=")[0] for word in spec.argv}


def test_processes_are_told_who_they_are(tmp_path: Path) -> None:
    specs = build(tmp_path)
    env = specs["us-west-2/jobs"].env
    assert env["LUMEN_HOME"] == str(tmp_path)
    assert env["LUMEN_REGION"] == "us-west-2"
    assert env["LUMEN_LANE"] == "jobs"
    assert env["LUMEN_LOCALE"] == "ko"
    assert env["LUMEN_BROKER_URL"] == f"redis+socket://{tmp_path / 'r.sock'}"
    assert env["PYTHONUNBUFFERED"] == "1"
    assert env["OMP_NUM_THREADS"] == "1"


def test_beats_end_first_then_workers_then_flower_then_the_broker(tmp_path: Path) -> None:
    specs = build(tmp_path)
    phase = {name.rpartition("/")[2]: spec.stop_phase for name, spec in specs.items()}
    assert phase["beat"] < phase["sampler"] == phase["jobs"] < phase["flower"] < phase["broker"]
    assert specs["us-west-2/jobs"].stop[0][0] is signal.SIGINT


def test_everything_waits_for_an_embedded_broker_only(tmp_path: Path) -> None:
    assert {tuple(spec.after) for name, spec in build(tmp_path).items() if name != "broker"} == {("broker",)}
    external = ExternalBroker(url="redis://:pw@example.org/0")
    specs = system_specs(home=tmp_path, regions=REGIONS, broker=external, env={}, flower_port=None)
    assert all(not spec.after for spec in specs)
    assert specs[0].env["LUMEN_BROKER_URL"] == "redis://:pw@example.org/0"
    with_flower = system_specs(home=tmp_path, regions=REGIONS, broker=external, env={}, flower_port=5555)
    assert not [spec.name for spec in with_flower if "pw@" in " ".join(spec.argv)]  # anybody may read a command line
    assert system_urls(external, 5555, 9108, 8700) == {
        "broker": "redis://:***@example.org/0",
        "flower": "http://127.0.0.1:5555",
        "metrics": "http://127.0.0.1:9108/metrics",
        "web": "http://127.0.0.1:8700",
    }


def test_the_web_interface_listens_on_loopback_and_may_fail(tmp_path: Path) -> None:
    web = build(tmp_path)["web"]
    assert list(web.argv[1:]) == ["-m", "lumen_workers", "web", "--bind=127.0.0.1", "--port=8700"]
    assert (web.nice, web.essential) == (10, False)
    assert web.stop[0][0] is signal.SIGTERM


def test_exporter_is_quiet_listens_on_loopback_and_may_fail(tmp_path: Path) -> None:
    exporter = build(tmp_path)["exporter"]
    assert list(exporter.argv[1:]) == ["-m", "lumen_workers", "exporter", "--host=127.0.0.1", "--port=9108"]
    assert (exporter.nice, exporter.essential) == (10, False)
    assert exporter.stop[0][0] is signal.SIGTERM


def test_flower_listens_on_loopback_and_may_fail(tmp_path: Path) -> None:
    flower = build(tmp_path)["flower"]
    assert "--address=127.0.0.1" in flower.argv
    assert "--port=5555" in flower.argv
    assert not flower.essential
