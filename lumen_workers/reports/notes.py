"""Observations, computed from the data of the period: never a fixed text."""

from __future__ import annotations

from lumen_workers.domain.clock import to_us
from lumen_workers.effects.discoveries import RATE
from lumen_workers.effects.figures import bound, percent
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.reports import trials
from lumen_workers.reports.formats import clean, clock, duration, moment, rule_value, share, signed, whole
from lumen_workers.reports.model import DayReport, LoopDay
from lumen_workers.reports.wording import LOCALES, Words


def day_notes(report: DayReport) -> list[str]:
    """What is to be said of the day as a whole."""
    words = LOCALES[report.locale]
    if not report.loops:
        return [words.no_loops]
    notes = []
    if report.provisional:
        notes.append(words.note_provisional.format(time=moment(report.cutoff, report.zone)))
    found = report.discoveries
    if found.tests:
        counts = {name: whole(getattr(found, name)) for name in ("tests", "told", "kept")}
        notes.append(words.note_discoveries.format(**counts, rate=percent(RATE)))
    return notes


def loop_notes(report: DayReport, loop: LoopDay) -> list[str]:
    """What is to be said of one loop."""
    words = LOCALES[report.locale]
    return [
        *_samples(report, loop, words),
        *_changes(report, loop, words),
        *trials.notes(loop, words),
        *_signals(loop, words),
    ]


def _samples(report: DayReport, loop: LoopDay, words: Words) -> list[str]:
    covered = loop.coverage
    if covered.first_us is None or covered.last_us is None:
        return [words.note_no_samples]
    span = {"first": clock(covered.first_us, report.zone), "last": clock(covered.last_us, report.zone)}
    if not covered.missing:
        return [words.note_whole.format(**span)]
    notes = [
        words.note_coverage.format(
            **span, share=share(covered.present, covered.expected), missing=whole(covered.missing)
        )
    ]
    if covered.gaps:
        start_us, end_us, _ = max(covered.gaps, key=lambda gap: (gap[1] - gap[0], -gap[0]))
        notes.append(
            words.note_gap.format(duration=duration(end_us - start_us, words), time=clock(start_us, report.zone))
        )
    return notes


def _changes(report: DayReport, loop: LoopDay, words: Words) -> list[str]:
    if not loop.changes:
        if loop.previous_change is None:
            return [words.note_quiet]
        length = to_us(report.cutoff) - to_us(loop.previous_change)
        return [words.note_quiet_since.format(duration=duration(length, words))]
    notes = []
    measured, insufficient, waiting = loop.tally()
    told = loop.told()
    if measured > told.unjudged:
        counts = {name: whole(getattr(told, name)) for name in ("better", "worse", "both", "nothing")}
        notes += [words.note_told.format(**counts), _clearest(loop, words)]
    total = whole(len(loop.changes))
    for wording, n in (
        (words.note_unjudged, told.unjudged),
        (words.note_insufficient, insufficient),
        (words.note_waiting, waiting),
    ):
        if n:
            notes.append(wording.format(n=whole(n), total=total))
    return notes


def _clearest(loop: LoopDay, words: Words) -> str:
    """The change with the strongest evidence: a large change that the noise could have made is not the strongest."""
    found = [(change.evidence(signal), change, signal) for change in loop.changes if (signal := change.clearest)]
    if not found:
        return words.note_untold
    _, change, name = max(found, key=lambda item: (item[0], -item[1].number))
    event, measured = change.event, change.signal(name)
    assert measured is not None, "what can be told has been measured"
    assert measured.lo is not None, "and has an interval"
    assert measured.hi is not None
    return words.note_strongest.format(
        n=change.number,
        rule=clean(event.rule, 60),
        old=rule_value(event.old),
        new=rule_value(event.new),
        signal=words.signals[name],
        delta=signed(measured.delta),
        lo=bound(measured.lo),
        hi=bound(measured.hi),
        verdict=words.verdicts[Verdict(change.told()[name])],
    )


def _signals(loop: LoopDay, words: Words) -> list[str]:
    if not loop.samples:
        return []
    notes = [words.note_locked.format(share=share(loop.occupancy.locked, loop.samples))]
    for threshold in loop.thresholds:
        beyond = loop.occupancy.beyond[threshold.rule]
        if beyond:
            wording = words.note_floor if threshold.floor else words.note_ceiling
            notes.append(wording.format(signal=words.signals[threshold.signal], share=share(beyond, loop.samples)))
    return notes
