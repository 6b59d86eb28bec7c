"""The day's experiments, from the journal's lines of their ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lumen_workers.domain.journal import BANDIT, BRACKET, JournalEntry
from lumen_workers.effects.figures import bound, small
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.reports.formats import clean, rule_value, signed
from lumen_workers.reports.model import LoopDay, Trial
from lumen_workers.reports.wording import Words

KINDS = (BRACKET, BANDIT)


def trials(entries: Iterable[JournalEntry]) -> tuple[Trial, ...]:
    """Of the lines those that tell of an end. A line of another form (it may be imported) tells of none."""
    return tuple(_read(entries))


def _read(entries: Iterable[JournalEntry]) -> Iterator[Trial]:
    for entry in entries:
        if entry.kind in KINDS and entry.data.get("line") == "ended":
            try:
                yield _trial(entry.kind, entry.data)
            except (KeyError, TypeError, ValueError):
                continue


def _trial(kind: str, line: Mapping[str, Any]) -> Trial:
    result = line["result"] or {}
    plain = Trial(experiment_id=str(line["experiment"]), rule=str(line["rule"]), done=line["state"] == "done")
    if kind == BANDIT:
        if result.get("best") is None:
            return plain
        return replace(plain, best=float(result["best"]), p_best=float(result["p_best"]))
    signal = str(result["primary"])
    answer = result["signals"][signal]
    if answer["lo"] is None:
        return plain
    return replace(
        plain,
        a=float(result["a"]),
        b=float(result["b"]),
        signal=signal,
        effect=float(answer["effect"]),
        lo=float(answer["lo"]),
        hi=float(answer["hi"]),
        verdict=Verdict(answer["verdict"]),
    )


def notes(loop: LoopDay, words: Words) -> list[str]:
    """A sentence for each."""
    return [_said(trial, words) for trial in loop.trials]


def _said(trial: Trial, words: Words) -> str:
    named = {"id": clean(trial.experiment_id, 40), "rule": clean(trial.rule, 60)}
    if trial.best is not None and trial.p_best is not None:
        said = words.note_bandit.format(**named, best=rule_value(trial.best), p=small(trial.p_best))
    elif trial.verdict is None or trial.a is None or trial.b is None or trial.lo is None or trial.hi is None:
        said = words.note_trial_untold.format(**named)
    else:
        said = words.note_bracket.format(
            **named,
            a=rule_value(trial.a),
            b=rule_value(trial.b),
            signal=words.signals.get(trial.signal or "", trial.signal),
            delta=signed(trial.effect),
            lo=bound(trial.lo),
            hi=bound(trial.hi),
            verdict=words.verdicts[trial.verdict],
        )
    return said if trial.done else f"{said} {words.note_trial_cut}"
