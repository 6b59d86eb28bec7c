"""What a report holds: the seal's period and watermark, nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.day import DELTA, END, START, at, change, effect, find, full_day, made, sample, seal_of
from support.judged import judged

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import BuildError
from lumen_workers.domain.records import EffectOptions, Severity
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports import collect, render_markdown
from lumen_workers.reports.model import Discoveries, Told

DAY_S = (END - START).total_seconds()


def test_rows_outside_the_period_or_above_the_watermark_do_not_exist(store: SqlStore) -> None:
    sample(store, -10, 10)
    sample(store, 90, 110)
    for number, seconds in enumerate((-5.0, 0.0, 99.0, 100.0)):
        event = change(store, f"ev-{number}", seconds)
        find(store, event, effect(store, event), quote=f"quote {number}", risk=f"risk {number}")
    seal = seal_of(store, cutoff=at(100))
    sample(store, 20, 30)
    late = change(store, "late", 50)
    find(store, late, effect(store, late), quote="late quote", risk="late risk")

    report = collect(store, seal)

    (loop,) = report.loops
    assert loop.samples == 100
    assert (loop.coverage.first_us, loop.coverage.last_us) == (to_us(START), to_us(at(99.8)))
    assert [c.event.event_id for c in loop.changes] == ["ev-1", "ev-2"]
    assert [c.number for c in loop.changes] == [1, 2]
    assert [q.quote for q in loop.quotes] == ["quote 1", "quote 2"]
    assert [r.note for r in loop.risks] == ["risk 1", "risk 2"]
    assert loop.previous_change == at(-5)


def test_an_effect_that_came_after_the_seal_is_not_measured_yet(store: SqlStore) -> None:
    sample(store, 0, 200)
    event = change(store, "ev", 100)
    seal = seal_of(store)
    effect(store, event)

    (loop,) = collect(store, seal).loops

    assert loop.changes[0].effect is None
    assert loop.tally() == (0, 0, 1)


def test_what_comes_after_the_seal_changes_no_byte_of_the_report(store: SqlStore) -> None:
    full_day(store)
    seal = seal_of(store)
    before = render_markdown(collect(store, seal))
    sample(store, 3000, 3300)
    store.loops.register("main", 20, "mock")
    store.loops.register("other", 5, "mock")
    change(store, "new", 100, rule="creative_min", old=0.5, new=0.9)

    assert render_markdown(collect(store, seal)) == before


def test_loops_outside_the_watermark_are_left_out(store: SqlStore) -> None:
    store.loops.register("other", 5, "mock")
    sample(store, 0, 10, loop="other")

    report = collect(store, seal_of(store, watermark={"other": 9}))

    assert [loop.name for loop in report.loops] == ["other"]
    assert report.samples == 50


def test_only_effects_with_the_seals_options_are_shown(store: SqlStore) -> None:
    sample(store, 0, 200)
    event = change(store, "ev", 100)
    effect(store, event, delta=(0.5, 0.5, 0.5, 0.5), options=EffectOptions(pre_s=10))
    effect(store, event)

    (loop,) = collect(store, seal_of(store)).loops

    assert loop.changes[0].delta("creative_band") == DELTA[2]
    assert loop.changes[0].clearest == "creative_band"


def test_the_clearest_signal_is_not_the_one_that_moved_most(store: SqlStore) -> None:
    event = change(store, "ev", 100)
    signals = {
        "phase_diff": judged("phase_diff", -0.20, 0.30),
        "entropy_rate": judged("entropy_rate", 0.03, 0.004),
        "creative_band": judged("creative_band", 0.15, 0.10),
        "risk_band": judged("risk_band", 0.0),
    }
    store.effects.add([replace(made(event), signals=signals)])

    (found,) = collect(store, seal_of(store)).loops[0].changes

    assert found.clearest == "entropy_rate"
    assert found.told() == {"entropy_rate": "worsened", "creative_band": "improved"}
    assert found.strength == pytest.approx(15.0)


def test_a_change_that_cannot_be_told_has_no_clearest_signal(store: SqlStore) -> None:
    event = change(store, "ev", 100)
    effect(store, event, reach=0.5)

    (found,) = collect(store, seal_of(store)).loops[0].changes

    assert (found.clearest, found.told()) == (None, {})


def test_what_can_be_told_is_counted_by_change(store: SqlStore) -> None:
    for number, (delta, reach) in enumerate(
        (
            ((-0.1, -0.1, 0.1, -0.1), 0.01),
            ((-0.1, 0.1, 0.0, 0.0), 0.01),
            ((0.1, 0.0, 0.0, 0.0), 0.01),
            ((0.1, 0.1, 0.1, 0.1), 0.5),
            ((0.1, 0.1, 0.1, 0.1), None),
            (None, 0.01),
        )
    ):
        event = change(store, f"ev-{number}", 100 * number)
        effect(store, event, delta=delta, reach=reach)

    (loop,) = collect(store, seal_of(store)).loops

    assert loop.told() == Told(better=2, worse=2, both=1, nothing=1, unjudged=1)


def test_the_rate_of_false_discoveries_is_over_all_loops_of_the_day_under_the_watermark(store: SqlStore) -> None:
    store.loops.register("other", 5, "mock")
    mine, theirs = change(store, "mine", 10), change(store, "theirs", 20, loop="other")
    before = change(store, "before", -10)
    for event, p in ((mine, 0.01), (theirs, 0.04), (before, 0.9)):
        signals = {name: judged(name, 0.1, p=p if name == "risk_band" else None) for name in SIGNALS}
        store.effects.add([replace(made(event), signals=signals)])
    seal = seal_of(store)
    late = change(store, "late", 30)
    store.effects.add([replace(made(late), signals={name: judged(name, 0.1, p=0.9) for name in SIGNALS})])

    report = collect(store, seal)

    main, other = report.loops
    assert dict(main.changes[0].q) == {"risk_band": pytest.approx(0.02)}
    assert dict(other.changes[0].q) == {"risk_band": pytest.approx(0.04)}
    assert report.discoveries == Discoveries(tests=2, told=8, kept=2)
    assert report.levels == (0.95,)
    risk = main.changes[0].signal("risk_band")
    assert risk is not None
    assert risk.lo == pytest.approx(0.094)  # q widens nothing


def test_of_many_changes_those_with_the_strongest_evidence_are_drawn_by_time(store: SqlStore) -> None:
    for number, (size, reach) in enumerate(((0.03, 0.01), (0.9, 0.9), (0.02, 0.002), (0.5, None), (0.04, 0.01))):
        event = change(store, f"ev-{number}", 100 * number)
        effect(store, event, delta=(size, 0.0, 0.0, 0.0), reach=reach)
    change(store, "pending", 900)

    (loop,) = collect(store, seal_of(store)).loops

    assert [c.number for c in loop.drawn(9)] == [1, 2, 3, 5]
    assert [c.number for c in loop.drawn(2)] == [3, 5]


def test_thresholds_follow_the_rules_through_the_day(store: SqlStore) -> None:
    sample(store, 0, 100, levels=(0.0, 0.0, 0.25, 0.3))
    change(store, "before", -50, old=0.35, new=0.32)
    change(store, "within", 40, old=0.32, new=0.28)

    (loop,) = collect(store, seal_of(store)).loops

    creative, risk = loop.thresholds
    assert creative.steps == ((to_us(START), 0.22),)
    assert risk.steps == ((to_us(START), 0.32), (to_us(at(40)), 0.28))
    assert loop.occupancy.beyond == {"creative_min": 0, "risk_max": 300}
    assert loop.occupancy.locked == 0


def test_a_rule_that_first_changed_today_had_its_old_value_before(store: SqlStore) -> None:
    change(store, "within", 40, rule="creative_min", old=0.4, new=0.5)

    creative, _ = collect(store, seal_of(store)).loops[0].thresholds

    assert creative.steps == ((to_us(START), 0.4), (to_us(at(40)), 0.5))


def test_phase_lock_counts_samples(store: SqlStore) -> None:
    sample(store, 0, 10, levels=(0.05, 0.3, 0.3, 0.19))
    sample(store, 10, 20, levels=(0.06, 0.3, 0.3, 0.19))
    sample(store, 20, 30, levels=(0.05, 0.3, 0.3, 0.2))

    assert collect(store, seal_of(store)).loops[0].occupancy.locked == 50


def test_highlights_are_the_surest_quotes_and_of_equals_the_one_that_moved_most(store: SqlStore) -> None:
    for name, confidence, delta in (
        ("sure", 0.92, (0.0, 0.0, 0.01, 0.0)),
        ("small", 0.8, (-0.02, 0.0, 0.0, 0.0)),
        ("large", 0.8, (-0.02, 0.0, 0.01, -0.01)),
        ("again", 0.8, (-0.02, 0.0, 0.0, 0.0)),
    ):
        event = change(store, name, len(name) * 100 + (name == "small"))
        find(store, event, effect(store, event, delta=delta), quote=name, confidence=confidence)

    report = collect(store, seal_of(store))

    assert [q.quote for q in report.highlights] == ["sure", "large", "again"]
    assert report.line == report.highlights[0]
    assert report.mean_confidence == pytest.approx(0.83)


def test_risks_are_counted_by_severity_and_the_latest_come_first(store: SqlStore) -> None:
    for number, severity in enumerate((Severity.WARN, Severity.CRIT, Severity.WARN)):
        event = change(store, f"ev-{number}", number * 10)
        find(store, event, effect(store, event), risk=f"risk {number}", severity=severity)

    report = collect(store, seal_of(store))

    assert [r.note for r in report.risks] == ["risk 2", "risk 1", "risk 0"]
    assert report.severities() == {Severity.CRIT: 1, Severity.WARN: 2, Severity.INFO: 0}


def test_a_day_without_anything(store: SqlStore) -> None:
    report = collect(store, seal_of(store))

    (loop,) = report.loops
    assert (loop.samples, loop.series, report.line, report.mean_confidence) == (0, None, None, None)


def test_a_provisional_seal_ends_at_its_cutoff(store: SqlStore) -> None:
    report = collect(store, seal_of(store, cutoff=at(3600)))

    assert report.provisional
    assert report.cutoff == at(3600)


def test_a_cutoff_behind_the_day_reaches_no_further_than_the_day(store: SqlStore) -> None:
    sample(store, DAY_S - 2, DAY_S + 2)

    report = collect(store, seal_of(store, cutoff=END + timedelta(minutes=5)))

    assert report.samples == 10
    assert not report.provisional


@pytest.mark.parametrize("name", ["zone", "locale", "effect_options", "rates"])
def test_a_seal_that_lacks_a_setting_is_refused_by_name(store: SqlStore, name: str) -> None:
    seal = seal_of(store)
    settings = {key: value for key, value in seal.settings.items() if key != name}
    broken = seal_of(store)
    object.__setattr__(broken, "settings", settings)

    with pytest.raises(BuildError, match=name):
        collect(store, broken)


@pytest.mark.parametrize("settings", [{"zone": "Mars/Olympus"}, {"locale": "fr"}, {"rates": {}}])
def test_a_setting_that_cannot_be_is_refused(store: SqlStore, settings: dict[str, object]) -> None:
    with pytest.raises(BuildError):
        collect(store, seal_of(store, settings=settings))
