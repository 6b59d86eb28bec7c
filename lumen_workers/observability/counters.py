"""The store's counters (S19), with a zero for everything that may come to be counted.

A counter that appears with its first 1 never *rises* for Prometheus: the first failure would go unseen. So each sum
that the rules look at has a base series that is there from the first scrape, its value what series no longer told by
themselves have counted. A sum over ``version`` and ``runner`` is therefore always right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.samples import Exemplar, Sample

from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import Run, RunStatus, StageStatus
from lumen_workers.observability.view import View

OTHER: Final = "other"
"""The label of versions and runners that are no longer there: they come and go, and would add up without bound."""

_RECENT: Final = timedelta(days=1)
_EXEMPLARS: Final = 100
_COUNTED: Final = {
    StageStatus.DONE: "lumen_stage_success_total",
    StageStatus.FAILED: "lumen_stage_failed_total",
}

_Key = tuple[tuple[str, str], ...]

ABOUT: Final = {
    "lumen_runs_total": "Runs that ended for good",
    "lumen_runs_success_total": "Runs that ended well",
    "lumen_runs_failed_total": "Runs that failed and are not tried again",
    "lumen_stage_success_total": "Stages that were done",
    "lumen_stage_failed_total": "Stages that failed, those that are tried again among them",
    "lumen_days_success_total": "Days that have a result, whichever region made it",
    "lumen_days_failed_total": "Days that every region failed to close",
    "lumen_attempts_total": "Attempts that were queued, by cause",
    "lumen_attempts_lost_total": "Attempts that nobody worked on any more",
    "lumen_alarms_total": "Alarms that were raised",
    "lumen_sends_total": "What was told to people, by how it ended",
    "lumen_messages_refused_total": "Messages that were refused",
    "lumen_messages_fenced_total": "Messages that came to work that was done, or in other hands",
}


class Counters:
    """Every counter of the store. Those of runs and stages carry the last day's newest trace as exemplar."""

    def __init__(self, view: View) -> None:
        self._bases = _bases(view)

    def __call__(self, store: Store, view: View, now: datetime) -> Iterator[Metric]:
        values = {name: dict(rows) for name, rows in self._bases.items()}
        fold = _Fold(store, view)
        for tally in store.tallies.rows("lumen_"):
            rows, key = values.setdefault(tally.name, {}), fold.key(tally.labels)
            rows[key] = rows.get(key, 0) + tally.value
        exemplars = _exemplars(store, fold, now)
        for name, rows in values.items():
            family = CounterMetricFamily(name, ABOUT.get(name, "Counted in the store"))
            for key, value in rows.items():
                exemplar = None
                if value:
                    exemplar = exemplars.pop((name, _without_runner(key)), None)
                family.samples.append(Sample(f"{family.name}_total", dict(key), value, None, exemplar))
            yield family


class _Fold:
    """Which versions and runners are told by themselves: this code's, and those that have given a sign of life."""

    def __init__(self, store: Store, view: View) -> None:
        pulses = store.pulses.rows()
        self.versions = {view.code_version[:8], *(pulse.code_version[:8] for pulse in pulses)}
        self._told = {"version": self.versions, "runner": {pulse.host for pulse in pulses}}

    def key(self, labels: Mapping[str, str]) -> _Key:
        """The labels of the series that counts for ``labels``."""
        return tuple(
            sorted(
                (name, OTHER if name in self._told and value not in self._told[name] else value)
                for name, value in labels.items()
            )
        )


def _bases(view: View) -> dict[str, dict[_Key, int]]:
    """The base series, all at zero."""
    values: dict[str, dict[_Key, int]] = defaultdict(lambda: defaultdict(int))

    def base(name: str, **labels: str) -> None:
        values[name][tuple(sorted(labels.items()))] = 0

    for pipeline, stages in view.stages.items():
        base("lumen_days_success_total", pipeline=pipeline)
        base("lumen_days_failed_total", pipeline=pipeline)
        for region in view.regions:
            base("lumen_attempts_lost_total", pipeline=pipeline, region=region)
            of_run = {"pipeline": pipeline, "region": region, "version": OTHER, "runner": OTHER}
            base("lumen_runs_total", **of_run, error_class="")
            for error_class in ("", *view.classes):
                ending = "failed" if error_class else "success"
                base(f"lumen_runs_{ending}_total", **of_run, error_class=error_class)
                for stage in stages:
                    base(f"lumen_stage_{ending}_total", **of_run, stage=stage, error_class=error_class)
    return values


def _exemplars(store: Store, fold: _Fold, now: datetime) -> dict[tuple[str, _Key], Exemplar]:
    """Counter and labels but ``runner``, which a run's row does not name → the newest run or stage that it counts."""
    since = now - _RECENT
    ended = store.runs.ended(since, _EXEMPLARS)
    tried_again = {run.follows for run in ended}  # no end for good, so it is not counted as a run
    found: dict[tuple[str, _Key], Exemplar] = {}

    def note(run: Run, name: str, at: datetime, **labels: str) -> None:
        of_run = {"pipeline": run.pipeline, "version": run.version, "region": run.region, **labels}
        exemplar = Exemplar({"trace_id": run.trace_id, "run_id": run.run_id}, 1.0, at.timestamp())
        found[name, fold.key(of_run)] = exemplar

    for run in ended:
        if run.run_id not in tried_again:
            ending = "failed" if run.status is RunStatus.FAILED else "success"
            for name in ("lumen_runs_total", f"lumen_runs_{ending}_total"):
                note(run, name, run.ended or run.queued_at, error_class=run.error_class or "")
    # Failures are rarer than all the rest and must not be pushed out by it.
    for run in (*ended, *store.runs.failed(since, _EXEMPLARS)):
        for stage in run.stages:
            if stage.status in _COUNTED and stage.carried_from is None:
                at, error_class = stage.ended or stage.started, stage.error_class or ""
                note(run, _COUNTED[stage.status], at, stage=stage.name, error_class=error_class)
    return found


def _without_runner(key: _Key) -> _Key:
    return tuple(label for label in key if label[0] != "runner")
