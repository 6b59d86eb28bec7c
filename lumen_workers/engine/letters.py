"""Replaying a letter: what its message asked for is asked for again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.notices import Letter, LetterState
from lumen_workers.domain.ports import Dispatcher, Store
from lumen_workers.engine.requests import ask


class Known(Protocol):
    """What must be known of a task: where it goes, and whether it takes these arguments."""

    @property
    def lane(self) -> str: ...

    def parse(self, payload: Mapping[str, Any]) -> object: ...


def replay(
    store: Store, dispatcher: Dispatcher, letter: Letter, tasks: Mapping[str, Known], *, by: str
) -> dict[str, Any]:
    """Ask again; returns what was asked and its trace id.

    A stage's message is stale for ever, so its run's day is asked for anew. Raises UsageError for a letter that was
    handled, that names no task, or whose arguments are (still) not valid; NetworkError: then the letter stays.
    """
    if letter.state is not LetterState.KEPT:
        raise UsageError(f"{letter.letter_id} was {letter.state.value} already, by {letter.handled_by}")
    task = tasks.get(letter.task)
    arguments = _arguments(letter)
    if task is None or arguments is None:
        raise UsageError(
            f"{letter.letter_id} holds nothing that could be asked for again; look at it with `lumen letters show`, "
            f"then `lumen letters discard {letter.letter_id}`"
        )
    trace_id = new_trace_id()
    if not store.notices.handle(letter.letter_id, LetterState.REPLAYED, by):
        raise UsageError(f"{letter.letter_id} was handled just now by somebody else")
    try:
        asked = _ask(store, dispatcher, letter, task, arguments, trace_id)
    except BaseException:
        store.notices.take_back(letter.letter_id, by)
        raise
    return {"state": LetterState.REPLAYED.value, "asked": asked, "trace_id": trace_id}


def _ask(
    store: Store, dispatcher: Dispatcher, letter: Letter, task: Known, arguments: Mapping[str, Any], trace_id: str
) -> str:
    if "run_id" in arguments:
        run = store.runs.get(str(arguments["run_id"]))
        ask(store, dispatcher, run.pipeline, run.day, region=run.region, trace_id=trace_id)
        return f"asked {run.region} for {run.pipeline} of {run.day} again, trace {trace_id}"
    payload = {name: value for name, value in arguments.items() if name != "trace_id"}
    task.parse({**payload, "trace_id": trace_id})
    dispatcher.send(letter.task, region=letter.region, lane=task.lane, payload=payload, trace_id=trace_id)
    return f"sent {letter.task} to {letter.region} again, trace {trace_id}"


def _arguments(letter: Letter) -> dict[str, Any] | None:
    """The keyword arguments that came; None where the payload cannot be read or holds others."""
    try:
        payload = json.loads(letter.payload)
    except ValueError:
        return None
    if not isinstance(payload, dict) or payload.get("args") or "body" in payload:
        return None
    arguments = payload.get("kwargs")
    return arguments if isinstance(arguments, dict) else None
