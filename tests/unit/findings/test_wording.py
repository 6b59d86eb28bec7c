"""Sentences in both languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import combinations

import pytest
from support.judged import judged

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import RuleEvent
from lumen_workers.findings.wording import LABELS, quote_sentence, risk_sentence

EVENT = RuleEvent(
    event_id="ev-1",
    loop="main",
    seq=1,
    ts=datetime(2026, 1, 31, tzinfo=UTC),
    actor="Sena",
    rule="risk_max",
    old=0.35,
    new=0.33,
)
SIGNALS = {
    "phase_diff": judged("phase_diff", -0.0214, 0.0093),
    "entropy_rate": judged("entropy_rate", 0.0031, 0.02),
    "creative_band": judged("creative_band", 0.0126, 0.0122),
    "risk_band": judged("risk_band", -0.1, 0.03),
}
GOOD = [chosen for count in (1, 2, 3) for chosen in combinations(("phase_diff", "creative_band", "risk_band"), count)]
# Every form of 굴리다, 돌리다, 가동, 구동, 작동: the loop is no machine that somebody runs.
FORBIDDEN = re.compile("굴리|굴려|굴린|굴릴|굴림|굴러|구르|구른|돌리|돌려|돌린|가동|구동|작동|실행")


def all_sentences(locale: str) -> list[str]:
    return [quote_sentence(EVENT, SIGNALS, good, locale) for good in GOOD] + [risk_sentence(EVENT, SIGNALS, locale)]


@pytest.mark.parametrize("locale", ["en", "ko"])
def test_every_sentence_names_the_step_and_each_signal_with_its_signed_change(locale: str) -> None:
    changes = {"phase_diff": "-0.021", "entropy_rate": "+0.003", "creative_band": "+0.013", "risk_band": "-0.100"}

    for sentence in all_sentences(locale):
        assert "risk_max 0.35 → 0.33" in sentence
        for name, change in changes.items():
            assert f"{LABELS[locale][name]} {change}" in sentence


def test_only_the_good_signals_have_their_intervals_with_them() -> None:
    sentence = quote_sentence(EVENT, SIGNALS, ("phase_diff", "creative_band"), "en")

    assert "phase difference -0.021 (95 %: -0.031 to -0.012), entropy rate +0.003, creative band +0.013" in sentence
    assert "creative band +0.013 (95 %: +0.0004 to +0.025), risk band -0.100;" in sentence
    assert sentence.endswith("; not to be told from zero: entropy rate.")


def test_nothing_is_said_of_zero_when_every_interval_excludes_it() -> None:
    sure = {**SIGNALS, "entropy_rate": judged("entropy_rate", 0.05)}

    assert "zero" not in risk_sentence(EVENT, sure, "en")
    assert "0과" not in risk_sentence(EVENT, sure, "ko")
    assert "0과 구별되지 않음: 엔트로피율." in risk_sentence(EVENT, SIGNALS, "ko")


def test_a_risk_has_the_intervals_of_what_rose() -> None:
    rose = {**SIGNALS, "phase_diff": judged("phase_diff", 0.05), "entropy_rate": judged("entropy_rate", 0.04)}

    sentence = risk_sentence(EVENT, rose, "ko")

    assert "위상차 +0.050 (95 %: +0.044에서 +0.056까지), 엔트로피율 +0.040 (95 %: +0.034에서 +0.046까지)" in sentence
    assert "위험 밴드 -0.100." in sentence


def test_korean_lets_the_loop_flow_and_never_be_run() -> None:
    for sentence in all_sentences("ko"):
        assert not FORBIDDEN.search(sentence), sentence
        assert re.search("이어간다|흐른다|연주한다|울린다|순환한다", sentence), sentence


def test_korean_labels_are_those_of_the_source() -> None:
    assert list(LABELS["ko"].values()) == ["위상차", "엔트로피율", "창의 밴드", "위험 밴드"]


def test_korean_particles_fit() -> None:
    sentence = quote_sentence(EVENT, SIGNALS, ("phase_diff", "creative_band", "risk_band"), "ko")

    assert "위상차, 창의 밴드와 위험 밴드가 함께" in sentence


def test_english_lists_the_good_signals() -> None:
    sentence = quote_sentence(EVENT, SIGNALS, ("phase_diff", "creative_band", "risk_band"), "en")

    assert "phase difference, creative band and risk band got better together" in sentence


@pytest.mark.parametrize("locale", ["", "de", "ko_KR", "KO"])
def test_an_unknown_locale_is_refused(locale: str) -> None:
    with pytest.raises(UsageError, match="LUMEN_LOCALE"):
        risk_sentence(EVENT, SIGNALS, locale)
