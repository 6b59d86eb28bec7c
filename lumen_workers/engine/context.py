"""What a unit of work is given: ports and values, put together once a process by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lumen_workers.domain.clock import Clock
from lumen_workers.domain.failures import Policy, Verdict
from lumen_workers.domain.ports import Channel, Dispatcher, Remote, Signer, Store
from lumen_workers.domain.ports.environment import EnvironmentSource
from lumen_workers.domain.recipients import Routes
from lumen_workers.domain.records import EffectOptions, LoopSpec
from lumen_workers.domain.regions import StandIn
from lumen_workers.experiments.bayes import Priors
from lumen_workers.experiments.tuning.options import TuningOptions
from lumen_workers.loop.gatekeeper import Gatekeeper
from lumen_workers.loop.gateway import GatewayOptions
from lumen_workers.loop.rhythm import RhythmOptions
from lumen_workers.trust.signatures import Pinned

if TYPE_CHECKING:
    from lumen_workers.archive.freeze import FreezeOptions
    from lumen_workers.engine.schedule import Entry
    from lumen_workers.findings.thresholds import Thresholds
    from lumen_workers.loop.lane import SamplerLane
    from lumen_workers.loop.rules import Rules
    from lumen_workers.trust.evidence.attest import Attestor


@dataclass(frozen=True, kw_only=True)
class Context:
    """One process's view of the system, for one region.

    Callables are for what most work does not need: keys, actuators, the sampler lane. ``settings`` is what the built
    bytes depend on; it goes into the seal. ``roots`` are the fingerprints of the root certificates that count, this
    home's first; it is made if there is none yet. ``judge`` gives a failure its class, ``policies`` says what is done
    about each class.
    """

    store: Store
    clock: Clock
    remote: Remote
    dispatcher: Dispatcher
    signer: Callable[[], Signer]
    pins: Callable[[], Mapping[str, Pinned]]
    attestor: Callable[[], Attestor]
    roots: Callable[[], tuple[str, ...]]
    region: str
    regions: tuple[str, ...]
    holder: str
    home: Path
    zone: ZoneInfo
    loops: Mapping[str, LoopSpec]
    schedule: Mapping[str, Entry]
    code_version: str
    config_digest: str
    settings: Mapping[str, Any]
    lease_ttl: timedelta
    judge: Callable[[BaseException], Verdict]
    policies: Mapping[str, Policy]
    stand_ins: Mapping[str, StandIn]
    routes: Routes
    channels: Callable[[], Mapping[str, Channel]]
    locale: str
    effect_options: EffectOptions
    thresholds: Thresholds
    archive_options: FreezeOptions
    archive_label: str
    rules: Callable[[], Rules]
    lane: Callable[[], SamplerLane]
    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    tuning: TuningOptions = field(default_factory=TuningOptions)
    tuned_loops: tuple[str, ...] = ()
    rhythm: RhythmOptions = field(default_factory=RhythmOptions)
    environment: Callable[[], EnvironmentSource | None] = lambda: None
    priors: Priors = field(default_factory=lambda: Priors(effects={}, steps={}))

    @property
    def gatekeeper(self) -> Gatekeeper:
        """Who moves the gateways of the declared loops."""
        return Gatekeeper(self.store, self.loops, self.gateway)

    @property
    def work(self) -> Path:
        """Where stages build."""
        return self.home / "work"
