"""Who does a region's work now: its own workers, or those of the region that stands in for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lumen_workers.domain.regions import Pulse, StandIn, drained
from lumen_workers.domain.runs import TickState
from lumen_workers.engine.context import Context

RECONCILE = "reconcile"
"""The tick by which a region looks after its own work."""

RUN_LEASE = "run/"
"""How the lease of a run's claim begins; its holder names the region that works."""

JOBS = "jobs"
"""The lane whose signs of life tell whether a region works."""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """The regions as the store shows them at one instant."""

    now: datetime
    order: tuple[str, ...]
    stand_ins: Mapping[str, StandIn]
    seen: Mapping[str, datetime]
    looked: Mapping[str, datetime | None]
    drained: frozenset[str]
    busy: frozenset[str] = frozenset()

    def alive(self, region: str) -> bool:
        """Whether its jobs lane has given a sign of life, or looked after its work, while its stand-ins still wait."""
        return self._fresh(region, self.seen.get(region))

    def consuming(self, region: str) -> bool:
        """Whether it lives and does what its lane is sent: it holds a run, or its last reconcile tick is as fresh.

        Processes may live behind a worker that is stopped, or behind a beat that is dead; and ticks may wait behind
        long stages.
        """
        looked = region not in self.looked or self._fresh(region, self.looked[region])
        return self.alive(region) and (looked or region in self.busy)

    def able(self, region: str) -> bool:
        """Whether it takes new work."""
        return self.consuming(region) and region not in self.drained

    def known(self, region: str) -> bool:
        """Whether it has ever worked: one that never did owes nothing."""
        return region in self.seen

    def executor(self, region: str) -> str | None:
        """Whose workers do ``region``'s work: its own if they can, else its first able stand-in. None: nobody can."""
        return next((name for name in (region, *self.stand_ins[region].regions) if self.able(name)), None)

    def _fresh(self, region: str, instant: datetime | None) -> bool:
        return instant is not None and self.now - instant <= self.stand_ins[region].after


def look_at(ctx: Context) -> Regions:
    """The regions now. This region counts as alive: its worker is asking."""
    store = ctx.store
    now = store.now()
    looked = _looks(ctx, store.ticks.states(), now)
    seen = _latest(store.pulses.rows())
    # A look is a sign of life as well: the region itself and the others must not differ about it.
    for region, instant in looked.items():
        if instant is not None:
            seen[region] = max(instant, seen.get(region, instant))
    seen[ctx.region] = now
    return Regions(
        now=now,
        order=ctx.regions,
        stand_ins=ctx.stand_ins,
        seen=seen,
        looked=looked,
        drained=drained(store.switches.rows()),
        busy=frozenset(x.holder.partition("/")[0] for x in store.leases.live() if x.name.startswith(RUN_LEASE)),
    )


def is_drained(ctx: Context, region: str) -> bool:
    """Whether a region takes nothing new."""
    return region in drained(ctx.store.switches.rows())


def _latest(pulses: list[Pulse]) -> dict[str, datetime]:
    seen: dict[str, datetime] = {}
    for pulse in pulses:
        if pulse.lane == JOBS:
            seen[pulse.region] = max(pulse.seen, seen.get(pulse.region, pulse.seen))
    return seen


def _looks(ctx: Context, states: list[TickState], now: datetime) -> dict[str, datetime | None]:
    """When the reconciler of each region that is to have one began its last look; this one is looking now."""
    entries = [entry for entry in ctx.schedule.values() if entry.run == RECONCILE]
    looks: dict[str, datetime | None] = {region: None for entry in entries for region in entry.regions}
    names = {entry.name for entry in entries}
    looks |= {state.region: state.started for state in states if state.entry in names}
    return looks | {ctx.region: now}
