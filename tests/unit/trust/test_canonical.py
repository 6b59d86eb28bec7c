from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.trust import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_round_trip_or_a_clear_refusal(value: Any) -> None:
    try:
        data = canonical.dumps(value)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        assert "\\ud" in json.dumps(value)
        return
    assert canonical.loads(data) == value
    assert canonical.dumps(canonical.loads(data)) == data


def test_one_form_whatever_the_order() -> None:
    assert canonical.dumps({"b": 1, "a": "한"}) == '{"a":"한","b":1}'.encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "not JSON compliant"),
        (float("inf"), "not JSON compliant"),
        ({1, 2}, "no canonical JSON"),
        (object(), "no canonical JSON"),
    ],
)
def test_what_json_cannot_say_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical.dumps(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a":1,"a":1}', "twice"),
        (b'[{"x":{"a":1,"a":2}}]', "twice"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'"\xff"', "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ('{"a":1}'.encode("utf-16"), "utf-8"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
        (b"[" * 200_000, "too deeply"),
        (b"1" * 10_000, "digits"),
    ],
)
def test_doubtful_json_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical.loads(data)
