"""The archive's index (S15): one line for each result, written whole from the store after every election."""

from __future__ import annotations

import json
import logging

from lumen_workers.archive.layout import snapshot_name
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.ids import DAILY
from lumen_workers.engine.context import Context

log = logging.getLogger(__name__)

INDEX = "index.jsonl"


def write_index(ctx: Context) -> None:
    """``index.jsonl`` in the archive: ``day, revision, snapshot, hash, run_id, region, ts``, oldest day first.

    It is derived: one that could not be written is logged, and the next day's election writes all of it.
    """
    lines = [
        {
            "day": result.day.isoformat(),
            "revision": result.revision,
            "snapshot": snapshot_name(result.day, result.revision),
            "hash": result.digest,
            "run_id": result.run_id,
            "region": result.region,
            "ts": iso(result.decided_at),
        }
        for result in ctx.store.runs.results(DAILY)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        ctx.remote.note(INDEX, text.encode())
    except LumenError as error:
        log.warning("the archive's index was not written: %s", error)
