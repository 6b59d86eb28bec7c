"""Failures that the real libraries raise get the class that whoever knows the cause would give them."""

from __future__ import annotations

import pytest
from support.failures.case import Case, Judged, faults, run
from support.failures.corpus import CASES
from support.failures.peers import Peers

from lumen_workers.pipelines.failures import CLASSES


def _marks(one: Case) -> list[pytest.MarkDecorator]:
    return [getattr(pytest.mark, one.needs)] if one.needs else []


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name, marks=_marks(one)) for one in CASES])
def test_the_verdict(one: Case, peers: Peers, judged: list[Judged]) -> None:
    found = run(one, peers)
    judged.append(found)
    assert not faults(one, found), found.error


def test_the_corpus_is_large_and_has_every_class() -> None:
    assert len({one.name for one in CASES}) == len(CASES) >= 130
    assert {one.truth for one in CASES} == set(CLASSES)
