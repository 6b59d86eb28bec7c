"""Which region and machine may sample a loop."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.runs import Lease


class Claim(StrEnum):
    """What a lane may do about a loop that it does not hold."""

    LEAVE = "leave"
    TAKE = "take"
    STEAL = "steal"


class Holder(NamedTuple):
    """Who holds a sampler's lease; as text ``<region>/<host>/<pid>/<n>``, ``n`` counting the process's claims."""

    region: str
    host: str
    pid: int
    n: int

    def __str__(self) -> str:
        return f"{self.region}/{self.host}/{self.pid}/{self.n}"

    @staticmethod
    def place(text: str) -> tuple[str, str]:
        """Region and host of a holder's text; two empty strings for another form, such as that of a released lease."""
        parts = text.split("/")
        return (parts[0], parts[1]) if len(parts) == 4 else ("", "")


def lease_name(loop: str) -> str:
    """The name of the lease on sampling ``loop``."""
    return f"sampler:{loop}"


def decide(
    spec: LoopSpec,
    lease: Lease | None,
    now: datetime,
    *,
    host_bound: bool,
    region: str,
    host: str,
    ttl: timedelta,
    drained: frozenset[str] = frozenset(),
    silent: frozenset[str] = frozenset(),
) -> Claim:
    """What ``region`` on ``host`` may do, given the lease's row as it stands and the store's time ``now``.

    - A loop whose source is bound to a host stays with the host that first took it (its lease is never released, so
      that the row goes on naming the host).
    - A live lease is stolen from the own region (a newer worker takes over from an older one) and, by the loop's home
      region, from any other.
    - A loop without a home goes to whoever asks first, and to any region once its lease has expired.
    - A loop with a home goes to another region only when its lease expired at least ``ttl`` ago, and never before its
      home has sampled it once.
    - A drained region takes nothing; others steal its live leases, and need not wait for it. Nor do they wait for a
      home whose sampler lane is silent.
    """
    if region in drained:
        return Claim.LEAVE
    at_home = spec.region == region
    if lease is None:
        return Claim.TAKE if at_home or spec.region is None else Claim.LEAVE
    their_region, their_host = Holder.place(lease.holder)
    if host_bound and their_host not in ("", host):
        return Claim.LEAVE
    if lease.expires > now:
        return Claim.STEAL if at_home or their_region in (region, *drained) else Claim.LEAVE
    if at_home or spec.region is None or spec.region in drained | silent or now - lease.expires >= ttl:
        return Claim.TAKE
    return Claim.LEAVE
