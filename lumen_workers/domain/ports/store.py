"""The store, facet by facet. Every writing call is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from lumen_workers.domain.failures import Verdict
from lumen_workers.domain.gateway import LoopSetting
from lumen_workers.domain.journal import JournalEntry
from lumen_workers.domain.notices import Send
from lumen_workers.domain.ports.control import AuditStore, PulseStore, SwitchStore, TallyStore
from lumen_workers.domain.ports.evidence import LogStore
from lumen_workers.domain.ports.experiments import ExperimentStore, WatchStore
from lumen_workers.domain.ports.gateway import GatewayStore
from lumen_workers.domain.ports.journal import JournalStore
from lumen_workers.domain.ports.notices import NoticeStore, SendStore
from lumen_workers.domain.records import Effect, EffectOptions, Quote, Risk, RuleEvent, RuleSpec, RuleValue
from lumen_workers.domain.runs import Lease, Owed, OwedState, Result, Run, RunHead, Seal, StageRun, TickState
from lumen_workers.domain.signals import Block


class LoopStore(Protocol):
    """Which loops there are, and how far each ledger has come."""

    def register(self, name: str, rate_hz: int, source: str) -> None:
        """Make the loop known, or update its rate and source."""

    def command(
        self,
        name: str,
        *,
        by: str,
        note: str = "",
        rate_hz: int | None = None,
        declared_hz: int | None = None,
        sync_mode: str | None = None,
    ) -> JournalEntry:
        """Record ``loop.set`` on the control bus, and let it hold: the rate while it is declared at ``declared_hz``."""

    def settings(self) -> dict[str, LoopSetting]:
        """What ``loop.set`` last said of each known loop, sorted by name."""

    def rates(self) -> dict[str, int]:
        """Every known loop with its rate in Hz, sorted by name."""

    def watermark(self) -> dict[str, int]:
        """Loop → its last ledger number. Everything at or below it is committed, and nothing will join it later."""


class SampleStore(Protocol):
    """Samples. A key (loop, ts) is written once, whoever writes it."""

    def add(self, loop: str, block: Block) -> int:
        """Write what is new; returns how many rows were. Raises StoreUnavailable."""

    def window(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> Block:
        """Samples with ``start_us <= ts < end_us``, ascending; ``upto`` leaves out rows above that ledger number."""

    def windows(self, loop: str, bounds: Sequence[tuple[int, int]]) -> Iterator[Block]:
        """One block for each ``(start_us, end_us)``, in order, on one connection; never more than one held."""

    def scan(
        self, loop: str, start_us: int, end_us: int, *, upto: int | None = None, chunk: int = 50_000
    ) -> Iterator[Block]:
        """The same as ``window``, in blocks of at most ``chunk`` rows: memory stays bounded."""

    def tail(self, loop: str, count: int) -> Block:
        """The last ``count`` samples, ascending."""

    def span(self, loop: str) -> tuple[int, int] | None:
        """First and last ts, or None for a loop without samples."""

    def count(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> int:
        """How many samples a window has."""


class RuleStore(Protocol):
    """The rule history: append-only; ``old`` always comes from here."""

    def append(
        self,
        loop: str,
        spec: RuleSpec,
        new: float,
        *,
        actor: str,
        note: str = "",
        automatic: bool = False,
        undoes: str | None = None,
    ) -> RuleEvent:
        """Record a change in one transaction. Raises UsageError outside the bounds or when nothing would change."""

    def insert(self, events: Sequence[RuleEvent]) -> int:
        """Import events as they are but with a new ``seq``; known ids are left alone. Returns how many were new."""

    def applied(self, event_id: str, applied_at: datetime, actuator: str, *, by: str = "lumen") -> bool:
        """The loop has the value. False: that was noted, or the change has failed (then ``by`` notes it as late)."""

    def fail(
        self, event_id: str, spec: RuleSpec | None, why: str, *, by: str = "lumen"
    ) -> tuple[bool, RuleEvent | None]:
        """The loop did not take the change: note it, take it back and raise an alarm, in one transaction.

        Returns the event that takes it back, None where nothing does. False: it has been applied, has failed already,
        or itself takes a failed change back.
        """

    def unapplied(self, loop: str) -> list[RuleEvent]:
        """Events that the loop does not have yet and may still have, oldest first."""

    def get(self, event_id: str) -> RuleEvent:
        """One event. Raises NotFound."""

    def events(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        rule: str | None = None,
    ) -> list[RuleEvent]:
        """Events by ``ts`` (start inclusive, end exclusive), oldest first."""

    def current(self, loop: str) -> dict[str, RuleValue]:
        """Rules that have had an event, with their values."""


class EffectStore(Protocol):
    """Effects: one for each event and options."""

    def due(self, loop: str, options: EffectOptions, now: datetime) -> list[RuleEvent]:
        """Applied events whose post window is complete at ``now`` and that have no effect for these options."""

    def add(self, effects: Sequence[Effect]) -> int:
        """Write the new ones (``seq`` is given here); returns how many were."""

    def rows(
        self,
        loop: str | None = None,
        *,
        event_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        after: int | None = None,
    ) -> list[tuple[RuleEvent, Effect]]:
        """Effects with their events, by the event's ``ts``, oldest first; ``after``: with higher numbers only."""

    def latest(self, loop: str) -> list[tuple[RuleEvent, Effect]]:
        """The newest computed effect of each rule of the loop that has one, by rule."""

    def unspoken(self, loop: str) -> list[tuple[RuleEvent, Effect]]:
        """Computed effects that findings have not looked at yet."""


class FindingStore(Protocol):
    """Quotes and risks, at most one of each for an effect."""

    def record(self, effect_id: str, quote: Quote | None, risk: Risk | None) -> bool:
        """Write both and mark the effect as looked at, in one transaction. False: it had been."""

    def quotes(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
    ) -> list[Quote]:
        """Quotes by ``ts``, oldest first."""

    def risks(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
    ) -> list[Risk]:
        """Risks by ``ts``, oldest first."""

    def insert(self, quotes: Sequence[Quote], risks: Sequence[Risk]) -> int:
        """Import rows as they are; known ids are left alone. Returns how many were new."""


class LeaseStore(Protocol):
    """Leases with an epoch (fencing token)."""

    def acquire(self, name: str, holder: str, ttl: timedelta, *, steal: bool = False) -> Lease | None:
        """Take a free or expired lease (``steal``: also a held one), raising the epoch. None: somebody holds it."""

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Extend it. Raises LeaseLost if the epoch has moved on, or if it had expired and been taken."""

    def release(self, lease: Lease) -> None:
        """Give it up early; a lost one is left alone."""

    def get(self, name: str) -> Lease | None:
        """The row as it stands, expired or not."""

    def live(self) -> list[Lease]:
        """Those that somebody holds now, by name. Of the others there is one for each day that was ever worked on."""


class TickStore(Protocol):
    """Ticks: one slot of one entry in one region runs once."""

    def claim(self, entry: str, region: str, slot: int) -> bool:
        """True for the first to ask for this or a later slot."""

    def finish(self, entry: str, region: str, slot: int, outcome: str) -> None:
        """Note the end of a claimed slot."""

    def states(self) -> list[TickState]:
        """The latest slot of every entry and region."""

    def since(self, entry: str, region: str) -> datetime:
        """When this region first knew the entry; slots before it are not owed. Written at the first call."""

    def known_since(self, entry: str) -> datetime | None:
        """When the first region knew the entry; None: none does yet."""


class RunStore(Protocol):
    """Seals, runs, stages and results."""

    def seal(self, seal: Seal) -> Seal:
        """Write it unless the revision is sealed already; returns the one that stands."""

    def seals(self, pipeline: str, day: date) -> list[Seal]:
        """Every revision of a day, ascending."""

    def create(self, run: Run, by: str) -> Run:
        """Write a queued run and the stages that it carries on from the attempt before it.

        A run with the same (pipeline, day, region, attempt) stands: it is returned instead.
        """

    def get(self, run_id: str) -> Run:
        """One run with its stages. Raises NotFound."""

    def rows(
        self,
        *,
        pipeline: str | None = None,
        day: date | None = None,
        region: str | None = None,
        trace_id: str | None = None,
        limit: int | None = None,
    ) -> list[Run]:
        """Runs with their stages, newest first."""

    def recent(self, regions: Sequence[str], limit: int) -> dict[str, list[RunHead]]:
        """The newest ``limit`` runs of each region, newest first, in one look at the store."""

    def reruns(self, error_class: str, since: datetime) -> int:
        """How many reruns this class of failures has had since then, everywhere."""

    def open(self) -> list[Run]:
        """Runs that are not final, oldest first."""

    def forsaken(self, since: datetime) -> list[Run]:
        """Lost runs, queued since then, that no later attempt of their region at the day follows; oldest first."""

    def release(self, run_id: str) -> bool:
        """A queued run whose time has come waits no longer, from now on for a worker. False: it did not wait."""

    def failed(self, since: datetime, limit: int) -> list[Run]:
        """The newest failed runs that were queued since then, at most ``limit`` of them, oldest first."""

    def ended(self, since: datetime, limit: int) -> list[Run]:
        """The newest runs that were queued since then and have ended, well or not, at most ``limit``, oldest first."""

    def closed(self, pipeline: str, since: date) -> tuple[set[tuple[str, date]], set[date]]:
        """(region, day) that have a run, and days that have a result, of days from ``since`` on after their end."""

    def last_ended(self, pipeline: str) -> datetime | None:
        """When the newest run that has an end (done, superseded, failed) had it."""

    def last_stages(self, pipeline: str, names: Sequence[str]) -> list[StageRun]:
        """Of each named stage that has ever ended its row in the newest run where it has."""

    def start(self, run_id: str, executed_by: str, lease: Lease) -> Run:
        """queued or running → running, under the lease. Raises LeaseLost."""

    def stage_started(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's start, under the lease; a rerun of the stage replaces a failed or half-done row."""

    def stage_ended(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's end, under the lease. Raises LeaseLost: then the stage has not happened."""

    def finish(
        self, run_id: str, lease: Lease, *, digest: str, owed: Sequence[Owed] = (), sends: Sequence[Send] = ()
    ) -> Run:
        """Elect in one transaction: the first gets the result row and DONE, a later one SUPERSEDED.

        With the first go the owed rows and what is to be sent (known keys are left alone). A different digest is not an
        error here: the caller compares ``run.digest`` with the result's.
        """

    def fail(self, run_id: str, lease: Lease | None, *, verdict: Verdict, error: str, follow: Run | None = None) -> Run:
        """→ failed. ``follow``: the rerun, queued in the same transaction."""

    def lose(self, run_id: str, by: str, why: str) -> bool:
        """queued or running → lost (its claim ran out). False: it was final already."""

    def result(self, pipeline: str, day: date, revision: int) -> Result | None:
        """The day's result."""

    def results(self, pipeline: str, day: date | None = None) -> list[Result]:
        """Results by day and revision, ascending."""


class OwedStore(Protocol):
    """Owed rows."""

    def add(self, rows: Sequence[Owed]) -> int:
        """Write new ones; known (kind, key) are left alone."""

    def due(self, kind: str, region: str | None = None) -> list[Owed]:
        """Due rows whose ``not_before`` has passed, oldest first; region None: of every region."""

    def settle(self, kind: str, key: str, state: OwedState, *, by: str, detail: str | None = None) -> bool:
        """due → done or failed, once. False: it was settled."""

    def postpone(self, kind: str, key: str, not_before: datetime, detail: str) -> None:
        """Count a try and wait."""

    def get(self, kind: str, key: str) -> Owed | None:
        """One row."""

    def pass_on(self, kind: str, key: str, region: str, detail: str) -> bool:
        """Let another region owe a due row, at once. False: it is settled."""

    def rows(self, kind: str | None = None, *, unsettled: bool = False) -> list[Owed]:
        """Rows, oldest first; ``unsettled``: without those that are done."""


class Store(Protocol):
    """The truth. Facets share one engine; none crosses a fork."""

    loops: LoopStore
    samples: SampleStore
    rules: RuleStore
    effects: EffectStore
    findings: FindingStore
    leases: LeaseStore
    ticks: TickStore
    runs: RunStore
    owed: OwedStore
    notices: NoticeStore
    sends: SendStore
    pulses: PulseStore
    switches: SwitchStore
    audit: AuditStore
    tallies: TallyStore
    journal: JournalStore
    gateways: GatewayStore
    experiments: ExperimentStore
    watches: WatchStore
    logs: LogStore

    def now(self) -> datetime:
        """Store time (UTC): PostgreSQL's clock; on SQLite this process's. Raises StoreUnavailable."""

    def close(self) -> None:
        """Give the connections back."""
