"""The one way a stage runs, from the shell and in a worker."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.runs import Lease, Run, Seal, StageRun, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Outputs, Pipeline, Stage, StageWork
from lumen_workers.engine.keeper import Kept, keep
from lumen_workers.trust.files import sync_folder

log = logging.getLogger(__name__)

_OUTPUTS = "outputs.json"
_STALE_S = 48 * 3600
_MAX_ERROR = 2000


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What the stages of one attempt are built with."""

    pipeline: Pipeline
    ctx: Context
    run: Run
    seal: Seal
    lease: Lease
    place: Path


def workspace(ctx: Context, run: Run, seal: Seal) -> Path:
    """Where a region builds what ``seal`` asks for. Attempts share it: a published stage is not built again.

    A stand-in has a place of its own: what the region itself has done, such as signing, is not done for it.
    """
    who = run.region if run.region == ctx.region else f"{run.region}-by-{ctx.region}"
    return ctx.work / f"{run.pipeline}-{run.day:%Y%m%d}.r{run.revision}-{who}-{seal.digest()[:12]}"


def execute(stage: Stage, pipeline: Pipeline, ctx: Context, run: Run, seal: Seal, lease: Lease) -> StageRun:
    """Run ``stage`` under ``lease``: provide needs, build in a staging folder, publish by rename, record the outcome.

    A folder that an earlier attempt published is taken as it is, for the same seal gives the same bytes; for the same
    reason a need that is not on this machine is built here. A stage whose outcome cannot be recorded has not happened:
    recording is retried until the lease is lost. Raises whatever the stage raises, after it was recorded, and
    LeaseLost.
    """
    job = _Job(pipeline=pipeline, ctx=ctx, run=run, seal=seal, lease=lease, place=workspace(ctx, run, seal))
    row = StageRun(run_id=run.run_id, name=stage.name, status=StageStatus.RUNNING, started=ctx.store.now())
    began = ctx.clock.monotonic()
    with keep(ctx.store.leases, lease, ctx.lease_ttl, ctx.clock) as kept:
        ctx.store.runs.stage_started(row, lease)
        try:
            outputs = _provide(job, stage)
        except BaseException as error:
            verdict = ctx.judge(error)
            failed = replace(
                row,
                status=StageStatus.FAILED,
                error_class=verdict.error_class,
                error_rule=verdict.rule,
                error=told(error),
            )
            _record(ctx, failed, began, lease, kept)
            raise
        return _record(ctx, replace(row, status=StageStatus.DONE, outputs=outputs), began, lease, kept)


def clean(text: str) -> str:
    """``text`` as any store can hold it: no NUL, no half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\ufffd")


def told(error: BaseException) -> str:
    """An error as one line that any store can hold."""
    text = " ".join(clean(f"{type(error).__name__}: {error}").split())
    return text if len(text) <= _MAX_ERROR else text[: _MAX_ERROR - 1] + "…"


def clear(ctx: Context, run: Run, seal: Seal) -> None:
    """Remove the workspace of a finished run."""
    shutil.rmtree(workspace(ctx, run, seal), ignore_errors=True)


def set_aside(ctx: Context, run: Run, seal: Seal) -> None:
    """Put a failed run's workspace out of the way: it stays to be looked at, and the next attempt begins anew."""
    place = workspace(ctx, run, seal)
    with suppress(OSError):
        place.rename(place.with_name(f"failed-{run.run_id}-{seal.digest()[:12]}"))


def sweep(ctx: Context) -> int:
    """Remove what nobody has touched for two days: workspaces of runs that failed or went on elsewhere.

    Returns how many there were.
    """
    if not ctx.work.is_dir():
        return 0
    swept = 0
    for place in ctx.work.iterdir():
        try:
            stale = time.time() - place.lstat().st_mtime > _STALE_S
        except FileNotFoundError:
            continue  # another process sweeps too
        if stale:
            shutil.rmtree(place, ignore_errors=True)
            swept += 1
    return swept


def _provide(job: _Job, stage: Stage) -> Outputs:
    """What ``stage`` handed on: as it was published here, else built, its needs before it."""
    if (standing := _read(job.place / stage.name)) is not None:
        return standing
    needs = {name: _provide(job, job.pipeline.stage(name)) for name in stage.needs}
    staging = job.place / f".{stage.name}.{job.lease.epoch}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    outputs = stage.run(
        StageWork(
            ctx=job.ctx,
            run=job.run,
            seal=job.seal,
            folder=staging,
            published={name: job.place / name for name in needs},
            outputs=needs,
        )
    )
    (staging / _OUTPUTS).write_text(json.dumps(dict(outputs), sort_keys=True), encoding="utf-8")
    _make_durable(staging)
    try:
        os.replace(staging, job.place / stage.name)  # noqa: PTH105  (atomic, and refuses a folder that is not empty)
    except OSError:
        if (standing := _read(job.place / stage.name)) is None:
            raise
        # Another attempt published first; both come from the same seal.
        shutil.rmtree(staging, ignore_errors=True)
        return standing
    sync_folder(job.place)
    return outputs


def _make_durable(folder: Path) -> None:
    """A folder that is published is taken as it is, also after the machine has crashed: so its bytes must be there."""
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        data: dict[str, Any] = json.loads((folder / _OUTPUTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return data


def _record(ctx: Context, row: StageRun, began: float, lease: Lease, kept: Kept) -> StageRun:
    for attempt in Retrying(
        retry=retry_if_exception_type(StoreUnavailable),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        stop=lambda _: kept.lost is not None,
        reraise=True,
        sleep=ctx.clock.sleep,
    ):
        with attempt:
            ended = replace(row, ended=ctx.store.now(), seconds=round(ctx.clock.monotonic() - began, 3))
            ctx.store.runs.stage_ended(ended, lease)
    log.info("%s %s: %s in %.2f s", row.run_id, row.name, row.status, ended.seconds)
    return ended
