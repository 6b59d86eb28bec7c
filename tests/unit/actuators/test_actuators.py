from __future__ import annotations

import errno
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from support.loops import T0, loop_spec, rule_event

from lumen_workers.adapters.actuators import check_actuator, make_actuator
from lumen_workers.domain.errors import ConfigError, EnvironmentFault
from lumen_workers.domain.ports import Actuator
from lumen_workers.domain.records import RuleSpec

EVENT = rule_event(1, T0, 0.22, 0.3)
RULES = {"risk_max": 0.35, "creative_min": 0.3}


def actuator(text: str, home: Path, **options: object) -> Actuator:
    return make_actuator(replace(loop_spec("mock"), actuator=text, actuator_options=options), home)


@pytest.mark.parametrize("text", ["none", "file", "file:own/rules.json"])
def test_applying_is_idempotent(text: str, tmp_path: Path) -> None:
    made = actuator(text, tmp_path)
    made.apply("demo", RULES, EVENT)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    made.apply("demo", dict(reversed(RULES.items())), EVENT)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files
    assert made.name == text.split(":")[0]
    assert len(files) == (made.name == "file")


def test_the_file_says_all_rules_and_the_event(tmp_path: Path) -> None:
    actuator("file", tmp_path).apply("demo", RULES, EVENT)
    assert json.loads((tmp_path / "loops" / "demo" / "rules.json").read_text()) == {
        "loop": "demo",
        "rules": RULES,
        "event_id": "e1",
        "ts": "2026-09-21T14:13:19.700000+00:00",
    }
    actuator(f"file:{tmp_path}/else.json", tmp_path / "home").apply("demo", RULES, EVENT)
    assert (tmp_path / "else.json").is_file()


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    made = actuator("file:rules.json", tmp_path)
    many = {f"rule_{k}": 0.0 for k in range(2000)}
    made.apply("demo", many, EVENT)
    stop = threading.Event()

    def write() -> None:
        value = 0.0
        while not stop.is_set():
            value += 1.0
            made.apply("demo", dict.fromkeys(many, value), EVENT)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = set()
        for _ in range(300):
            rules = json.loads((tmp_path / "rules.json").read_text())["rules"]
            assert len(rules) == 2000
            assert len(set(rules.values())) == 1
            seen |= set(rules.values())
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 1


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_file_before(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = actuator("file", tmp_path)
    made.apply("demo", RULES, EVENT)
    path = tmp_path / "loops" / "demo" / "rules.json"
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(EnvironmentFault, match=r"rules of loop demo to .*rules\.json: the disk is full"):
        made.apply("demo", {"creative_min": 0.9}, EVENT)
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["rules.json"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "loops").write_text("a file in the way")
    with pytest.raises(EnvironmentFault, match="cannot write the rules of loop demo"):
        actuator("file", tmp_path).apply("demo", RULES, EVENT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "valve",
            r"loop demo: actuator: unknown kind 'valve'; known: file\[:PATH\], none, poll, webhook:URL, redis:URL",
        ),
        ("poll:x", "must have the form poll"),
        ("webhook", "must have the form webhook:URL"),
        ("webhook:ftp://x/y", "give a URL that begins with http://, https:// and holds no password"),
        ("webhook:https://me:word@x/y", "holds no password$"),
        (
            "webhook:http://plant.example.org/x",
            r"http is for this machine only; give an https URL, or set .*plain_http",
        ),
        ("redis:http://x", "give a URL that begins with redis://, rediss://, unix://"),
        ("redis:redis://:word@x/0 key", "holds no password$"),
        ("celery:x", "must have the form celery"),
        ("none:x", "must have the form none"),
        ("file:", r"must have the form file\[:PATH\]"),
    ],
)
def test_wrong_declarations(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_actuator(replace(loop_spec("mock"), actuator=text))


def test_unknown_options_and_paths_outside(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop demo: actuator_options\.mode: unknown key; allowed: none"):
        check_actuator(replace(loop_spec("mock"), actuator="file", actuator_options={"mode": 1}))
    with pytest.raises(ConfigError, match="leaves the home"):
        actuator("file:../rules.json", tmp_path)


def test_a_webhook_on_another_machine_is_signed(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"so what it is told must be signed; set .*secret_file or LUMEN_RULES_SECRET"
    ):
        actuator("webhook:https://plant.example.org/rules", tmp_path)
    spec = replace(loop_spec("mock"), actuator="webhook:https://plant.example.org/rules")
    assert make_actuator(spec, tmp_path, "0123456789abcdef").name == "webhook"


RATE = {"set": "rate_limit", "task": "shop.work"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"apply": {"speed": RATE}}, r"actuator_options: give broker_env .* or broker_url, one of them"),
        ({"broker_env": "B", "apply": {"fast": RATE}}, r"apply\.fast: the loop declares no such rule; declared: speed"),
        ({"broker_env": "B", "apply": {"speed": {"set": "rate_limit"}}}, r"apply\.speed: rate_limit needs task"),
        ({"broker_env": "B", "apply": {"speed": {**RATE, "set": "pool"}}}, r"apply\.speed: pool takes no task"),
        ({"broker_env": "B", "apply": {"speed": {"set": "prefetch"}}}, "no remote command for the prefetch count"),
        ({"broker_url": "redis://:word@x/0", "apply": {"speed": RATE}}, "broker_url: .* holds no password$"),
    ],
)
def test_wrong_celery_options(options: dict[str, object], message: str) -> None:
    spec = replace(
        loop_spec("mock"),
        rules={"speed": RuleSpec(name="speed", initial=5, min=1, max=9)},
        actuator="celery",
        actuator_options=options,
    )
    with pytest.raises(ConfigError, match=message):
        check_actuator(spec)


@pytest.mark.parametrize(
    ("setting", "message"),
    [(RATE, "Celery takes 0 for no limit at all"), ({"set": "pool"}, "has one process at least")],
)
def test_a_rate_of_nothing_and_an_empty_pool_are_no_bounds(setting: dict[str, object], message: str) -> None:
    spec = replace(
        loop_spec("mock"),
        rules={"speed": RuleSpec(name="speed", initial=5, min=0, max=9)},
        actuator="celery",
        actuator_options={"broker_env": "B", "apply": {"speed": setting}},
    )
    with pytest.raises(ConfigError, match=message):
        check_actuator(spec)


def test_a_broker_that_no_variable_holds(tmp_path: Path) -> None:
    spec = replace(
        loop_spec("mock"),
        rules={"speed": RuleSpec(name="speed", initial=5, min=1, max=9)},
        actuator="celery",
        actuator_options={"broker_env": "NOBODYS_BROKER", "apply": {"speed": RATE}},
    )
    with pytest.raises(ConfigError, match=r"broker_env: NOBODYS_BROKER is not set in the environment"):
        make_actuator(spec, tmp_path)
