"""The store as a whole."""

from __future__ import annotations

from datetime import datetime

from lumen_workers.adapters.store.arrays import ArraySamples
from lumen_workers.adapters.store.audit import SqlAudit
from lumen_workers.adapters.store.effects import SqlEffects
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.experiments import SqlExperiments
from lumen_workers.adapters.store.findings import SqlFindings
from lumen_workers.adapters.store.gateway import SqlGateways
from lumen_workers.adapters.store.journal import SqlJournal
from lumen_workers.adapters.store.leases import SqlLeases
from lumen_workers.adapters.store.logs import SqlLogs
from lumen_workers.adapters.store.loops import SqlLoops
from lumen_workers.adapters.store.notices import SqlNotices
from lumen_workers.adapters.store.owed import SqlOwed
from lumen_workers.adapters.store.pulses import SqlPulses, SqlSwitches
from lumen_workers.adapters.store.rules import SqlRules
from lumen_workers.adapters.store.runs import SqlRuns
from lumen_workers.adapters.store.samples import SqlSamples
from lumen_workers.adapters.store.sends import SqlSends
from lumen_workers.adapters.store.tallies import SqlTallies
from lumen_workers.adapters.store.ticks import SqlTicks
from lumen_workers.adapters.store.versions import migrate
from lumen_workers.adapters.store.watches import SqlWatches
from lumen_workers.domain.clock import Clock, SystemClock
from lumen_workers.domain.ports import (
    AuditStore,
    EffectStore,
    ExperimentStore,
    FindingStore,
    GatewayStore,
    JournalStore,
    LeaseStore,
    LogStore,
    LoopStore,
    NoticeStore,
    OwedStore,
    PulseStore,
    RuleStore,
    RunStore,
    SampleStore,
    SendStore,
    SwitchStore,
    TallyStore,
    TickStore,
    WatchStore,
)


class SqlStore:
    """``Store`` on SQLite or PostgreSQL. Threads share it; a forked child gets its own connections at first use."""

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

    def __init__(self, database: Database) -> None:
        self.database = database
        self.loops = SqlLoops(database)
        self.samples = SqlSamples(database)
        self.rules = SqlRules(database)
        self.effects = SqlEffects(database)
        self.findings = SqlFindings(database)
        self.leases = SqlLeases(database)
        self.ticks = SqlTicks(database)
        self.runs = SqlRuns(database)
        self.owed = SqlOwed(database)
        self.notices = SqlNotices(database)
        self.sends = SqlSends(database)
        self.pulses = SqlPulses(database)
        self.switches = SqlSwitches(database)
        self.audit = SqlAudit(database)
        self.tallies = SqlTallies(database)
        self.journal = SqlJournal(database)
        self.gateways = SqlGateways(database)
        self.experiments = SqlExperiments(database)
        self.watches = SqlWatches(database)
        self.logs = SqlLogs(database)

    def now(self) -> datetime:
        """Store time (UTC): PostgreSQL's clock; on SQLite this process's. Raises StoreUnavailable."""
        return self.database.clock_now()

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()


def open_simulation(clock: Clock, keep_s: float | None = None) -> SqlStore:
    """An empty store in memory whose samples are arrays; ``keep_s`` as in ``ArraySamples``."""
    store = open_store("sqlite://", clock=clock)
    store.samples = ArraySamples(store.database, keep_s)
    return store


def open_store(url: str, *, clock: Clock | None = None) -> SqlStore:
    """Open the store at ``url`` and bring its schema up to date.

    ``sqlite:////abs/lumen.db`` (a file), ``sqlite://`` (in memory, for tests and simulations) or
    ``postgresql://user@host/database``. ``clock`` is store time on SQLite (default: the machine's); PostgreSQL has its
    own. Raises ConfigError for another URL, SchemaTooNew, StoreUnavailable, EnvironmentFault.
    """
    database = Database(url, clock or SystemClock())
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)
