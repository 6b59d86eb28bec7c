"""The regions as `lumen status` shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from lumen_workers.config import Settings
from lumen_workers.domain.clock import iso
from lumen_workers.domain.ports import Store
from lumen_workers.domain.regions import Pulse, drained
from lumen_workers.domain.runs import RunHead, RunStatus, TickState
from lumen_workers.local.lanes import LANES
from lumen_workers.observability.view import Depths
from lumen_workers.schedule import entries

_RECENT: Final = 10
"""So many of a region's newest runs are looked at for the last one that went well and the last that failed."""


def region_rows(settings: Settings, store: Store, depths: Callable[[], Depths | None]) -> list[dict[str, Any]]:
    """JSON values of each region: state, lanes, queues, beat's last firing, last run, last failure."""
    now = store.now()
    seen: dict[tuple[str, str], list[Pulse]] = {}
    for pulse in store.pulses.rows():
        seen.setdefault((pulse.region, pulse.lane), []).append(pulse)
    out = drained(store.switches.rows())
    waiting = depths() or {}
    fired = _last_fired(settings, store)
    runs = store.runs.recent(settings.regions, _RECENT)
    rows = []
    for region in settings.regions:
        after = settings.stand_ins[region].after
        pulses = seen.get((region, "jobs"), [])
        alive = any(now - pulse.seen <= after for pulse in pulses)
        state = "drained" if region in out else "alive" if alive else "silent" if pulses else "never seen"
        recent = runs[region]
        rows.append(
            {
                "region": region,
                "state": state,
                "lanes": [
                    {
                        "lane": lane,
                        "hosts": [pulse.host for pulse in seen.get((region, lane), []) if now - pulse.seen <= after],
                        "seen_s_ago": _ago(now, [pulse.seen for pulse in seen.get((region, lane), [])]),
                        "depth": waiting.get((region, lane), (None, None))[0],
                        "oldest_s": waiting.get((region, lane), (None, None))[1],
                    }
                    for lane in (*LANES, "beat")
                ],
                "fired_s_ago": _ago(now, [state.started for state in fired.get(region, [])]),
                "open_runs": [run.run_id for run in recent if not run.status.final],
                "last_run": _last(recent, RunStatus.DONE, RunStatus.SUPERSEDED),
                "last_failure": _last(recent, RunStatus.FAILED),
                "stand_ins": list(settings.stand_ins[region].regions),
            }
        )
    return rows


def _last_fired(settings: Settings, store: Store) -> dict[str, list[TickState]]:
    """The ticks that recur, by region: their age tells whether its beat and its lanes work."""
    recurring = {entry.name for entry in entries(settings).values() if entry.every_s is not None}
    found: dict[str, list[TickState]] = {}
    for state in store.ticks.states():
        if state.entry in recurring:
            found.setdefault(state.region, []).append(state)
    return found


def _ago(now: datetime, instants: list[datetime]) -> float | None:
    return round((now - max(instants)).total_seconds(), 1) if instants else None


def _last(runs: list[RunHead], *statuses: RunStatus) -> dict[str, Any] | None:
    run = next((run for run in runs if run.status in statuses), None)
    if run is None:
        return None
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "ended": iso(run.ended) if run.ended else None,
        "error_class": run.error_class,
    }
