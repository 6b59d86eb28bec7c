"""Statements: in-toto and SLSA as written by us, and read with suspicion."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evidence import IDENTITY, statement

from lumen_workers.trust import canonical
from lumen_workers.trust.statement import MAX_SUBJECTS, Material, StatementFault, is_safe, parse_statement

SHA = "ab" * 32


def refused(payload: bytes) -> str:
    with pytest.raises(StatementFault) as caught:
        parse_statement(payload)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    value = json.loads(statement().dump())
    change(value)
    return canonical.dumps(value)


def test_it_is_an_in_toto_statement_with_slsa_provenance() -> None:
    made = statement(materials=[Material(name="in", sha256=SHA, annotations={"bytes": 3})])
    payload = made.dump()
    value = json.loads(payload)
    assert payload == canonical.dumps(value)
    assert value.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    assert value["predicate"].keys() == {"buildDefinition", "runDetails"}
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    assert definition.keys() == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert definition["resolvedDependencies"] == [
        {"annotations": {"bytes": 3}, "digest": {"sha256": SHA}, "name": "in"}
    ]
    assert details["builder"]["id"] == IDENTITY
    assert details["metadata"].keys() == {"invocationId", "startedOn", "finishedOn"}


def test_what_was_written_is_read() -> None:
    made = statement((("a/b.txt", b"1"), ("ä.txt", b"2")), materials=[Material(name="in", sha256=SHA)])
    said = parse_statement(made.dump())
    assert said.subjects == {item.name: item.sha256 for item in made.subjects}
    assert (said.builder, said.build_type) == (made.builder, made.build_type)
    assert (said.external, said.internal, said.materials) == (made.external, made.internal, tuple(made.materials))


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("statement_type_mismatch", lambda v: v.update(_type="https://in-toto.io/Statement/v0.1")),
        ("statement_type_mismatch", lambda v: v.pop("_type")),
        ("predicate_type_mismatch", lambda v: v.update(predicateType="https://slsa.dev/provenance/v0.2")),
        ("predicate_type_mismatch", lambda v: v.update(predicateType=["https://slsa.dev/provenance/v1"])),
        ("statement_malformed", lambda v: v.pop("predicate")),
        ("statement_malformed", lambda v: v.pop("subject")),
        ("statement_malformed", lambda v: v.update(subject={})),
        ("statement_malformed", lambda v: v.update(subject=[])),
        ("statement_malformed", lambda v: v.update(subject=["x"])),
        ("statement_malformed", lambda v: v["subject"][0].pop("name")),
        ("statement_malformed", lambda v: v["subject"][0].update(name=1)),
        ("statement_malformed", lambda v: v["subject"][0].update(digest={"sha512": SHA * 2})),
        ("statement_malformed", lambda v: v["subject"][0].update(digest={"sha256": SHA.upper()})),
        ("statement_malformed", lambda v: v["subject"][0].update(digest={"sha256": SHA + "\n"})),
        ("statement_malformed", lambda v: v["predicate"].pop("buildDefinition")),
        ("statement_malformed", lambda v: v["predicate"].pop("runDetails")),
        ("statement_malformed", lambda v: v["predicate"]["runDetails"]["builder"].update(id=1)),
        ("statement_malformed", lambda v: v["predicate"]["buildDefinition"].update(internalParameters=1)),
        ("statement_malformed", lambda v: v["predicate"]["buildDefinition"].update(resolvedDependencies=[{}])),
        ("subject_repeated", lambda v: v["subject"].append(v["subject"][0])),
        ("too_many_subjects", lambda v: v.update(subject=[{}] * (MAX_SUBJECTS + 1))),
    ],
)
def test_each_other_form_has_its_reason(reason: str, change: Callable[[dict[str, Any]], Any]) -> None:
    assert refused(changed(change)) == reason


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        ("statement_malformed", b""),
        ("statement_malformed", b"[]"),
        ("statement_malformed", b"\xff"),
        ("statement_malformed", b"\xef\xbb\xbf{}"),
        ("statement_malformed", b'{"a":NaN}'),
        ("statement_malformed", b"[" * 100_000),
        ("statement_malformed", b" " * (2 * 1024**2 + 1)),
        ("statement_malformed", b"1" * 5000),
        ("duplicate_key", b'{"_type":"https://in-toto.io/Statement/v1","_type":"x"}'),
        ("duplicate_key", b'{"subject":[{"name":"a","name":"b"}]}'),
    ],
)
def test_doubtful_json_is_refused(reason: str, payload: bytes) -> None:
    assert refused(payload) == reason


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/.",
        "a//b",
        "a/",
        "a\\b",
        "a\x00b",
        "a\nb",
        "\x1b[31m",
        "a\x7f",
        "\ud800",
    ],
)
def test_no_name_leads_elsewhere(name: str) -> None:
    assert not is_safe(name)
    with pytest.raises(StatementFault):
        statement(((name, b""),)).dump()
    payload = json.dumps(json.loads(statement().dump()) | {"subject": [{"name": name, "digest": {"sha256": SHA}}]})
    assert refused(payload.encode()) == "subject_name_unsafe"


@pytest.mark.parametrize("name", ["a", "a/b/c.txt", "...", "..a", "a b", "ä/한국.pdf", ".hidden", "-rf"])
def test_plain_names_are_taken(name: str) -> None:
    assert list(parse_statement(statement(((name, b""),)).dump()).subjects) == [name]


def test_it_has_1_to_1024_subjects() -> None:
    most = statement([(f"{number}", b"") for number in range(MAX_SUBJECTS)])
    assert len(parse_statement(most.dump()).subjects) == 1024
    with pytest.raises(StatementFault):
        statement([(f"{number}", b"") for number in range(MAX_SUBJECTS + 1)]).dump()
    with pytest.raises(StatementFault):
        statement(()).dump()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def read_or_refuse(payload: bytes) -> None:
    """Nothing but the declared error comes of it."""
    with contextlib.suppress(StatementFault):
        assert parse_statement(payload).subjects


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    read_or_refuse(payload)


@given(st.sampled_from(("subject", "predicate", "buildDefinition", "runDetails", "builder", "digest")), VALUES)
def test_any_value_anywhere_is_read_or_refused(place: str, value: Any) -> None:
    def put(inside: Any) -> Any:
        if isinstance(inside, dict):
            return {key: value if key == place else put(item) for key, item in inside.items()}
        return [put(item) for item in inside] if isinstance(inside, list) else inside

    read_or_refuse(json.dumps(put(json.loads(statement().dump()))).encode())
