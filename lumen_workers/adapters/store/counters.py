"""What is counted of runs and stages: S19's counters, each with the few values that its labels may have."""

from __future__ import annotations

from lumen_workers.adapters.store.tallies import Count
from lumen_workers.domain.runs import Run, RunStatus, StageRun, StageStatus


def stage_ended(run: Run, stage: StageRun, holder: str) -> list[Count]:
    """One stage's end."""
    done = stage.status is StageStatus.DONE
    name = "lumen_stage_success_total" if done else "lumen_stage_failed_total"
    return [(name, _labels(run, holder) | {"stage": stage.name, "error_class": stage.error_class or ""})]


def run_ended(run: Run, holder: str, *, first_of_day: bool = False) -> list[Count]:
    """A run's end for good; a failed attempt that is tried again is none."""
    labels = _labels(run, holder) | {"error_class": run.error_class or ""}
    failed = run.status is RunStatus.FAILED
    counts: list[Count] = [
        ("lumen_runs_total", labels),
        ("lumen_runs_failed_total" if failed else "lumen_runs_success_total", labels),
    ]
    if first_of_day:
        counts.append(("lumen_days_success_total", {"pipeline": run.pipeline}))
    return counts


def queued(run: Run, error_class: str = "") -> list[Count]:
    """A new attempt, and why there is one."""
    labels = {"pipeline": run.pipeline, "region": run.region, "cause": run.cause.value, "error_class": error_class}
    return [("lumen_attempts_total", labels)]


def lost(run: Run) -> list[Count]:
    """An attempt that nobody works on any more."""
    return [("lumen_attempts_lost_total", {"pipeline": run.pipeline, "region": run.region})]


def _labels(run: Run, holder: str) -> dict[str, str]:
    """``runner`` is the machine, as leases name it."""
    parts = holder.split("/")
    return {
        "pipeline": run.pipeline,
        "version": run.version,
        "region": run.region,
        "runner": parts[1] if len(parts) > 1 else holder,
    }
