"""Replaying letters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from support.contexts import A, Steps, World

from lumen_workers.domain.errors import NetworkError, NotFound, UsageError
from lumen_workers.domain.notices import Letter, LetterState
from lumen_workers.engine.flow import start
from lumen_workers.engine.letters import replay
from lumen_workers.pipelines.tasks import TASKS

DAY = date(2026, 1, 31)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def keep(world: World, task: str, payload: str) -> Letter:
    return world.store.notices.refuse(task, A, "no", payload, None)


def again(world: World, letter: Letter) -> str:
    return str(replay(world.store, world.outbox, letter, TASKS, by="a/h/kim")["trace_id"])


def test_a_stages_letter_asks_for_its_day_anew(world: World) -> None:
    run = start(world.context(), Steps().pipeline, DAY, "ab" * 16)
    world.outbox.take()
    letter = keep(world, "lumen.daily.freeze", f'{{"kwargs": {{"run_id": "{run.run_id}", "attempt": 1}}}}')
    trace = again(world, letter)
    assert [(m.task, m.region, m.payload) for m in world.outbox.take()] == [
        ("lumen.daily", A, {"day": "2026-01-31", "trace_id": trace})
    ]
    assert world.store.notices.letter(letter.letter_id).state is LetterState.REPLAYED
    with pytest.raises(UsageError, match="replayed already, by a/h/kim"):
        again(world, world.store.notices.letter(letter.letter_id))


def test_any_other_is_sent_as_it_came_but_for_its_trace(world: World) -> None:
    letter = keep(world, "lumen.cross_verify", '{"args": [], "kwargs": {"key": "k", "trace_id": "00"}}')
    trace = again(world, letter)
    [message] = world.outbox.take()
    assert (message.task, message.region, message.payload) == ("lumen.cross_verify", A, {"key": "k", "trace_id": trace})


@pytest.mark.parametrize(
    ("task", "payload"),
    [
        ("lumen.nothing", '{"kwargs": {}}'),
        ("lumen.daily", '{"content_type": "x", "body": "…"}'),
        ("lumen.daily", '{"args": [1], "kwargs": {}}'),
        ("lumen.daily", '{"kwargs": {"day": "cut o'),
        ("lumen.daily", "[]"),
    ],
)
def test_what_cannot_be_asked_for_again_says_so(world: World, task: str, payload: str) -> None:
    letter = keep(world, task, payload)
    with pytest.raises(UsageError, match="lumen letters discard"):
        again(world, letter)
    assert world.store.notices.letter(letter.letter_id).state is LetterState.KEPT


def test_a_letter_that_is_still_wrong_or_cannot_be_sent_stays(world: World) -> None:
    wrong = keep(world, "lumen.daily", '{"kwargs": {"dya": "today"}}')
    with pytest.raises(UsageError, match="dya"):
        again(world, wrong)
    gone = keep(world, "lumen.daily.pdf", '{"kwargs": {"run_id": "nope", "attempt": 1}}')
    with pytest.raises(NotFound):
        again(world, gone)
    fine = keep(world, "lumen.effects", '{"kwargs": {}}')
    world.outbox.error = NetworkError("away")
    with pytest.raises(NetworkError):
        again(world, fine)
    assert len(world.store.notices.letters(state=LetterState.KEPT)) == 3
