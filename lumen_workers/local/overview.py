"""What `lumen status` shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lumen_workers.config import Settings
from lumen_workers.domain.clock import US, iso, to_us
from lumen_workers.domain.notices import LetterState
from lumen_workers.domain.ports import Store
from lumen_workers.domain.regions import PAUSE
from lumen_workers.domain.runs import OwedState
from lumen_workers.engine.requests import REQUEST
from lumen_workers.local.regions import region_rows
from lumen_workers.local.state import read_state
from lumen_workers.loop.claim import lease_name
from lumen_workers.observability.view import Depths

_FRESH_US: Final = 5 * US


def overview(settings: Settings, store: Store, depths: Callable[[], Depths | None] = dict) -> dict[str, Any]:
    """JSON values: the processes of this home, and from the store regions, loops, leases, last runs, owed rows, alarms.

    ``depths`` tells what waits in the lanes.
    """
    state = read_state(settings.home)
    now = store.now()
    leases = {lease.name: lease for lease in store.leases.live()}
    loops = []
    for name, rate in store.loops.rates().items():
        span, lease = store.samples.span(name), leases.get(lease_name(name))
        # A stopped sampler of a host-bound loop keeps its lease to the end; what counts is that samples come.
        fresh = span is not None and to_us(now) - span[1] < _FRESH_US
        loops.append(
            {
                "loop": name,
                "rate_hz": rate,
                "newest_s_ago": round((to_us(now) - span[1]) / 1e6, 1) if span else None,
                "sampled_by": lease.holder if fresh and lease else None,
            }
        )
    return {
        "home": str(settings.home),
        "pid": state.pid if state else None,
        "urls": dict(state.urls) if state else {},
        "processes": [
            {"name": p.name, "pid": p.pid, "status": p.status, "restarts": p.restarts}
            for p in (state.processes if state else ())
        ],
        "regions": region_rows(settings, store, depths),
        "paused": any(switch.name == PAUSE for switch in store.switches.rows()),
        "loops": loops,
        "experiments": [
            {
                "experiment": e.experiment_id,
                "loop": e.loop,
                "rule": e.rule,
                "kind": e.kind.value,
                "periods_ended": sum(period.ended is not None for period in store.experiments.periods(e.experiment_id)),
                "periods_planned": e.planned,
                "held": e.held,
            }
            for e in store.experiments.rows(running=True)
        ],
        "leases": [
            {
                "lease": lease.name,
                "holder": lease.holder,
                "epoch": lease.epoch,
                "ends_in_s": round((lease.expires - now).total_seconds(), 1),
            }
            for lease in leases.values()
        ],
        "runs": [
            {"run_id": run.run_id, "status": run.status.value, "winner": run.winner}
            for run in store.runs.rows(limit=10)
        ],
        "owed": [
            {"kind": row.kind, "key": row.key, "region": row.region, "state": row.state.value}
            for row in store.owed.rows(unsettled=True)
            if (row.kind, row.state) != (REQUEST, OwedState.FAILED)  # it was said so when it could not be sent
        ],
        "in_doubt": store.sends.counts()["in_doubt"],
        "letters": store.notices.letter_counts()[LetterState.KEPT],
        "alarms": [
            {"kind": a.kind, "severity": a.severity.value, "since": iso(a.ts), "detail": a.detail}
            for a in store.notices.alarms(standing=True)
        ],
    }
