"""The tracker over a real store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.history import LEVEL, at, event, noisy, samples, stepped

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.filters import ema, iqr_mask
from lumen_workers.effects.placebo import QUIET_S
from lumen_workers.effects.tracker import SETTLE, compute, compute_due

OPTIONS = EffectOptions()


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    yield opened
    opened.close()


def test_an_effect_is_the_difference_of_the_window_means(store: SqlStore) -> None:
    store.samples.add("main", stepped(60, 40, {"creative_band": 0.08, "risk_band": -0.05}))
    store.rules.insert([event(60)])

    (effect,) = compute_due(store, "main", OPTIONS, at(100))

    assert effect.status is EffectStatus.COMPUTED
    assert (effect.n_pre, effect.n_post) == (145, 145)
    assert {name: effect.signals[name].delta for name in SIGNALS} == pytest.approx(
        {"phase_diff": 0.0, "entropy_rate": 0.0, "creative_band": 0.08, "risk_band": -0.05}
    )
    assert effect.signals["risk_band"].pre == pytest.approx(LEVEL["risk_band"])
    assert [stored.effect_id for _, stored in store.effects.rows("main")] == [effect.effect_id]


def test_the_windows_lie_around_the_instant_the_loop_had_the_value(store: SqlStore) -> None:
    store.samples.add("main", stepped(70, 60, {"phase_diff": -0.1}))
    store.rules.insert([event(60, applied_s=10)])

    (effect,) = compute_due(store, "main", OPTIONS, at(130))

    assert effect.signals["phase_diff"].delta == pytest.approx(-0.1)


def test_the_gap_around_the_change_is_left_out(store: SqlStore) -> None:
    steady, spike = samples(0, 120), dict.fromkeys(SIGNALS, 1.0)
    store.samples.add("main", samples(59, 61, spike))
    store.samples.add("main", steady)
    store.rules.insert([event(60)])

    (effect,) = compute_due(store, "main", OPTIONS, at(120))

    assert all(effect.signals[name].delta == 0.0 for name in SIGNALS)


def test_each_event_is_computed_once_for_one_set_of_options(store: SqlStore) -> None:
    store.samples.add("main", samples(0, 120))
    store.rules.insert([event(60)])

    assert len(compute_due(store, "main", OPTIONS, at(120))) == 1
    assert compute_due(store, "main", OPTIONS, at(121)) == []
    assert len(compute_due(store, "main", EffectOptions(iqr=True), at(122))) == 1
    assert len(store.effects.rows("main")) == 2


def test_a_post_window_that_is_not_over_is_waited_for(store: SqlStore) -> None:
    store.samples.add("main", samples(0, 120))
    store.rules.insert([event(60)])

    assert compute_due(store, "main", OPTIONS, at(89.9)) == []
    assert len(compute_due(store, "main", OPTIONS, at(90))) == 1


def test_samples_that_a_writer_still_holds_are_waited_for(store: SqlStore) -> None:
    store.rules.insert([event(60)])
    store.samples.add("main", samples(0, 89))

    assert compute_due(store, "main", OPTIONS, at(91)) == []
    store.samples.add("main", samples(89, 90))
    (effect,) = compute_due(store, "main", OPTIONS, at(91.5))

    assert effect.n_post == 145


def test_a_loop_that_stopped_gets_its_effect_from_what_there_is(store: SqlStore) -> None:
    store.rules.insert([event(60)])
    store.samples.add("main", samples(0, 80))
    window_end = at(90)

    assert compute_due(store, "main", OPTIONS, window_end + SETTLE - timedelta(seconds=1)) == []
    (effect,) = compute_due(store, "main", OPTIONS, window_end + SETTLE)

    assert (effect.status, effect.n_pre, effect.n_post) == (EffectStatus.COMPUTED, 145, 95)


@pytest.mark.parametrize("sides", [(49, 80), (80, 49), (0, 0)])
def test_too_few_samples_on_a_side_say_insufficient_with_the_counts(store: SqlStore, sides: tuple[int, int]) -> None:
    before, after = sides
    store.rules.insert([event(60)])
    store.samples.add("main", Block.concat([samples(35, 35 + before / 5), samples(62, 62 + after / 5)]))

    (effect,) = compute_due(store, "main", OPTIONS, at(90) + SETTLE)

    assert (effect.status, effect.n_pre, effect.n_post) == (EffectStatus.INSUFFICIENT, before, after)
    assert all(signal.delta is None and signal.shown_pre is None for signal in effect.signals.values())


def test_fifty_samples_a_side_are_enough(store: SqlStore) -> None:
    store.rules.insert([event(60)])
    store.samples.add("main", Block.concat([samples(35, 45), samples(62, 72)]))

    (effect,) = compute_due(store, "main", OPTIONS, at(90) + SETTLE)

    assert (effect.status, effect.n_pre, effect.n_post) == (EffectStatus.COMPUTED, 50, 50)


def test_an_event_that_the_loop_does_not_have_yet_has_no_effect(store: SqlStore) -> None:
    store.samples.add("main", samples(0, 120))
    store.rules.insert([event(60, applied_s=None)])

    assert compute_due(store, "main", OPTIONS, at(120)) == []


def test_another_loops_samples_are_not_its_own(store: SqlStore) -> None:
    store.loops.register("other", 5, "mock")
    store.samples.add("other", samples(0, 120))
    store.rules.insert([event(60)])

    (effect,) = compute_due(store, "main", OPTIONS, at(90) + SETTLE)

    assert (effect.n_pre, effect.n_post) == (0, 0)


def test_only_the_windows_and_the_stretch_before_them_are_read(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.samples.add("main", samples(0, 3600))
    store.rules.insert([event(600), event(1800, event_id="ev-2", new=0.3)])
    asked: list[tuple[int, int]] = []
    windows = store.samples.windows

    def spy(loop: str, bounds: Sequence[tuple[int, int]]) -> Iterator[Block]:
        asked.extend(bounds)
        return windows(loop, bounds)

    monkeypatch.setattr(store.samples, "windows", spy)
    monkeypatch.setattr(store.samples, "window", None)
    monkeypatch.setattr(store.samples, "scan", None)

    assert len(compute_due(store, "main", OPTIONS, at(3600))) == 2
    assert [(end - start) / 1e6 for start, end in asked] == [60.0, 60.0, 1200 + QUIET_S], "what both need is read once"


def test_many_events_come_in_order_and_all(store: SqlStore) -> None:
    store.samples.add("main", noisy(0, 700))
    events = [event(60 + index, event_id=f"ev-{index:03}", new=index / 1000) for index in range(450)]
    store.rules.insert(events)

    effects = compute_due(store, "main", OPTIONS, at(700))

    assert [effect.event_id for effect in effects] == [e.event_id for e in events]


def test_an_effect_has_an_interval_a_verdict_and_a_rank(store: SqlStore) -> None:
    block = noisy(0, 1000)
    after = block.ts >= to_us(at(900))
    values = block.values.copy()
    values[:, SIGNALS.index("creative_band")] *= np.where(after, 0.5, 0.25)
    store.samples.add("main", Block(block.ts, values))
    store.rules.insert([event(900)])

    (effect,) = compute_due(store, "main", OPTIONS, at(1000))

    moved, still = effect.signals["creative_band"], effect.signals["risk_band"]
    assert moved.lo is not None
    assert moved.hi is not None
    assert 0 < moved.lo < 0.125 < moved.hi
    assert (moved.verdict, moved.level) == ("improved", 0.95)
    assert moved.placebo_p is not None
    assert moved.placebo_p < 0.05
    assert still.verdict == "inconclusive"
    assert still.placebo_p is not None
    assert still.placebo_p > 0.05
    ((_, stored),) = store.effects.rows("main")
    assert stored.signals == effect.signals


def test_an_unknown_loop_is_named(store: SqlStore) -> None:
    with pytest.raises(UsageError, match="'nowhere'"):
        compute_due(store, "nowhere", OPTIONS, at(0))


def halves(block: Block, change_s: float) -> tuple[Block, Block]:
    middle = int(at(change_s).timestamp() * 1_000_000)
    return block.slice(0, middle), block.slice(middle, 2**62)


def effect_of(pre: Block, post: Block, options: EffectOptions) -> Effect:
    return compute([event(60)], [(pre, post)], options, 5, at(200))[0]


def test_filters_change_what_is_shown_and_not_the_raw_means() -> None:
    pre, post = halves(noisy(30, 90), 60)
    plain = effect_of(pre, post, OPTIONS)
    options = EffectOptions(iqr=True, iqr_k=0.2, ema=True, ema_alpha=0.3)
    shown = effect_of(pre, post, options)

    for column, name in enumerate(SIGNALS):
        kept = post.values[iqr_mask(post.values[:, column], 0.2), column]
        assert shown.signals[name].delta == plain.signals[name].delta
        assert shown.signals[name].shown_post == pytest.approx(float(ema(kept, 0.3).mean()))
        assert shown.signals[name].shown_delta != plain.signals[name].delta


def test_without_filters_the_shown_values_are_the_raw_ones() -> None:
    effect = effect_of(*halves(noisy(30, 90), 60), OPTIONS)

    for signal in effect.signals.values():
        assert (signal.shown_pre, signal.shown_post, signal.shown_delta) == (signal.pre, signal.post, signal.delta)


@settings(max_examples=30, deadline=None)
@given(
    change=st.integers(40, 200),
    seed=st.integers(0, 99),
    pre_s=st.integers(15, 35),
    post_s=st.integers(15, 35),
)
def test_the_store_and_a_plain_loop_agree(change: int, seed: int, pre_s: int, post_s: int) -> None:
    block = noisy(0, 240, seed=seed)
    store = open_store("sqlite://")
    try:
        store.loops.register("main", 5, "mock")
        store.samples.add("main", block)
        store.rules.insert([event(change)])
        (effect,) = compute_due(store, "main", EffectOptions(pre_s=pre_s, post_s=post_s), at(240) + SETTLE)
    finally:
        store.close()

    seconds = (block.ts - int(at(change).timestamp()) * 1_000_000) / 1e6
    before = block.values[(seconds >= -pre_s) & (seconds < -1)]
    after = block.values[(seconds >= 1) & (seconds < post_s)]
    assert (effect.n_pre, effect.n_post) == (len(before), len(after))
    for column, name in enumerate(SIGNALS):
        assert effect.signals[name].delta == pytest.approx(
            float(np.mean(after[:, column]) - np.mean(before[:, column])), abs=1e-12
        )
