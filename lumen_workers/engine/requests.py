"""What a person has asked a region for. The request stands in the store, so a lost message is only later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.ports import Dispatcher, Store
from lumen_workers.domain.runs import Cause, Owed, OwedState
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.flow import start
from lumen_workers.engine.regions import Regions

REQUEST: Final = "request"
"""Kind of the owed row; its key is the request's trace id."""

PATIENCE: Final = timedelta(seconds=15)
"""How long a request is left to its message before it is looked at."""


def ask(store: Store, dispatcher: Dispatcher, pipeline: str, day: date, *, region: str, trace_id: str) -> None:
    """Write the request down and send it. Raises NetworkError or TokenExpired, and forgets it, when that fails."""
    now = store.now()
    store.owed.add(
        [
            Owed(
                kind=REQUEST,
                key=trace_id,
                region=region,
                state=OwedState.DUE,
                created=now,
                payload={"pipeline": pipeline, "day": day.isoformat()},
                not_before=now + PATIENCE,
            )
        ]
    )
    try:
        _send(dispatcher, pipeline, day.isoformat(), region, trace_id)
    except LumenError as error:
        store.owed.settle(REQUEST, trace_id, OwedState.FAILED, by=region, detail=f"not sent: {error}")
        raise


def settle(ctx: Context, trace_id: str, run_id: str) -> None:
    """The request's run stands."""
    if ctx.store.owed.get(REQUEST, trace_id) is not None:
        ctx.store.owed.settle(REQUEST, trace_id, OwedState.DONE, by=ctx.region, detail=run_id)


def pursue(ctx: Context, regions: Regions, pipelines: Mapping[str, Pipeline], row: Owed) -> bool:
    """A request whose message nobody has done: send it again, or do it for a region that cannot.

    Returns whether something was done.
    """
    pipeline = pipelines.get(str(row.payload["pipeline"]))
    executor = regions.executor(row.region)
    if pipeline is None or executor is None:
        return False
    for run in ctx.store.runs.rows(pipeline=pipeline.name, trace_id=row.key):
        if run.region == row.region:
            settle(ctx, row.key, run.run_id)
            return False
    day = date.fromisoformat(str(row.payload["day"]))
    if executor == row.region:
        ctx.store.owed.postpone(REQUEST, row.key, ctx.store.now() + PATIENCE * 2 ** min(row.tries, 6), "sent again")
        _send(ctx.dispatcher, pipeline.name, day.isoformat(), row.region, row.key)
        return True
    run = start(ctx, pipeline, day, row.key, region=row.region, lane=executor, cause=Cause.TAKEOVER)
    settle(ctx, row.key, run.run_id)
    return True


def _send(dispatcher: Dispatcher, pipeline: str, day: str, region: str, trace_id: str) -> None:
    dispatcher.send(f"lumen.{pipeline}", region=region, lane="jobs", payload={"day": day}, trace_id=trace_id)
