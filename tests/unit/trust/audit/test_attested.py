"""Attested heads: what the days' evidence says of the audit log, and whose evidence counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.contexts import NOON, A, World

from lumen_workers.trust.audit.attested import EvidenceRefused, read_heads, said_heads, signed_heads
from lumen_workers.trust.audit.faults import AttestedHead
from lumen_workers.trust.statement import Material, Statement

HEADS = [
    Material(name="audit:a", sha256="a" * 64, annotations={"seq": 7}),
    Material(name="audit:b", sha256="0" * 64, annotations={"seq": 0}),
    Material(name="seal", sha256="b" * 64),
]
FOUND = [AttestedHead(chain="a", seq=7, sha256="a" * 64, source="s")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def evidence(world: World, materials: list[Material], key: str = "k") -> bytes:
    """A real evidence file with these materials."""
    attestor = world.context(A).attestor()
    statement = Statement(
        subjects=[Material(name="x", sha256="c" * 64)],
        build_type="lumen/daily-report@v1",
        external={},
        internal={},
        materials=materials,
        builder=attestor.identity,
        version="0",
        invocation="i",
        started="",
        finished="",
    )
    return attestor.attest(statement, key=key, trace_id="ab" * 16).evidence


def test_heads_are_read_from_evidence_that_the_root_vouches_for(world: World) -> None:
    data = evidence(world, HEADS)
    roots = world.context(A).roots()
    for at in (NOON, NOON + timedelta(days=400)):
        assert list(signed_heads(roots, at)(data, "s")) == FOUND, "also when the certificate has run out"
    assert read_heads([("s", data)], signed_heads(roots, NOON)) == (FOUND, [], 0)


def test_evidence_of_another_root_does_not_count_and_is_no_fault(world: World) -> None:
    data = evidence(world, HEADS)
    for roots in ((), ("f" * 64,)):
        assert read_heads([("s", data)], signed_heads(roots, NOON)) == ([], [], 1)


def forged(data: bytes, **changes: Any) -> bytes:
    """The evidence with another audit head in its statement."""
    value = json.loads(data)
    statement = json.loads(base64.b64decode(value["envelope"]["payload"]))
    statement["predicate"]["buildDefinition"]["resolvedDependencies"][0].update(changes)
    value["envelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps(value).encode()


def test_a_head_that_was_changed_is_refused(world: World) -> None:
    data = forged(evidence(world, HEADS), annotations={"seq": 6})
    read = signed_heads(world.context(A).roots(), NOON)
    [refused] = read_heads([("s", data)], read)[1]
    assert (refused.reason, refused.detail) == ("evidence_refused", "s: signature_invalid")
    assert [head.seq for head in said_heads(data, "s")] == [6], "who believes everything would believe it"


@pytest.mark.parametrize("seq", ["7", -1, True, None, 1.5])
def test_a_number_that_is_none_is_refused(world: World, seq: object) -> None:
    with pytest.raises(EvidenceRefused, match="statement_malformed"):
        said_heads(forged(evidence(world, HEADS), annotations={"seq": seq}), "s")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "evidence_missing"), (b"{}", "evidence_malformed"), (b'{"a":1,"a":2}', "duplicate_key"), (b"\xff", "")],
)
def test_what_is_no_evidence_is_a_fault(world: World, data: bytes | None, reason: str) -> None:
    heads, [refused], foreign = read_heads([("s", data)], signed_heads(world.context(A).roots(), NOON))
    assert (heads, foreign, refused.reason) == ([], 0, "evidence_refused")
    assert reason in refused.detail
