"""The sentences of quotes and risks, in English and Korean.

Korean never speaks of the loop as a machine being run: it goes on, flows, plays, sounds (S07).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import RuleEvent, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.figures import bound, percent, signed
from lumen_workers.effects.verdicts import Verdict

LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "phase_diff": "phase difference",
        "entropy_rate": "entropy rate",
        "creative_band": "creative band",
        "risk_band": "risk band",
    },
    "ko": {
        "phase_diff": "위상차",
        "entropy_rate": "엔트로피율",
        "creative_band": "창의 밴드",
        "risk_band": "위험 밴드",
    },
}
"""Locale → signal → what it is called."""

# Keyed by the number of good signals. The Korean particles 와/가 fit every good signal's label: all end in a vowel.
_QUOTE: Final[Mapping[str, Mapping[int, str]]] = {
    "en": {
        1: "{change}: the {good} got better and the loop flows on – {signals}.",
        2: "{change}: the {good} got better together and the loop flows evenly – {signals}.",
        3: "{change}: the {good} got better together and the loop sounds clear – {signals}.",
    },
    "ko": {
        1: "{change} 이후 {good}가 좋아지고, 루프는 그 흐름을 이어간다 – {signals}.",
        2: "{change} 이후 {good}가 함께 좋아지고, 루프가 고르게 흐른다 – {signals}.",
        3: "{change} 이후 {good}가 함께 좋아지고, 루프가 맑게 울린다 – {signals}.",
    },
}
_RISK: Final[Mapping[str, str]] = {
    "en": (
        "{change}: phase difference and entropy rate rose together – {signals}. "
        "The change was too strong; go on in smaller steps."
    ),
    "ko": (
        "{change} 이후 위상차와 엔트로피율이 함께 올랐다 – {signals}. "
        "변화의 폭이 너무 컸으니, 더 작은 걸음으로 이어간다."
    ),
}
_RANGE: Final = {"en": "{lo} to {hi}", "ko": "{lo}에서 {hi}까지"}
_UNTOLD: Final = {"en": "not to be told from zero: {names}", "ko": "0과 구별되지 않음: {names}"}
_JOIN: Final = {"en": (", ", " and "), "ko": (", ", "와 ")}


def quote_sentence(event: RuleEvent, signals: Mapping[str, SignalEffect], good: Sequence[str], locale: str) -> str:
    """What a change did well: the rule's step, the 1 to 3 ``good`` signals, every signal's Δ.

    The good ones have their intervals with them; those that cannot be told from zero are named. Every signal has a Δ.
    Raises UsageError for an unknown locale.
    """
    template = _QUOTE[check_locale(locale)][len(good)]
    names = [LABELS[locale][name] for name in good]
    comma, last = _JOIN[locale]
    listed = last.join([comma.join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return template.format(change=_change(event), good=listed, signals=_signals(signals, good, locale))


def risk_sentence(event: RuleEvent, signals: Mapping[str, SignalEffect], locale: str) -> str:
    """What a change did wrong: the rule's step and every signal's Δ, as in a quote. Raises UsageError."""
    template = _RISK[check_locale(locale)]
    return template.format(change=_change(event), signals=_signals(signals, ("phase_diff", "entropy_rate"), locale))


def check_locale(locale: str) -> str:
    """``locale`` if there is a wording for it. Raises UsageError."""
    if locale not in LABELS:
        raise UsageError(f"locale {locale!r}: use one of {', '.join(sorted(LABELS))} (LUMEN_LOCALE)")
    return locale


def _change(event: RuleEvent) -> str:
    return f"{event.rule} {event.old:g} → {event.new:g}"


def _signals(signals: Mapping[str, SignalEffect], shown: Sequence[str], locale: str) -> str:
    """Every signal's Δ, with the interval of those in ``shown``; then the ones that cannot be told from zero."""
    parts = []
    for name in SIGNALS:
        signal = signals[name]
        text = f"{LABELS[locale][name]} {signed(signal.delta or 0.0)}"
        if name in shown and signal.lo is not None and signal.hi is not None and signal.level is not None:
            ends = _RANGE[locale].format(lo=bound(signal.lo), hi=bound(signal.hi))
            text += f" ({percent(signal.level)}: {ends})"
        parts.append(text)
    listed = ", ".join(parts)
    told = (Verdict.IMPROVED, Verdict.WORSENED)
    untold = [LABELS[locale][name] for name in SIGNALS if signals[name].verdict not in told]
    return f"{listed}; {_UNTOLD[locale].format(names=', '.join(untold))}" if untold else listed
