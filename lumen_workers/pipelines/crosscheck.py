"""Cross-verification: another region re-verifies the day from the archive's copy. It never blocks the day."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lumen_workers.archive.evidence import verify_day
from lumen_workers.archive.layout import evidence_path, snapshot_name
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.runs import OwedState, Result
from lumen_workers.engine.context import Context
from lumen_workers.engine.flow import CROSS_VERIFY, overdue_key, owed_key, trace_of

_SHOWN = 20
"""Faults that are told; a damaged snapshot may have thousands."""


def cross_verify(ctx: Context, key: str) -> str:
    """Settle one owed row: done when the archived snapshot holds and has the result's digest, else failed and alarmed.

    A copy that cannot be fetched leaves the row owed. Raises NotFound for a key that is not owed, UsageError in the
    region that won the day: it has verified it already, and only another's word is worth something.
    """
    result = _result(ctx, key)
    row = next((row for row in ctx.store.owed.rows(CROSS_VERIFY) if row.key == key), None)
    if row is None:
        raise NotFound(f"no cross-verification is owed for {key}")
    if result.region == ctx.region:
        raise UsageError(f"{key} was won by {ctx.region}: another region has to cross-verify it, {row.region} is asked")
    if row.state is not OwedState.DUE:
        return f"{key}: {row.state} already"
    faults = _faults(ctx, result)
    state = OwedState.FAILED if faults else OwedState.DONE
    detail = "; ".join(faults[:_SHOWN]) or f"root {result.digest}"
    if faults:
        # First the alarm: a row that is settled is never looked at again.
        ctx.store.notices.raise_alarm(
            f"cross_verify/{key}",
            "cross_verify_failed",
            AlarmSeverity.PAGE,
            f"{key}: {ctx.region} found {detail}",
            facts={"run_id": result.run_id, "region": ctx.region},
            trace_id=trace_of(ctx.store, result),
        )
    ctx.store.owed.settle(CROSS_VERIFY, key, state, by=ctx.region, detail=detail)
    ctx.store.notices.resolve(overdue_key(key), ctx.holder)
    return f"{key}: {state}"


def _result(ctx: Context, key: str) -> Result:
    for result in ctx.store.runs.results(key.partition("/")[0]):
        if owed_key(result.pipeline, result.day, result.revision) == key:
            return result
    raise NotFound(f"there is no result {key} to cross-verify")


def _faults(ctx: Context, result: Result) -> list[str]:
    ctx.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ctx.work, prefix="cross-") as scratch:
        try:
            folder = ctx.remote.fetch(snapshot_name(result.day, result.revision), Path(scratch) / "snapshot")
        except NotFound as error:
            return [str(error)]
        verification = verify_snapshot(
            folder, pinned=ctx.pins(), require=(result.region,), day=result.day, revision=result.revision
        )
        evidence = verify_day(folder, result.region, roots=ctx.roots(), now=ctx.store.now(), day=result.day)
    faults = [f"{fault.path}: {fault.reason}" for fault in verification.faults]
    if not evidence.ok:
        faults.append(f"{evidence_path(result.region)}: {evidence.reason}")
    if verification.root != result.digest:
        faults.append(f"root is {verification.root}, the result says {result.digest}")
    return faults
