"""The reference plant: its statistics, its response, its truth, and the source that plays it from the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loops import T0, RuleBook, eventually, loop_spec, rule_event

from lumen_workers.adapters.sources import make_source
from lumen_workers.domain.clock import US, from_us
from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.signals import SIGNALS, period_us
from lumen_workers.loop.noise import ar1, ar1_noise, memory, normal
from lumen_workers.loop.plant import Noise, PlantOptions, drive, sample, simulate, truth

CREATIVE = SIGNALS.index("creative_band")
QUIET = PlantOptions(sd=0.0)


def plain_response(options: PlantOptions, events: list[RuleEvent], ts_us: int) -> list[float]:
    """The formula, written out."""
    out = []
    for signal in SIGNALS:
        value = options.base[signal]
        for event in events:
            since = None if event.applied_at is None else (from_us(ts_us) - event.applied_at).total_seconds()
            if since is not None and since >= 0:
                gain = options.gains.get(event.rule, {}).get(signal, 0.0)
                value += gain * (event.new - event.old) * (1.0 - np.exp(-since / options.tau_s))
        out.append(min(max(value, 0.0), 1.0))
    return out


EVENTS = [
    rule_event(1, T0 + 10 * US, 0.22, 0.30),
    rule_event(2, T0 + 20 * US + 7, 0.35, 0.20, rule="risk_max"),
    rule_event(3, T0 + 22 * US, 0.30, 0.25),
    rule_event(4, T0 + 25 * US, 0.25, 0.90, applied=False),
]


@pytest.mark.parametrize(("phi", "sd"), [(0.9, 0.02), (0.0, 0.05), (0.6, 0.01), (0.99, 0.02)])
def test_the_noise_has_the_declared_deviation_and_correlation(phi: float, sd: float) -> None:
    noise = ar1_noise(3, 1_000_000, 200_000, phi, sd)
    tolerance = 4.0 / np.sqrt(200_000 * (1 - phi) / (1 + phi))
    assert np.abs(noise.mean(axis=0)).max() < tolerance * sd
    assert np.abs(noise.std(axis=0) / sd - 1).max() < tolerance
    lag1 = [np.corrcoef(noise[1:, k], noise[:-1, k])[0, 1] for k in range(4)]
    assert np.abs(np.array(lag1) - phi).max() < 0.01
    assert np.abs(np.corrcoef(noise.T) - np.eye(4)).max() < tolerance


def test_shocks_are_standard_normal() -> None:
    shocks = normal(0, 0, 100_000)
    for edge, share in ((-1.96, 0.025), (0.0, 0.5), (1.0, 0.8413)):
        assert np.abs((shocks < edge).mean(axis=0) - share).max() < 0.007
    assert not np.allclose(shocks[:1000], normal(1, 0, 1000))
    assert (shocks[500:600] == normal(0, 500, 100)).all()


@given(st.floats(0.0, 0.999), st.integers(1, 400))
def test_ar1_is_the_recursion(phi: float, count: int) -> None:
    shocks = normal(1, 0, count)
    expected = np.zeros(4)
    for got, shock in zip(ar1(shocks, phi), shocks, strict=True):
        expected = phi * expected + shock
        assert np.allclose(got, expected, rtol=0, atol=1e-9)
    assert phi ** memory(phi) < 1.001e-9
    assert memory(phi) == 1 or phi ** (memory(phi) - 1) > 0.999e-9


@pytest.mark.parametrize("phi", [0.0, 0.9, 0.995])
def test_bulk_and_tick_by_tick_agree_whatever_the_order_of_the_ticks(phi: float) -> None:
    options = PlantOptions(phi=phi, seed=5)
    block = simulate(options, EVENTS, T0 + 1, T0 + 60 * US, 10)
    assert block.ts[0] == T0 + period_us(10)
    assert block.ts[-1] == T0 + 60 * US - period_us(10)
    pushed, noise = drive(options, EVENTS), Noise(options)
    order = [*range(100, 300), *range(50, 0, -10), 50, 51, 51, 500, *range(500, 560)]
    for k in order:
        one = sample(options, pushed, noise, int(block.ts[k]), 10)
        assert np.allclose(one, block.values[k], rtol=0, atol=1e-9)


def test_the_response_is_the_formula() -> None:
    block = simulate(QUIET, EVENTS, T0, T0 + 400 * US, 5)
    for k in range(0, len(block), 7):
        assert np.allclose(block.values[k], plain_response(QUIET, EVENTS, int(block.ts[k])), rtol=0, atol=1e-12)
    assert block.values[-1, CREATIVE] == pytest.approx(0.30 + (0.25 - 0.22) + 0.2 * (0.20 - 0.35), abs=1e-12)


def test_signals_stay_in_range() -> None:
    events = [rule_event(1, T0, 0.22, 1.0)]
    block = simulate(PlantOptions(sd=0.3), events, T0, T0 + 60 * US, 10)
    assert block.values.min() == 0.0
    assert block.values.max() == 1.0


def test_truth_is_the_windowed_mean_with_the_tails_of_other_events() -> None:
    options = EffectOptions(pre_s=8, post_s=12, gap_s=1)
    got = truth(QUIET, EVENTS, EVENTS[2], options, 5)
    at = T0 + 22 * US
    step = period_us(5)
    pre = [plain_response(QUIET, EVENTS, ts) for ts in range(at - 8 * US, at - US, step)]
    post = [plain_response(QUIET, EVENTS, ts) for ts in range(at + US, at + 12 * US, step)]
    assert list(got) == list(SIGNALS)
    assert np.allclose(list(got.values()), np.mean(post, axis=0) - np.mean(pre, axis=0), rtol=0, atol=1e-12)
    alone = truth(QUIET, [], EVENTS[2], options, 5)
    assert abs(alone["creative_band"] - got["creative_band"]) > 0.005
    with pytest.raises(ValueError, match="not applied"):
        truth(QUIET, EVENTS, EVENTS[3], options, 5)


def test_measured_effects_scatter_around_the_truth() -> None:
    event = rule_event(1, T0 + 40 * US, 0.22, 0.32)
    options = EffectOptions()
    deltas = []
    for seed in range(200):
        block = simulate(PlantOptions(seed=seed), [event], T0, T0 + 80 * US, 5)
        pre = block.slice(T0 + 10 * US, T0 + 39 * US).values.mean(axis=0)
        deltas.append(block.slice(T0 + 41 * US, T0 + 70 * US).values.mean(axis=0) - pre)
    expected = np.array(list(truth(PlantOptions(), [event], event, options, 5).values()))
    error = np.std(deltas, axis=0) / np.sqrt(len(deltas))
    assert (np.abs(np.mean(deltas, axis=0) - expected) < 4 * error).all()
    assert expected[CREATIVE] > 0.08


def test_a_long_history_costs_no_accuracy() -> None:
    """Steps that are over are added up; the level they leave is exact."""
    events, value = [], 0.22
    for k in range(300):
        new = 0.22 + 0.1 * (k % 2 == 0)
        events.append(rule_event(k + 1, T0 + 10 * k * US, value, new))
        value = new
    end = T0 + 3000 * US
    block = simulate(QUIET, events, end, end + US, 5)
    assert np.allclose(block.values[0], plain_response(QUIET, events, int(block.ts[0])), rtol=0, atol=1e-12)


# ------------------------------------------------------------------ the source


def read(home: Path, book: RuleBook, ticks: range) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    source = make_source(loop_spec("plant", {"seed": 5}, rate_hz=10), store=book.store, home=home)
    source.open(None)
    try:
        eventually(lambda: len(source.read(ticks[0], 0.0)), "the first row")
        return np.array([source.read(ts, 0.0).values[0] for ts in ticks[1:]])
    finally:
        source.close()


def test_the_source_plays_the_simulation(tmp_path: Path) -> None:
    book = RuleBook(from_us(T0 + 25 * US))
    book.history = EVENTS
    ticks = range(T0 + 5 * US, T0 + 60 * US, period_us(10))
    expected = simulate(PlantOptions(seed=5), EVENTS, ticks[1], ticks.stop, 10)
    assert np.allclose(read(tmp_path, book, ticks), expected.values, rtol=0, atol=1e-9)


def test_old_events_are_not_read_but_count(tmp_path: Path) -> None:
    """Two days on only what may still move is asked for: the rest is in the values that the rules had."""
    later = T0 + 2 * 86_400 * US
    book = RuleBook(from_us(later))
    book.history = [
        rule_event(1, T0, 0.22, 0.30),
        rule_event(2, T0 + US, 0.35, 0.20, rule="risk_max"),
        rule_event(3, later - 3 * US, 0.30, 0.25),
    ]
    ticks = range(later - 5 * US, later + 5 * US, period_us(10))
    expected = simulate(PlantOptions(seed=5), book.history, ticks[1], ticks.stop, 10)
    assert np.allclose(read(tmp_path, book, ticks), expected.values, rtol=0, atol=1e-9)
    assert [start is not None and start > from_us(later - 3600 * US) for start in book.starts] == [True]


def test_a_change_arrives_and_the_last_known_holds_while_the_store_is_away(tmp_path: Path) -> None:
    book = RuleBook(datetime.now(UTC))
    source = make_source(loop_spec("plant", {"sd": 0.0}), store=book.store, home=tmp_path)
    source.open(None)
    tick = iter(range(T0, T0 + 10**12, period_us(20)))

    def creative() -> float | None:
        block = source.read(next(tick), 0.0)
        return float(block.values[0, CREATIVE]) if len(block) else None

    try:
        eventually(lambda: creative() == pytest.approx(0.30), "the signal at rest")
        book.history = [rule_event(1, T0 - 3600 * US, 0.22, 0.32, applied=False)]
        applied = [rule_event(1, T0 - 3600 * US, 0.22, 0.32)]
        polls = len(book.starts)
        eventually(lambda: len(book.starts) > polls + 1, "an unapplied event is looked at again")
        assert creative() == pytest.approx(0.30)
        book.history = applied
        eventually(lambda: creative() == pytest.approx(0.40), "the response")
        book.error = StoreUnavailable("away")
        eventually(lambda: source.problems().get("store"), "the store is missed")  # type: ignore[attr-defined]
        assert creative() == pytest.approx(0.40)
    finally:
        source.close()


def test_an_event_applied_long_after_it_was_recorded_still_responds(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = rule_event(1, T0, 0.22, 0.32, applied=False)
    book = RuleBook(now)
    book.history = [old]
    source = make_source(loop_spec("plant", {"sd": 0.0}), store=book.store, home=tmp_path)
    source.open(None)
    tick = iter(range(T0 + 10**12, T0 + 10**13, period_us(20)))
    try:
        eventually(lambda: len(book.starts), "the first look")
        late = from_us(T0 + 10**12 - 60 * US)
        assert now - old.ts > timedelta(0)
        book.history = [RuleEvent(**{**{f: getattr(old, f) for f in old.__dataclass_fields__}, "applied_at": late})]
        eventually(
            lambda: len(b := source.read(next(tick), 0.0)) and b.values[0, CREATIVE] == pytest.approx(0.40), "response"
        )
    finally:
        source.close()
