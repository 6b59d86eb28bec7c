"""Names, records, blocks and the seal."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain import ids
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.runs import RunStatus, Seal
from lumen_workers.domain.signals import RATES_HZ, Block, Reading, grid_index, period_us

DAY = date(2026, 1, 31)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_run_ids() -> None:
    code = "0123456789abcdef"
    assert ids.run_id("daily", DAY, "ap-northeast-2", code, 1) == "20260131-ap-northeast-2-01234567"
    assert ids.run_id("daily", DAY, "ap-northeast-2", code, 3) == "20260131-ap-northeast-2-01234567.3"
    assert ids.run_id("weekly", DAY, "us-west-2", code, 1) == "weekly-20260131-us-west-2-01234567"
    with pytest.raises(ValueError, match="count from 1"):
        ids.run_id("daily", DAY, "us-west-2", code, 0)


def test_trace_ids_are_128_bits() -> None:
    traces = {ids.new_trace_id() for _ in range(50)}
    assert len(traces) == 50
    assert all(len(trace) == 32 and set(trace) <= set("0123456789abcdef") for trace in traces)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=2), st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_content_ids_tell_contents_apart(one: list[str], two: list[str]) -> None:
    assert (ids.content_id("ev", *one) == ids.content_id("ev", *two)) == ("\x1f".join(one) == "\x1f".join(two))


@pytest.mark.parametrize("name", ["", "Main", "1st", "a b", "../up", "a" * 41, "후"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(UsageError, match="a letter first"):
        ids.check_name(name, "loop")


@pytest.mark.parametrize("name", ["", "Seoul", "-a", "a-", "a--b", "a/b", "a.b", "x" * 41])
def test_regions_that_cannot_be(name: str) -> None:
    with pytest.raises(UsageError, match="such as ap-northeast-2"):
        ids.check_region(name)
    assert ids.check_region("ap-northeast-2") == "ap-northeast-2"


def event(ts: datetime) -> RuleEvent:
    return RuleEvent(event_id="ev", loop="main", seq=1, ts=ts, actor="me", rule="risk_max", old=0.3, new=0.31)


def test_records_hold_utc_and_refuse_naive_times() -> None:
    held = event(datetime(2026, 1, 31, 21, tzinfo=timezone(timedelta(hours=9)))).ts
    assert (held, held.tzinfo) == (NOON, UTC)
    with pytest.raises(UsageError, match=r"^ts: .*has no time zone"):
        event(datetime(2026, 1, 31, 12))  # noqa: DTZ001
    with pytest.raises(FrozenInstanceError):
        event(NOON).new = 0.5  # type: ignore[misc]


def test_options_have_one_key_for_what_changes_numbers() -> None:
    plain = EffectOptions()
    assert plain.key() == replace(plain, iqr_k=3.0, ema_alpha=0.3).key(), "a filter that is off changes nothing"
    variants = [
        replace(plain, pre_s=20.0),
        replace(plain, post_s=20.0),
        replace(plain, gap_s=2.0),
        replace(plain, min_samples=10),
        replace(plain, iqr=True),
        replace(plain, iqr=True, iqr_k=3.0),
        replace(plain, ema=True),
    ]
    assert len({plain.key(), *(options.key() for options in variants)}) == len(variants) + 1


def test_blocks() -> None:
    rows = [(ts, Reading(0.1, 0.2, 0.3, ts / 100)) for ts in (10, 20, 30, 40)]
    block = Block.of(rows)
    assert block.slice(20, 40).ts.tolist() == [20, 30]
    assert block.slice(41, 99).ts.tolist() == []
    joined = Block.concat([block.slice(0, 25), block.slice(25, 99)])
    np.testing.assert_array_equal(joined.values, block.values)
    assert len(Block.empty()) == len(Block.of([])) == len(Block.concat([])) == 0
    with pytest.raises(ValueError, match=r"values\[n, 4\]"):
        Block(np.arange(3), np.zeros((3, 3)))


@pytest.mark.parametrize("rate", RATES_HZ)
def test_every_rate_has_a_period_of_whole_milliseconds(rate: int) -> None:
    assert period_us(rate) * rate == 1_000_000
    assert period_us(rate) % 1000 == 0
    assert grid_index(7 * period_us(rate), rate) == 7
    assert grid_index(7 * period_us(rate) - 1, rate) == 6


def seal() -> Seal:
    return Seal(
        pipeline="daily",
        day=DAY,
        revision=1,
        start=NOON - timedelta(hours=12),
        end=NOON + timedelta(hours=12),
        cutoff=NOON + timedelta(hours=12),
        watermark={"b": 2, "a": 1},
        settings={"zone": "UTC"},
        code_version="0" * 64,
        config_digest="1" * 64,
        prev_digest=None,
        sealed_at=NOON,
    )


def test_a_seals_digest_covers_all_of_it_and_no_order() -> None:
    one = seal()
    assert one.digest() == replace(one, watermark={"a": 1, "b": 2}).digest()
    changed = [
        replace(one, revision=2),
        replace(one, cutoff=NOON),
        replace(one, watermark={"a": 1, "b": 3}),
        replace(one, settings={"zone": "Asia/Seoul"}),
        replace(one, code_version="2" * 64),
        replace(one, config_digest="2" * 64),
        replace(one, prev_digest="3" * 64),
        replace(one, sealed_at=NOON + timedelta(microseconds=1)),
    ]
    assert len({one.digest(), *(other.digest() for other in changed)}) == len(changed) + 1


def test_a_seal_before_the_days_end_is_provisional() -> None:
    assert not seal().provisional
    assert replace(seal(), cutoff=NOON).provisional


def test_which_states_are_final() -> None:
    assert {status for status in RunStatus if not status.final} == {RunStatus.QUEUED, RunStatus.RUNNING}
