"""A loop that asks for its rules, and says that it has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from support.webs import Web

from lumen_workers.domain.clock import iso
from lumen_workers.domain.records import EventState, RuleEvent


def change(site: Web, value: float = 0.3, rule: str = "creative_min", loop: str = "demo") -> RuleEvent:
    return site.rules.set(loop, rule, value, actor="Sena")


def ask(site: Web, tag: str | None = None, loop: str = "demo") -> httpx.Response:
    return site.client.get(f"/v1/rules/{loop}", headers={} if tag is None else {"If-None-Match": tag})


def ack(site: Web, loop: str = "demo", **body: Any) -> httpx.Response:
    return site.client.post(f"/v1/rules/{loop}/ack", json=body)


def state(site: Web, event: RuleEvent) -> EventState:
    return site.store.rules.get(event.event_id).state


def test_before_the_first_change_the_declared_values(site: Web) -> None:
    answer = ask(site)
    assert answer.status_code == 200
    assert answer.json() == {
        "loop": "demo",
        "rules": {"creative_min": 0.22, "risk_max": 0.35},
        "event_id": None,
        "ts": None,
    }
    assert ask(site, answer.headers["etag"]).status_code == 304


def test_asking_again_with_the_tag_of_the_new_state_acknowledges_it(site: Web) -> None:
    old = ask(site).headers["etag"]
    event = change(site)
    assert event.pending
    answer = ask(site, old)
    assert answer.status_code == 200
    assert answer.json() == {
        "loop": "demo",
        "rules": {"creative_min": 0.3, "risk_max": 0.35},
        "event_id": event.event_id,
        "ts": iso(event.ts),
    }
    tag = answer.headers["etag"]
    assert tag != old
    # It was given, not acknowledged.
    assert state(site, event) is EventState.PENDING
    before = site.store.now()
    again = ask(site, f'"other", W/{tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    known = site.store.rules.get(event.event_id)
    assert known.applied_at is not None
    assert before <= known.applied_at <= site.store.now()
    assert ask(site, tag).status_code == 304


def test_a_star_names_no_state(site: Web) -> None:
    event = change(site)
    assert ask(site, "*").status_code == 304
    assert state(site, event) is EventState.PENDING


def test_head_tells_the_tag(site: Web) -> None:
    answer = site.client.head("/v1/rules/demo")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == ask(site).headers["etag"]


def test_an_acknowledgement_by_post_covers_what_came_before(site: Web) -> None:
    first, second, third = change(site, 0.3), change(site, 0.5, "risk_max"), change(site, 0.31)
    said = second.ts + timedelta(microseconds=1)
    answer = ack(site, event_id=second.event_id, applied_at=iso(said))
    assert answer.status_code == 200
    assert answer.json() == {
        "event_id": second.event_id,
        "state": "applied",
        "applied_at": iso(said),
        "applied": 2,
    }
    assert [state(site, e).value for e in (first, second, third)] == ["applied", "applied", "pending"]
    again = ack(site, event_id=second.event_id)
    assert (again.status_code, again.json()["applied"], again.json()["applied_at"]) == (200, 0, iso(said))


def test_what_has_failed_is_not_acknowledged_any_more(site: Web) -> None:
    event = change(site)
    site.store.rules.fail(event.event_id, None, "no acknowledgement within 30 s")
    answer = ack(site, event_id=event.event_id)
    assert answer.status_code == 409
    assert answer.json()["error"].endswith("has failed and is taken back: no acknowledgement within 30 s")
    assert state(site, event) is EventState.FAILED
    assert [line.event for line in site.store.audit.rows(subject=event.event_id)][-1] == "late acknowledgement"


def test_a_loop_of_another_way_may_acknowledge_here_but_not_by_asking(site: Web) -> None:
    with pytest.raises(Exception, match="recorded, but actuator 'redis' failed"):
        change(site, loop="hooked")
    (event,) = site.rules.list("hooked")
    tag = ask(site, loop="hooked").headers["etag"]
    assert ask(site, tag, loop="hooked").status_code == 304
    assert state(site, event) is EventState.PENDING
    assert ack(site, "hooked", event_id=event.event_id).status_code == 200
    assert state(site, event) is EventState.APPLIED


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "event_id: missing"),
        ({"event_id": 1}, "event_id: must be a text"),
        ({"event_id": "x", "why": "y"}, "why: unknown key; allowed: applied_at, event_id"),
        ({"event_id": "EVENT", "applied_at": "soon"}, "applied_at: 'soon' is not an ISO 8601 timestamp"),
        ({"event_id": "EVENT", "applied_at": 12}, "applied_at: '12' is not an ISO 8601 timestamp"),
        ({"event_id": "EVENT", "applied_at": "2026-01-31T00:00:00"}, "has no time zone"),
    ],
)
def test_wrong_acknowledgements(site: Web, body: dict[str, Any], said: str) -> None:
    event = change(site)
    if body.get("event_id") == "EVENT":
        body = body | {"event_id": event.event_id}
    answer = ack(site, **body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert state(site, event) is EventState.PENDING


def test_unknown_loops_and_events(site: Web) -> None:
    event = change(site)
    for answer in (ask(site, loop="mian"), ack(site, "mian", event_id=event.event_id)):
        assert answer.status_code == 404
        assert answer.json() == {"error": "unknown loop 'mian'; loops.yaml has: demo, hooked, host"}
    assert ack(site, event_id="ev-0").json() == {"error": "loop 'demo' has no event 'ev-0'"}
    assert ack(site, "host", event_id=event.event_id).status_code == 404


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 400), (b'{"event_id": "x"}', "text/plain", 415)],
)
def test_bodies_that_are_no_json_object(site: Web, content: bytes, kind: str, status: int) -> None:
    answer = site.client.post("/v1/rules/demo/ack", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
