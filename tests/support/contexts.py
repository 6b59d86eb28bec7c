"""A Context for tests: a real store, a local archive, made-up keys, messages kept in a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.adapters.store import open_store
from lumen_workers.archive.freeze import FreezeOptions
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.ports import Store
from lumen_workers.domain.recipients import Recipient, Routes
from lumen_workers.domain.records import EffectOptions, LoopSpec
from lumen_workers.domain.regions import default_stand_ins
from lumen_workers.engine.attesting import log_signer, make_attestor, trust_home
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Outputs, Pipeline, Stage, StageWork
from lumen_workers.engine.schedule import Entry, parse
from lumen_workers.findings.thresholds import Thresholds
from lumen_workers.loop.rules import Rules
from lumen_workers.pipelines.failures import POLICIES
from lumen_workers.pipelines.verdicts import judge
from lumen_workers.trust.evidence.attest import Attestor
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.upkeep import ensure_root

A, B = "ap-northeast-2", "us-west-2"
ZONE = ZoneInfo("Asia/Seoul")
NOON = datetime(2026, 2, 1, 3, 0, tzinfo=UTC)
"""12:00 in Seoul on 2026-02-01."""

SCHEDULE = {
    "effects": {"run": "effects", "every_s": 5},
    "reconcile": {"run": "reconcile", "every_s": 5},
    "daily": {"run": "daily", "cron": "5 9 * * *"},
}


@dataclass
class Sent:
    """A message."""

    task: str
    region: str
    payload: Mapping[str, Any]


@dataclass
class Outbox:
    """A Dispatcher that keeps what is sent. ``error``: what the broker answers instead; ``waiting``: the depth told."""

    sent: list[Sent] = field(default_factory=list)
    error: Exception | None = None
    waiting: int | None = None

    def send(self, task: str, *, region: str, lane: str, payload: Mapping[str, Any], trace_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(Sent(task, region, {**payload, "trace_id": trace_id}))

    def depth(self, region: str, lane: str) -> int | None:
        return self.waiting

    def take(self) -> list[Sent]:
        """What was sent since the last look."""
        taken, self.sent = self.sent, []
        return taken


def _none() -> NoReturn:
    raise AssertionError("not in this test")


class World:
    """Regions that share a store, an archive and a broker, each with a home of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        regions: Sequence[str] = (A, B),
        now: datetime = NOON,
        url: str = "sqlite://",
        zone: ZoneInfo = ZONE,
        loops: Mapping[str, LoopSpec] | None = None,
    ) -> None:
        self.folder = folder
        self.regions = tuple(regions)
        self.clock = VirtualClock(now)
        self.store: Store = open_store(url, clock=self.clock)
        self.outbox = Outbox()
        self.zone = zone
        self.loops = loops or {}
        self.keys = {region: RegionKey(Ed25519PrivateKey.generate()) for region in self.regions}
        self.remote = LocalRemote(folder / "archive")
        self.memory = MemoryChannel()
        to = Recipient(name="readers", channel="memory")
        self.routes = Routes(alarms={"page": (to,), "ticket": (to,)}, report=(to,), everyone=(to,))

    def context(self, region: str = A, *, holder: str | None = None, **changes: Any) -> Context:
        """One process's context; ``changes`` replace its fields."""
        locale = changes.pop("locale", "en")
        context = Context(
            store=self.store,
            clock=self.clock,
            remote=self.remote,
            dispatcher=self.outbox,
            signer=lambda: self.keys[region],
            attestor=lambda: self.attestor(region, holder or f"{region}/host/1"),
            roots=self.roots,
            pins=lambda: {name: key.fingerprint for name, key in self.keys.items()},
            region=region,
            regions=self.regions,
            holder=holder or f"{region}/host/1",
            home=self.folder / region,
            zone=self.zone,
            loops=self.loops,
            schedule=entries(self.regions, self.zone),
            code_version="0123456789abcdef" * 4,
            config_digest="cd" * 32,
            settings={"zone": self.zone.key, "locale": locale, "effect_options": EffectOptions().key()},
            lease_ttl=timedelta(seconds=10),
            judge=judge,
            policies=POLICIES,
            stand_ins=default_stand_ins(self.regions, timedelta(seconds=30)),
            routes=self.routes,
            channels=lambda: {"memory": self.memory},
            locale=locale,
            effect_options=EffectOptions(),
            thresholds=Thresholds(),
            archive_options=FreezeOptions(),
            archive_label="test",
            rules=lambda: Rules(self.store, self.loops, lambda _: _none()),
            lane=_none,
        )
        return replace(context, **changes)

    def attestor(self, region: str, holder: str) -> Attestor:
        """The regions share one home's trust and log."""
        return make_attestor(
            home=self.folder / "trusted",
            region=region,
            signer=self.keys[region],
            store=self.store,
            clock=self.clock,
            holder=holder,
            lease_ttl=timedelta(seconds=10),
            log=log_signer(self.folder / "trusted"),
        )

    def roots(self) -> tuple[str, ...]:
        """The fingerprint of their root."""
        home = trust_home(self.folder / "trusted")
        ensure_root(home, self.store.now())
        return (home.root_fingerprint,)

    def alarms(self) -> set[str]:
        """Kinds of the alarms that stand."""
        return {alarm.kind for alarm in self.store.notices.alarms()}

    def close(self) -> None:
        self.store.close()


def entries(
    regions: Sequence[str] = (A, B),
    zone: ZoneInfo = ZONE,
    data: Any = None,
    known: tuple[str, ...] = ("effects", "reconcile", "daily", "sample"),
) -> dict[str, Entry]:
    """A checked schedule."""
    return parse(SCHEDULE if data is None else data, known=known, regions=tuple(regions), zone=zone, origin="s.py")


@dataclass
class Steps:
    """A pipeline ``daily`` of three small stages; the digest follows from the seal alone. Hooks run inside a stage."""

    hooks: dict[str, Callable[[StageWork], object]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    root: Callable[[StageWork], str] = lambda work: work.seal.digest()
    elected: Callable[[Context], None] | None = None

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(
            name="daily",
            stages=(
                Stage(name="build", run=self._stage("build")),
                Stage(name="freeze", run=self._stage("freeze"), needs=("build",)),
                Stage(name="verify", run=self._stage("verify"), needs=("freeze",)),
            ),
            elected=self.elected,
        )

    def _stage(self, name: str) -> Callable[[StageWork], Outputs]:
        def run(work: StageWork) -> Outputs:
            self.ran.append(f"{work.run.region} {name}")
            for need, folder in work.published.items():
                assert (folder / "made.txt").read_text() == f"{need} {work.seal.digest()}"
            (work.folder / "made.txt").write_text(f"{name} {work.seal.digest()}")
            if name in self.hooks:
                self.hooks[name](work)
            return {"root": self.root(work)} if name == "freeze" else {"n": 1}

        return run
