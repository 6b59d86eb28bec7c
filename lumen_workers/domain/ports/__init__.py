"""Ports: what services need from the outside. Adapters implement them; each family has one conformance suite."""

from lumen_workers.domain.ports.channels import Channel
from lumen_workers.domain.ports.control import AuditStore, PulseStore, SwitchStore, TallyStore
from lumen_workers.domain.ports.evidence import LogStore, Remote, Signer
from lumen_workers.domain.ports.experiments import ExperimentStore, WatchStore
from lumen_workers.domain.ports.gateway import GatewayStore
from lumen_workers.domain.ports.journal import JournalStore
from lumen_workers.domain.ports.loop import Ack, Actuator, Source
from lumen_workers.domain.ports.messages import Dispatcher
from lumen_workers.domain.ports.notices import NoticeStore, SendStore
from lumen_workers.domain.ports.store import (
    EffectStore,
    FindingStore,
    LeaseStore,
    LoopStore,
    OwedStore,
    RuleStore,
    RunStore,
    SampleStore,
    Store,
    TickStore,
)

__all__ = [
    "Ack",
    "Actuator",
    "AuditStore",
    "Channel",
    "Dispatcher",
    "EffectStore",
    "ExperimentStore",
    "FindingStore",
    "GatewayStore",
    "JournalStore",
    "LeaseStore",
    "LogStore",
    "LoopStore",
    "NoticeStore",
    "OwedStore",
    "PulseStore",
    "Remote",
    "RuleStore",
    "RunStore",
    "SampleStore",
    "SendStore",
    "Signer",
    "Source",
    "Store",
    "SwitchStore",
    "TallyStore",
    "TickStore",
    "WatchStore",
]
