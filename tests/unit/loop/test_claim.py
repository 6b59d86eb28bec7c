"""Which region and machine may sample a loop: the rules, case by case."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.runs import Lease
from lumen_workers.loop.claim import Claim, Holder, decide

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TTL = timedelta(seconds=10)


def lease(holder_region: str, holder_host: str, expires_s: float) -> Lease:
    holder = str(Holder(holder_region, holder_host, 7, 1))
    return Lease(name="sampler:main", holder=holder, epoch=3, expires=NOW + timedelta(seconds=expires_s))


def asked(
    home: str | None,
    row: Lease | None,
    *,
    bound: bool = False,
    drained: Collection[str] = (),
    silent: Collection[str] = (),
) -> Claim:
    """What the region east may do on host a."""
    spec = LoopSpec(name="main", rate_hz=5, source="mock", region=home)
    away = {"drained": frozenset(drained), "silent": frozenset(silent)}
    return decide(spec, row, NOW, host_bound=bound, region="east", host="a", ttl=TTL, **away)


@pytest.mark.parametrize(
    ("home", "row", "wanted"),
    [
        (None, None, Claim.TAKE),
        ("east", None, Claim.TAKE),
        ("west", None, Claim.LEAVE),
        (None, lease("east", "a", 5), Claim.STEAL),
        (None, lease("east", "b", 5), Claim.STEAL),
        (None, lease("west", "a", 5), Claim.LEAVE),
        (None, lease("west", "a", 0), Claim.TAKE),
        ("east", lease("west", "b", 5), Claim.STEAL),
        ("east", lease("west", "b", -1), Claim.TAKE),
        ("west", lease("west", "a", 5), Claim.LEAVE),
        ("west", lease("west", "a", -9.9), Claim.LEAVE),
        ("west", lease("west", "a", -10), Claim.TAKE),
        # East stands in for west: its newer worker takes over from its older one.
        ("west", lease("east", "a", 5), Claim.STEAL),
    ],
)
def test_regions(home: str | None, row: Lease | None, wanted: Claim) -> None:
    assert asked(home, row) is wanted


@pytest.mark.parametrize(
    ("home", "row", "wanted"),
    [
        (None, None, Claim.TAKE),
        (None, lease("east", "b", 5), Claim.LEAVE),
        (None, lease("east", "b", -3600), Claim.LEAVE),
        ("east", lease("east", "b", -3600), Claim.LEAVE),
        (None, lease("east", "a", 5), Claim.STEAL),
        (None, lease("west", "a", 5), Claim.LEAVE),
        (None, lease("west", "a", -1), Claim.TAKE),
        (None, Lease(name="sampler:main", holder="", epoch=2, expires=NOW), Claim.TAKE),
    ],
)
def test_a_source_bound_to_a_host_never_moves_to_another(home: str | None, row: Lease | None, wanted: Claim) -> None:
    assert asked(home, row, bound=True) is wanted


@pytest.mark.parametrize(
    ("home", "row", "drained", "wanted"),
    [
        (None, lease("west", "b", 5), {"west"}, Claim.STEAL),
        ("west", lease("west", "b", 5), {"west"}, Claim.STEAL),
        ("west", lease("west", "b", -1), {"west"}, Claim.TAKE),
        ("west", lease("north", "b", 5), {"west"}, Claim.LEAVE),
        ("west", None, {"west"}, Claim.LEAVE),
        (None, None, {"east"}, Claim.LEAVE),
        ("east", lease("west", "b", 5), {"east"}, Claim.LEAVE),
        ("east", lease("east", "a", 5), {"east"}, Claim.LEAVE),
    ],
)
def test_a_drained_region_takes_nothing_and_its_loops_are_others_to_take(
    home: str | None, row: Lease | None, drained: set[str], wanted: Claim
) -> None:
    assert asked(home, row, drained=drained) is wanted


@pytest.mark.parametrize(
    ("home", "row", "wanted"),
    [
        ("west", lease("west", "b", 5), Claim.LEAVE),
        ("west", lease("west", "b", -0.1), Claim.TAKE),
        ("west", lease("north", "b", 5), Claim.LEAVE),
        ("west", None, Claim.LEAVE),
    ],
)
def test_a_home_whose_sampler_is_silent_is_not_waited_for(home: str, row: Lease | None, wanted: Claim) -> None:
    assert asked(home, row, silent={"west"}) is wanted


def test_a_holder_of_another_form_is_of_no_region() -> None:
    row = Lease(name="sampler:main", holder="somebody", epoch=1, expires=NOW + TTL)
    assert asked(None, row) is Claim.LEAVE
    assert asked("east", row) is Claim.STEAL
