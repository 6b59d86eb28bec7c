"""The report as Markdown."""

from __future__ import annotations

import pytest
from support.day import at, change, effect, find, full_day, sample, seal_of

from lumen_workers.adapters.store import SqlStore
from lumen_workers.reports import collect, render_markdown


def rendered(store: SqlStore, locale: str = "en") -> str:
    return render_markdown(collect(store, seal_of(store, settings={"locale": locale})))


def rows(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_every_section_is_there(store: SqlStore) -> None:
    full_day(store)
    text = rendered(store)

    assert text.startswith(
        "# Lumen day report 2026-01-31\n\nSaturday, 31 January 2026 · Asia/Seoul · revision 1 · final"
    )
    assert [line[3:] for line in rows(text, "## ")] == [
        "Summary",
        "Quote highlights",
        "Risk overview",
        "Signals",
        "Rule changes and their effects",
        "Observations",
        "Sources and counts",
        "Line of the day",
    ]
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    assert rows(text, "| `main` | 5 Hz") == ["| `main` | 5 Hz | 34,500 | 95.83% | 1,500 | 12 |"]
    assert rows(text, "| critical |") == ["| critical | 0 |"]
    assert "“the loop flows evenly 1” – Sena · risk_max · 00:10:43 · confidence 0.92" in text


def test_effects_show_stored_changes_or_say_why_not(store: SqlStore) -> None:
    full_day(store, events=5)
    table = rows(rendered(store), "| ")

    assert [line for line in table if line.startswith("| 1 |")] == [
        "| 1 | 00:01:00 | `risk_max` 0.3 → 0.31; n0 | Sena | phase | -0.021 | [-0.027, -0.015] | improved | 0.002 | "
        "145 / 146 |",
        "| 1 |  |  |  | entropy | +0.002 | [-0.004, +0.008] | no change detectable | 1.000 |  |",
        "| 1 |  |  |  | creative | +0.031 | [+0.025, +0.037] | improved | 0.001 |  |",
        "| 1 |  |  |  | risk | -0.012 | [-0.018, -0.006] | improved | 0.008 |  |",
    ]
    insufficient = "insufficient: 12 samples before and 146 after, 50 needed on each side"
    assert f"| 4 | 01:11:00 | `risk_max` 0.33 → 0.34; n3 | Sena | – | – | – | {insufficient} | – | – |" in table
    assert "| 5 | 01:34:20 | `risk_max` 0.34 → 0.35; n4 | Sena | – | – | – | not measured yet | – | – |" in table


def test_effects_from_before_there_were_intervals_have_dashes(store: SqlStore) -> None:
    effect(store, change(store, "ev", 10), reach=None)
    text = rendered(store)

    assert "| 1 |  |  |  | creative | +0.031 | – | – | – |  |" in text
    assert "- Changes that were measured before effects had intervals: 1 of 1." in text
    for word in ("improved", "clearest", "told"):
        assert word not in text


def test_a_day_with_intervals_says_how_to_read_them(store: SqlStore) -> None:
    effect(store, change(store, "ev", 10))

    assert "The interval holds the true change with a probability of 95 %." in rendered(store)
    assert "구간은 95 %의 확률로 참된 변화를 담습니다." in rendered(store, "ko")


def test_a_rollback_names_what_it_undoes(store: SqlStore) -> None:
    change(store, "first", 10)
    change(store, "second", 20, undoes="first", automatic=True, note="desync")

    assert "`risk_max` 0.35 → 0.33; automatic; undoes #1; desync |" in rendered(store)


def test_observations_come_from_the_data(store: SqlStore) -> None:
    full_day(store)
    text = rendered(store)

    assert "- Samples from 00:00:00 to 01:59:59: 95.83% of the ticks in between are there, 1,500 missing." in text
    assert "- The longest gap lasted 5 min, from 00:50:00." in text
    assert (
        "- The clearest change was #1, risk_max 0.3 → 0.31: Creative band +0.031 (+0.025 to +0.037), improved." in text
    )
    assert (
        "- Changes that improved a signal: 8; that worsened one: 0 (both at once: 0); of which nothing can be told: 0."
        in text
    )
    assert (
        "- Intervals of the day that exclude zero: 24 of 32. "
        "With the share of false ones among them held to 10 % (q), there remain 24." in text
    )
    assert "- Changes with too few samples around them to be measured: 2 of 12." in text
    assert "- Changes that were not measured yet: 2 of 12." in text
    assert "- In phase lock for 43.47% of the samples." in text
    assert "- Creative band was below its floor in 56.52% of the samples." in text


def test_a_quiet_day_says_since_when(store: SqlStore) -> None:
    sample(store, 0, 10)
    assert "- No rule changed, and none had before." in rendered(store)

    change(store, "long ago", -86_400)
    assert "- No rule changed; the last change was 2 d before the end of the period." in rendered(store)
    assert "- Samples from 00:00:00 to 00:00:09, without a missing tick." in rendered(store)


def test_the_clearest_change_is_the_one_with_the_strongest_evidence(store: SqlStore) -> None:
    effect(store, change(store, "large", 10), delta=(0.0, 0.0, 0.3, 0.0), reach=0.25)
    effect(store, change(store, "sure", 20, old=0.33, new=0.31), delta=(0.0, 0.03, 0.0, 0.0), reach=0.004)

    assert "- The clearest change was #2, risk_max 0.33 → 0.31: Entropy rate +0.030 (+0.026 to +0.034), worsened." in (
        rendered(store)
    )


def test_a_change_that_may_be_none_is_not_called_clear(store: SqlStore) -> None:
    event = change(store, "ev", 10)
    effect(store, event, delta=(-0.3, 0.0, 0.3, -0.3), reach=0.4)
    text = rendered(store)

    assert "- No measured change can be told from none: every interval includes zero." in text
    assert "that worsened one: 0 (both at once: 0); of which nothing can be told: 1." in text
    assert "Intervals of the day that exclude zero: 0 of 4." in text
    assert "| improved |" not in text


def test_an_empty_day_has_no_zero_where_a_value_is_missing(store: SqlStore) -> None:
    text = rendered(store)

    assert "| `main` | 5 Hz | 0 | – | – | 0 |" in text
    assert "| `main` | – | – | – | – |" in text
    for sentence in ("No change of this period made a quote.", "No risks in this period.", "No rule changes"):
        assert sentence in text
    assert text.rstrip().endswith("No quote in this period.")


def test_no_loop_at_all(store: SqlStore) -> None:
    text = render_markdown(collect(store, seal_of(store, watermark={})))

    assert "No loop was known when this day was sealed." in text


def test_a_provisional_day_says_how_far_it_reaches(store: SqlStore) -> None:
    text = render_markdown(collect(store, seal_of(store, cutoff=at(3600), revision=3)))

    assert "revision 3 · provisional" in text
    assert "this revision reaches up to 2026-01-31 01:00:00 +09:00." in text


def test_korean(store: SqlStore) -> None:
    full_day(store, sentence="루프가 고르게 흐른다")
    text = rendered(store, "ko")

    assert text.startswith("# 루멘 하루 보고서 2026-01-31\n\n2026년 1월 31일 토요일 · Asia/Seoul · 제1판 · 확정")
    assert "평균 신뢰도 0.86 (문장 6개)" in text
    assert "“루프가 고르게 흐른다 1” – Sena · risk_max · 00:10:43 · 신뢰도 0.92" in text
    assert "- 신호가 나아진 변경 8건, 나빠진 변경 0건(둘 다 0건), 변화를 가려낼 수 없는 변경 0건." in text
    assert "창의 밴드 +0.031(+0.025에서 +0.037까지), 나아짐." in text
    assert "| 1 |  |  |  | 엔트로피 | +0.002 | [-0.004, +0.008] | 감지된 변화 없음 |" in text
    assert "표본 부족: 전 12개, 후 146개 (양쪽 각각 50개 필요)" in text


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("a | b", "a \\| b"),
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("**bold** _it_ creative_min", "\\*\\*bold\\*\\* \\_it\\_ creative_min"),
        ("[link](http://x) `code` &lt; R&D", "\\[link\\](http://x) \\`code\\` \\&lt; R\\&D"),
        ("two\nlines\r\n| more", "two lines \\| more"),
    ],
)
def test_foreign_text_adds_no_markup(store: SqlStore, foreign: str, shown: str) -> None:
    event = change(store, "ev", 10, note=foreign, actor=foreign)
    find(store, event, effect(store, event), quote=foreign, risk=foreign)
    text = rendered(store)

    assert f"“{shown}”" in text
    assert f"risk_max: {shown}\n" in text
    (row,) = rows(text, "| 1 | 00:00:10")
    assert f"; {shown} | {shown} | phase | -0.021" in row


def test_several_loops_are_told_apart(store: SqlStore) -> None:
    full_day(store)
    full_day(store, loop="demo", events=2)
    text = rendered(store)

    assert [line[4:] for line in rows(text, "### ")] == ["`demo`", "`main`", "`demo`", "`main`"]
    assert "– demo · Sena" in text
