"""Quotes and risks: what is said, about what, and once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from support.history import at, event
from support.judged import judged, unjudged

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import ConfigError, UsageError
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, Quote, Risk, Severity, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.tracker import effect_id
from lumen_workers.findings.quotes import confidence, good_signals, quote_of
from lumen_workers.findings.risks import risk_of
from lumen_workers.findings.speaker import speak
from lumen_workers.findings.thresholds import Thresholds

USUAL = Thresholds()


def effect(
    change: Mapping[str, float] | None,
    *,
    event_id: str = "ev-1",
    options: EffectOptions | None = None,
    reach: float | None = 0.005,
) -> Effect:
    """An effect with the given Δ (missing: 0) ± ``reach`` (None: as stored before there were intervals); None:
    insufficient."""
    options = options or EffectOptions()
    signals = {name: SignalEffect(verdict="insufficient") for name in SIGNALS}
    for name in SIGNALS if change is not None else ():
        delta = (change or {}).get(name, 0.0)
        found = unjudged(delta) if reach is None else judged(name, delta, reach)
        signals[name] = replace(found, shown_delta=9.0)
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


GOOD_CHANGE = {"phase_diff": -0.02, "creative_band": 0.03, "risk_band": -0.04}


def test_what_the_interval_cannot_tell_from_zero_is_no_improvement() -> None:
    change = effect(GOOD_CHANGE, reach=0.025)
    assert [change.signals[name].verdict for name in GOOD_CHANGE] == ["inconclusive", "improved", "improved"]

    said = quote_of(event(60), change, USUAL, "en")

    assert said is not None
    assert said.confidence == 0.80
    assert "creative band and risk band got better" in said.quote
    assert "not to be told from zero: phase difference, entropy rate." in said.quote


@pytest.mark.parametrize("reach", [0.05, None])
def test_thresholds_alone_make_no_finding(reach: float | None) -> None:
    bad = {"phase_diff": 0.04, "entropy_rate": 0.04}

    assert quote_of(event(60), effect(GOOD_CHANGE, reach=reach), USUAL, "en") is None
    assert risk_of(event(60), effect(bad, reach=reach), USUAL, "en") is None


def test_an_improvement_below_the_threshold_is_no_good_signal() -> None:
    change = effect({"phase_diff": -0.009, "creative_band": 0.03}, reach=0.001)
    assert change.signals["phase_diff"].verdict == "improved"

    assert good_signals(change, USUAL) == ("creative_band",)


@pytest.mark.parametrize("unsure", ["phase_diff", "entropy_rate"])
def test_a_risk_needs_both_to_have_worsened_surely(unsure: str) -> None:
    change = effect({"phase_diff": 0.04, "entropy_rate": 0.04})
    signals = {**change.signals, unsure: judged(unsure, 0.04, 0.05)}

    assert risk_of(event(60), change, USUAL, "en") is not None
    assert risk_of(event(60), replace(change, signals=signals), USUAL, "en") is None


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


def test_switches_of_experiments_are_looked_at_and_not_spoken_of(store: SqlStore) -> None:
    bad = {"phase_diff": 0.05, "entropy_rate": 0.05, "creative_band": 0.05}
    store.effects.add([effect(bad, event_id="ev-2"), effect({"risk_band": -0.05})])
    asked = []

    def switches(event_ids: Sequence[str]) -> set[str]:
        asked.append(list(event_ids))
        return {"ev-2"}

    first = speak(store, "main", USUAL, "en", silent=switches)
    second = speak(store, "main", USUAL, "en")

    assert asked == [["ev-2", "ev-1"]]
    assert (first.effects, len(first.quotes), first.risks) == (2, 1, ())
    assert [said.effect_id for said in store.findings.quotes("main")] == [effect_id("ev-1", EffectOptions())]
    assert (second.effects, store.findings.risks("main")) == (0, [])


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
