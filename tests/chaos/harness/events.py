"""The table of events: what is provoked, in which systems, and what it may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from chaos.harness import provoke
from chaos.harness.trial import Trial

BOTH: Final = ("short", "default")


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event. ``provoke`` asks for the day, lets it happen, and heals what does not mend itself.

    ``set_ups`` are the systems in which it is run; ``weight`` is how often it is run beside the others. ``kills``: the
    lane whose main process it kills, which is not done again within a minute, for a process that dies often is started
    later. ``lost_leases``: how many leases of a loop's samples it may cost. ``needs``: what must be there for it.
    """

    name: str
    provoke: Callable[[Trial], None]
    set_ups: tuple[str, ...] = BOTH
    weight: float = 1.0
    kills: str = ""
    lost_leases: int = 1
    needs: str = ""


EVENTS: Final = (
    *(Event(name=f"kill-child-{s}", provoke=partial(provoke.kill_child, stage=s)) for s in provoke.STAGES),
    Event(name="kill-worker", provoke=provoke.kill_worker, kills="jobs"),
    Event(name="kill-sampler", provoke=provoke.kill_sampler, kills="sampler"),
    Event(name="kill-beat", provoke=partial(provoke.kill_beats, both=False), kills="beat"),
    Event(name="kill-both-beats", provoke=partial(provoke.kill_beats, both=True), kills="beat"),
    Event(name="kill-region", provoke=provoke.kill_region, weight=0.5, lost_leases=2),
    Event(name="kill-winner", provoke=provoke.kill_winner, kills="jobs"),
    Event(name="kill-in-send", provoke=provoke.kill_in_send, weight=0.5),
    Event(name="zombie", provoke=provoke.zombie, weight=1.5),
    Event(name="zombie-lane", provoke=provoke.zombie_lane, weight=0.7),
    Event(name="redis-kill", provoke=provoke.redis_kill),
    Event(name="redis-flush", provoke=provoke.redis_flush, weight=1.5),
    Event(name="store-restart", provoke=provoke.store_restart),
    Event(name="reset-broker", provoke=partial(provoke.reset, way="broker")),
    Event(name="reset-store", provoke=partial(provoke.reset, way="store")),
    Event(name="blackhole-5s-broker", provoke=partial(provoke.blackhole, way="broker", seconds=5)),
    Event(name="blackhole-5s-store", provoke=partial(provoke.blackhole, way="store", seconds=5)),
    Event(name="blackhole-60s-broker", provoke=partial(provoke.blackhole, way="broker", seconds=60), weight=0.4),
    Event(name="blackhole-60s-store", provoke=partial(provoke.blackhole, way="store", seconds=60), weight=0.4),
    Event(name="latency-broker", provoke=partial(provoke.latency, way="broker")),
    Event(name="latency-store", provoke=partial(provoke.latency, way="store")),
    Event(name="duplicates", provoke=provoke.duplicates, weight=1.5),
    Event(name="same-instant", provoke=provoke.same_instant, weight=1.5),
    Event(name="disk-full", provoke=provoke.disk_full, needs="mount"),
    Event(name="clock-ahead", provoke=provoke.clock_ahead, set_ups=("clock",), weight=1.5, needs="faketime"),
)
