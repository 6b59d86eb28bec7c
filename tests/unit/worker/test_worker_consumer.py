"""Which messages are taken: nothing that a stranger may write makes the check fail in another way than by refusing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import InvalidTaskError
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.worker.consumer import check

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
GOOD: dict[str, Any] = {"task": "lumen.reconcile", "id": "x"}
# As Celery itself writes them.
USUAL: dict[str, Any] = {
    **GOOD,
    "lang": "py",
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "x",
    "parent_id": None,
    "argsrepr": "()",
    "kwargsrepr": "{}",
    "origin": "gen1@host",
    "ignore_result": True,
    "stamps": {},
}
EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def message(headers: Any, payload: Any) -> Any:
    return SimpleNamespace(headers=headers, payload=payload)


@pytest.mark.parametrize("headers", [GOOD, USUAL, {**USUAL, "timelimit": [10, 5.5]}])
@pytest.mark.parametrize("embedded", [None, {}, EMBEDDED])
def test_usual_messages_pass(headers: dict[str, Any], embedded: Any) -> None:
    check(message(headers, [[], {"trace_id": "0" * 32}, embedded]))


@given(
    changed=st.dictionaries(st.sampled_from([*USUAL, "compression", "stamped_headers"]), JSON, max_size=4),
    payload=JSON | st.lists(JSON, min_size=3, max_size=3),
)
def test_anything_else_is_refused_or_harmless(changed: dict[str, Any], payload: Any) -> None:
    headers = {**USUAL, **changed}
    try:
        check(message(headers, payload))
    except InvalidTaskError:
        return
    args, kwargs, embedded = payload
    assert isinstance(args, list)
    assert isinstance(kwargs, dict)
    assert not any((embedded or {}).values())
    assert headers["task"].startswith("lumen.")
