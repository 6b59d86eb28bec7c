"""The containers' description says the same as the code: regions, lanes, commands, variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lumen_workers.config import load
from lumen_workers.config.settings import Environment
from lumen_workers.local.broker import ExternalBroker
from lumen_workers.local.system import system_specs

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "compose"
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(?:(:[-?])[^}]*)?\}")


@pytest.fixture(scope="module")
def text() -> str:
    return (COMPOSE / "compose.yaml").read_text("utf-8")


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


@pytest.fixture(scope="module")
def regions() -> tuple[str, ...]:
    return load().lumen.regions


def test_every_region_has_its_three_processes(services: dict[str, dict[str, Any]], regions: tuple[str, ...]) -> None:
    wanted = {f"{region}-{part}" for region in regions for part in ("sampler", "jobs", "beat")}
    assert set(services) == wanted | {"redis", "postgres", "flower"}


def test_processes_are_those_that_one_machine_starts(
    services: dict[str, dict[str, Any]], regions: tuple[str, ...]
) -> None:
    specs = system_specs(
        home=Path("/var/lib/lumen"),
        regions=regions,
        broker=ExternalBroker(url="redis://redis"),
        env={},
        flower_port=5555,
        jobs=2,
    )
    assert len(specs) == 3 * len(regions) + 1
    for spec in specs:
        service = services[spec.name.replace("/", "-")]
        celery = ["celery", *spec.argv[3:]]
        if spec.name == "flower":
            # Inside its container Flower listens for the published port, and asks for a password.
            celery = [part.replace("127.0.0.1", "0.0.0.0") for part in celery]
        elif spec.nice:
            celery = ["nice", "-n", str(spec.nice), *celery]
        assert service["command"] == celery, spec.name
        for name in ("LUMEN_HOME", "LUMEN_REGION", "LUMEN_LANE"):
            assert service["environment"][name] == spec.env[name], spec.name


def test_every_variable_of_ours_is_one_that_the_settings_read(services: dict[str, dict[str, Any]]) -> None:
    known = {f"LUMEN_{name.upper()}" for name in Environment.model_fields}
    used = {name for service in services.values() for name in service.get("environment", {}) if name[:6] == "LUMEN_"}
    docker = set(re.findall(r"\b(LUMEN_[A-Z_]+)=", (COMPOSE / "Dockerfile").read_text("utf-8")))
    assert used | docker <= known
    assert {"LUMEN_HOME", "LUMEN_BROKER_URL", "LUMEN_STORE_URL", "LUMEN_REGION", "LUMEN_ARCHIVE"} <= used


def test_every_placeholder_stands_in_the_example(text: str) -> None:
    example = dict(
        line.split("=", 1) for line in (COMPOSE / ".env.example").read_text("utf-8").splitlines() if "=" in line[:24]
    )
    example = {name: value for name, value in example.items() if re.fullmatch("[A-Z_]+", name)}
    watch = (COMPOSE / "watch.yaml").read_text("utf-8")
    used = {match[1]: match[2] for match in VARIABLE.finditer(text + watch)}
    secret = {row["environment"] for row in yaml.safe_load(watch)["secrets"].values()}
    assert set(used) | secret == set(example)
    assert all(example[name] == "" for name in secret)
    for name, kind in used.items():
        if "PASSWORD" in name or name == "EXPORTER_TOKEN":
            # Without a password nothing starts, and none is committed.
            assert kind == ":?"
            assert example[name] == ""


def test_nothing_is_published_beyond_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published) == ["flower"]
    assert all(port.startswith("127.0.0.1:") for port in published["flower"])
    assert "FLOWER_BASIC_AUTH" in services["flower"]["environment"]


def test_redis_keeps_every_message(services: dict[str, dict[str, Any]]) -> None:
    script = services["redis"]["command"][-1]
    for line in ("maxmemory-policy noeviction", "appendonly yes", "requirepass $$REDISCLI_AUTH"):
        assert line in script
    assert "redis:/data" in services["redis"]["volumes"]


def test_our_containers_have_no_rights_to_spare(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if service.get("image") == "lumen-workers":
            assert service["cap_drop"] == ["ALL"], name
            assert service["read_only"] is True, name
            assert "no-new-privileges:true" in service["security_opt"], name


def test_volumes_that_are_used_are_declared(text: str) -> None:
    data = yaml.safe_load(text)
    used = {volume.split(":")[0] for service in data["services"].values() for volume in service.get("volumes", [])}
    assert used == set(data["volumes"])


def test_image_is_pinned_by_hash_and_runs_without_root() -> None:
    lines = (COMPOSE / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    installs = [part for line in lines for part in line.split("&&") if re.search(r"pip (install|sync)", part)]
    assert len(installs) == 3
    for part in installs:
        assert "--require-hashes" in part or ("--offline" in part and "--no-deps" in part), part
    last = max(index for index, line in enumerate(lines) if line.startswith("FROM"))
    users = [line.split()[1] for line in lines[last:] if line.startswith("USER")]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")


def test_everything_that_the_image_copies_is_there() -> None:
    ignored = (COMPOSE / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    for line in (COMPOSE / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), name
                assert name in allowed or any(Path(name).match(pattern) for pattern in allowed), name


def test_what_watches_is_reached_from_this_machine_only() -> None:
    watch = yaml.safe_load((COMPOSE / "watch.yaml").read_text("utf-8"))
    services = watch["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published) == ["grafana"]
    assert all(port.startswith("127.0.0.1:") for port in published["grafana"])
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in watch["volumes"] or (COMPOSE / source).exists(), volume
        assert set(service.get("secrets", [])) <= set(watch["secrets"])


def test_the_exporters_container_asks_for_a_token() -> None:
    exporter = yaml.safe_load((COMPOSE / "watch.yaml").read_text("utf-8"))["services"]["exporter"]
    assert exporter["command"][-4:] == ["lumen", "exporter", "--host", "0.0.0.0"]
    assert exporter["environment"]["LUMEN_EXPORTER_TOKEN"].startswith("${EXPORTER_TOKEN:?")
    [job] = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/exporter_token"
    assert job["static_configs"] == [{"targets": ["exporter:9108"]}]
