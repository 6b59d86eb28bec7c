"""The one way a stage runs, from the shell and in a worker."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_type, wait_exponential_jitter

from lumen_workers.domain.errors import BuildError, StoreUnavailable
from lumen_workers.domain.runs import Lease, Run, Seal, StageRun, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Outputs, Pipeline, Stage, StageWork
from lumen_workers.engine.keeper import Kept, keep

log = logging.getLogger(__name__)

_OUTPUTS = "outputs.json"


def workspace(ctx: Context, run: Run) -> Path:
    """Where a region builds one revision of one day. Attempts share it: a published stage is not built again."""
    return ctx.work / f"{run.pipeline}-{run.day:%Y%m%d}.r{run.revision}-{run.region}"


def execute(stage: Stage, pipeline: Pipeline, ctx: Context, run: Run, seal: Seal, lease: Lease) -> StageRun:
    """Run ``stage`` under ``lease``: check needs, build in a staging folder, publish by rename, record the outcome.

    A folder that an earlier attempt published is taken as it is, for the same seal gives the same bytes. A stage whose
    outcome cannot be recorded has not happened: recording is retried until the lease is lost. Raises whatever the
    stage raises, after it was recorded, and LeaseLost.
    """
    place = workspace(ctx, run)
    published = {name: place / name for name in stage.needs}
    for name, folder in published.items():
        if not (folder / _OUTPUTS).is_file():
            raise BuildError(f"stage {stage.name} needs {name}, whose folder {folder} is not there")
    row = StageRun(run_id=run.run_id, name=stage.name, status=StageStatus.RUNNING, started=ctx.store.now())
    began = ctx.clock.monotonic()
    with keep(ctx.store.leases, lease, ctx.lease_ttl, ctx.clock) as kept:
        ctx.store.runs.stage_started(row, lease)
        try:
            outputs = _read(place / stage.name) or _build(stage, pipeline, ctx, run, seal, place, published, lease)
        except BaseException as error:
            failed = replace(
                row,
                status=StageStatus.FAILED,
                error_class=ctx.classify(error),
                error=f"{type(error).__name__}: {error}",
            )
            _record(ctx, failed, began, lease, kept)
            raise
        return _record(ctx, replace(row, status=StageStatus.DONE, outputs=outputs), began, lease, kept)


def outputs_of(pipeline: Pipeline, ctx: Context, run: Run) -> dict[str, Outputs]:
    """What the published stages handed on, by stage."""
    place = workspace(ctx, run)
    return {stage.name: out for stage in pipeline.stages if (out := _read(place / stage.name)) is not None}


def clear(ctx: Context, run: Run) -> None:
    """Remove the workspace of a finished run."""
    shutil.rmtree(workspace(ctx, run), ignore_errors=True)


def _build(
    stage: Stage,
    pipeline: Pipeline,
    ctx: Context,
    run: Run,
    seal: Seal,
    place: Path,
    published: Mapping[str, Path],
    lease: Lease,
) -> Outputs:
    staging = place / f".{stage.name}.{lease.epoch}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    outputs = stage.run(
        StageWork(
            ctx=ctx,
            run=run,
            seal=seal,
            folder=staging,
            published=published,
            outputs=outputs_of(pipeline, ctx, run),
        )
    )
    (staging / _OUTPUTS).write_text(json.dumps(dict(outputs), sort_keys=True), encoding="utf-8")
    try:
        os.replace(staging, place / stage.name)  # noqa: PTH105  (atomic, and refuses a folder that is not empty)
    except OSError:
        if (standing := _read(place / stage.name)) is None:
            raise
        # Another attempt published first; both come from the same seal.
        shutil.rmtree(staging, ignore_errors=True)
        return standing
    return outputs


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        data: dict[str, Any] = json.loads((folder / _OUTPUTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return data


def _record(ctx: Context, row: StageRun, began: float, lease: Lease, kept: Kept) -> StageRun:
    for attempt in Retrying(
        retry=retry_if_exception_type(StoreUnavailable),
        wait=wait_exponential_jitter(initial=0.2, max=2),
        stop=lambda _: kept.lost is not None,
        reraise=True,
        sleep=ctx.clock.sleep,
    ):
        with attempt:
            ended = replace(row, ended=ctx.store.now(), seconds=round(ctx.clock.monotonic() - began, 3))
            ctx.store.runs.stage_ended(ended, lease)
    log.info("%s %s: %s in %.2f s", row.run_id, row.name, row.status, ended.seconds)
    return ended
