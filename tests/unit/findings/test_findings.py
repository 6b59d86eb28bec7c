"""Quotes and risks: what is said, about what, and once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from support.history import at, event

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import ConfigError, UsageError
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, Quote, Risk, Severity, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.tracker import effect_id
from lumen_workers.findings.quotes import confidence, quote_of
from lumen_workers.findings.risks import risk_of
from lumen_workers.findings.speaker import speak
from lumen_workers.findings.thresholds import Thresholds

USUAL = Thresholds()


def effect(
    change: Mapping[str, float] | None, *, event_id: str = "ev-1", options: EffectOptions | None = None
) -> Effect:
    """An effect with the given Δ (missing: 0); None: insufficient."""
    options = options or EffectOptions()
    signals = {
        name: SignalEffect()
        if change is None
        else SignalEffect(pre=0.5, post=0.5 + change.get(name, 0.0), delta=change.get(name, 0.0), shown_delta=9.0)
        for name in SIGNALS
    }
    return Effect(
        effect_id=effect_id(event_id, options),
        event_id=event_id,
        loop="main",
        seq=0,
        options=options,
        status=EffectStatus.INSUFFICIENT if change is None else EffectStatus.COMPUTED,
        n_pre=145,
        n_post=145,
        signals=signals,
        computed_at=at(100),
    )


def quote(change: Mapping[str, float] | None, thresholds: Thresholds = USUAL) -> Quote | None:
    return quote_of(event(60), effect(change), thresholds, "en")


def risk(change: Mapping[str, float] | None, thresholds: Thresholds = USUAL) -> Risk | None:
    return risk_of(event(60), effect(change), thresholds, "en")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phase_diff": -0.02}, 0.65),
        ({"risk_band": -0.02}, 0.65),
        ({"creative_band": 0.02}, 0.65),
        ({"phase_diff": -0.02, "creative_band": 0.02}, 0.80),
        ({"phase_diff": -0.02, "creative_band": 0.02, "risk_band": -0.02}, 0.92),
        ({"phase_diff": -0.02, "creative_band": -0.9}, 0.65),
    ],
)
def test_confidence_grows_with_the_good_signals(change: dict[str, float], expected: float) -> None:
    said = quote(change)

    assert said is not None
    assert said.confidence == expected


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"phase_diff": -0.0099, "risk_band": -0.0099, "creative_band": 0.0099},
        {"phase_diff": 0.02, "risk_band": 0.02, "creative_band": -0.02},
        {"entropy_rate": -0.5},
    ],
)
def test_a_change_that_reaches_no_threshold_makes_no_quote(change: dict[str, float]) -> None:
    assert quote(change) is None


def test_confidence_of_no_good_signal_stands_in_the_table() -> None:
    assert [confidence(n) for n in range(4)] == [0.40, 0.65, 0.80, 0.92]
    for n in (-1, 4):
        with pytest.raises(ValueError, match="good signals"):
            confidence(n)


def test_a_threshold_itself_counts_although_floats_miss_it() -> None:
    assert 0.29 - 0.28 < 0.01
    assert quote({"creative_band": 0.29 - 0.28}) is not None
    assert quote({"phase_diff": 0.28 - 0.29}) is not None
    assert risk({"phase_diff": 0.30 - 0.27, "entropy_rate": 0.31 - 0.28}) is not None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"phase_diff": 0.03, "entropy_rate": 0.03}, True),
        ({"phase_diff": 0.029, "entropy_rate": 0.5}, False),
        ({"phase_diff": 0.5, "entropy_rate": 0.029}, False),
        ({"risk_band": 0.9}, False),
    ],
)
def test_a_risk_needs_phase_and_entropy_up(change: dict[str, float], expected: bool) -> None:
    said = risk(change)

    assert (said is not None) is expected
    if said is not None:
        assert said.severity is Severity.WARN
        assert dict(said.signal) == {name: change.get(name, 0.0) for name in SIGNALS}


def test_a_quote_is_its_actors_and_stands_at_its_event() -> None:
    said = quote({"risk_band": -0.05})

    assert said is not None
    assert (said.by, said.rule, said.ts) == ("Sena", "risk_max", at(60))
    assert dict(said.delta) == {"phase_diff": 0.0, "entropy_rate": 0.0, "creative_band": 0.0, "risk_band": -0.05}


def test_other_thresholds_are_honoured() -> None:
    strict = Thresholds(phase_good=-0.1, risk_good=-0.1, creative_good=0.1, phase_bad=0.2, entropy_bad=0.2)

    assert quote({"phase_diff": -0.05, "risk_band": -0.05, "creative_band": 0.05}, strict) is None
    assert quote({"creative_band": 0.1}, strict) is not None
    assert risk({"phase_diff": 0.1, "entropy_rate": 0.1}, strict) is None
    assert risk({"phase_diff": 0.2, "entropy_rate": 0.2}, strict) is not None


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"phase_good": 0.01}, "LUMEN_QB_PHASE_GOOD"),
        ({"risk_good": 0.01}, "LUMEN_QB_RISK_GOOD"),
        ({"creative_good": -0.01}, "LUMEN_QB_CREA_GOOD"),
        ({"phase_bad": -0.03}, "LUMEN_RL_PHASE_BAD"),
        ({"entropy_bad": float("nan")}, "LUMEN_RL_ENTR_BAD"),
    ],
)
def test_a_threshold_that_calls_harm_good_is_refused_by_name(wrong: dict[str, float], variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        Thresholds(**wrong)


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    opened.rules.insert([event(60), event(200, event_id="ev-2", new=0.30), event(300, event_id="ev-3", new=0.31)])
    yield opened
    opened.close()


def test_every_effect_is_spoken_about_once(store: SqlStore) -> None:
    store.effects.add(
        [
            effect({"risk_band": -0.05}),
            effect({"phase_diff": 0.05, "entropy_rate": 0.05, "creative_band": 0.05}, event_id="ev-2"),
            effect({}, event_id="ev-3"),
        ]
    )

    first = speak(store, "main", USUAL, "en")
    second = speak(store, "main", USUAL, "en")

    assert (first.effects, len(first.quotes), len(first.risks)) == (3, 2, 1)
    assert (second.effects, second.quotes, second.risks) == (0, (), ())
    assert [said.quote_id for said in store.findings.quotes("main")] == [said.quote_id for said in first.quotes]
    assert [said.effect_id for said in store.findings.risks("main")] == [effect_id("ev-2", EffectOptions())]


def test_an_insufficient_effect_is_silent(store: SqlStore) -> None:
    store.effects.add([effect(None)])

    assert speak(store, "main", USUAL, "en").effects == 0
    assert quote(None) is None
    assert risk(None) is None


def test_an_effect_of_other_options_has_its_own_finding(store: SqlStore) -> None:
    store.effects.add([effect({"risk_band": -0.05}), effect({"risk_band": -0.05}, options=EffectOptions(pre_s=60))])

    assert len({said.quote_id for said in speak(store, "main", USUAL, "en").quotes}) == 2


def test_an_unknown_locale_marks_nothing_as_spoken(store: SqlStore) -> None:
    store.effects.add([effect({"risk_band": -0.05})])

    with pytest.raises(UsageError, match="LUMEN_LOCALE"):
        speak(store, "main", USUAL, "fr")

    assert speak(store, "main", USUAL, "ko").effects == 1


def test_korean_findings_reach_the_store_in_korean(store: SqlStore) -> None:
    store.effects.add([effect({"risk_band": -0.05})])

    speak(store, "main", USUAL, "ko")

    assert "위험 밴드 -0.050" in store.findings.quotes("main")[0].quote
