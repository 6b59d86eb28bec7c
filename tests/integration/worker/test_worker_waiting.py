"""How long messages wait, seen in a real Redis."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection
from support.workers import RedisServer

from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.adapters.queue.waiting import WaitingLanes

pytestmark = pytest.mark.redis

LANES = [("a", "jobs"), ("a", "sampler")]


def connection(broker: RedisServer, url: str | None = None) -> Connection:
    return Connection(url or broker.url)  # type: ignore[no-untyped-call]


def test_depth_and_age_of_each_lane(broker: RedisServer) -> None:
    broker.client.flushall()
    now = [100.0]
    lanes = WaitingLanes(lambda: connection(broker), LANES, lambda: now[0])
    celery = Celery(broker=broker.url, set_as_current=False)
    dispatcher = CeleryDispatcher(celery)

    def send() -> None:
        dispatcher.send("lumen.effects", region="a", lane="jobs", payload={}, trace_id="a" * 32)

    send()
    assert lanes() == {("a", "jobs"): (1, None), ("a", "sampler"): (0, 0.0)}  # since when it waits nobody has seen
    now[0] += 10
    send()
    assert lanes() == {("a", "jobs"): (2, 10.0), ("a", "sampler"): (0, 0.0)}
    now[0] += 5
    assert lanes() == {("a", "jobs"): (2, 15.0), ("a", "sampler"): (0, 0.0)}
    broker.client.rpop("a.jobs")  # as a worker takes it
    assert lanes() == {("a", "jobs"): (1, 5.0), ("a", "sampler"): (0, 0.0)}
    broker.client.rpop("a.jobs")
    assert lanes() == {("a", "jobs"): (0, 0.0), ("a", "sampler"): (0, 0.0)}
    lanes.close()
    celery.close()


def test_a_broker_that_goes_and_comes_back(broker: RedisServer) -> None:
    lanes = WaitingLanes(lambda: connection(broker), LANES)
    assert lanes() is not None
    broker.stop()
    assert lanes() is None
    assert lanes() is None
    broker.start()
    assert lanes() is not None
    lanes.close()


def test_no_broker_at_all_and_a_lane_that_is_none(broker: RedisServer) -> None:
    assert WaitingLanes(lambda: None, LANES)() is None
    broker.client.set("a.jobs", "not a list")
    lanes = WaitingLanes(lambda: connection(broker), LANES)
    assert lanes() == {("a", "sampler"): (0, 0.0)}
    lanes.close()
    broker.client.flushall()


WATCHER = ("on", ">a-password", "resetkeys", "-@all", "+ping", "+select", "+client|setname", "~*.jobs", "~*.sampler")


@pytest.mark.parametrize(("more", "age"), [(("+llen", "+lrange"), 0.0), (("+llen",), None)])
def test_a_user_that_may_only_look(broker: RedisServer, more: tuple[str, ...], age: float | None) -> None:
    command: Any = broker.client.execute_command
    command("ACL", "SETUSER", "exporter", "reset", *WATCHER, *more)
    url = broker.url.replace("redis+socket://", "redis+socket://exporter:a-password@")
    lanes = WaitingLanes(lambda: connection(broker, url), LANES)
    assert lanes() == dict.fromkeys(LANES, (0, age))
    lanes.close()
    command("ACL", "DELUSER", "exporter")
