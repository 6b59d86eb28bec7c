"""Both languages say the same things, in their own way."""

from __future__ import annotations

import re
import string
from dataclasses import fields
from datetime import date
from typing import Any

import pytest

from lumen_workers.domain.records import Severity
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports.wording import EN, KO, LOCALES, Words

FORBIDDEN = re.compile("굴리|굴려|굴린|굴릴|굴림|굴러|구르|구른|돌리|돌려|돌린|가동|구동|작동|실행")


def texts(words: Words) -> list[str]:
    found: list[str] = []
    for item in fields(words):
        value: Any = getattr(words, item.name)
        found += [value] if isinstance(value, str) else list(value.values() if hasattr(value, "values") else value)
    return found


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_same_values_go_into_both_wordings() -> None:
    for item in fields(Words):
        english, korean = getattr(EN, item.name), getattr(KO, item.name)
        assert type(english) is type(korean)
        if isinstance(english, str):
            assert placeholders(english) == placeholders(korean), item.name
        else:
            assert len(english) == len(korean)


@pytest.mark.parametrize("words", LOCALES.values())
def test_everything_that_can_occur_is_named(words: Words) -> None:
    assert tuple(words.signals) == tuple(words.shorts) == SIGNALS
    assert set(words.severities) == set(Severity)
    assert all(texts(words))


def test_korean_never_speaks_of_a_machine_being_run() -> None:
    assert [text for text in texts(KO) if FORBIDDEN.search(text)] == []
    assert list(KO.signals.values()) == ["위상차", "엔트로피율", "창의 밴드", "위험 밴드"]


def test_days_in_full() -> None:
    assert EN.day(date(2026, 1, 31)) == "Saturday, 31 January 2026"
    assert KO.day(date(2026, 12, 6)) == "2026년 12월 6일 일요일"
