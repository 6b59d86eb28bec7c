"""Ports: what services need from the outside. Adapters implement them; each family has one conformance suite."""

from lumen_workers.domain.ports.channels import Channel
from lumen_workers.domain.ports.evidence import Remote, Signer
from lumen_workers.domain.ports.loop import Actuator, Source
from lumen_workers.domain.ports.messages import Dispatcher
from lumen_workers.domain.ports.store import (
    EffectStore,
    FindingStore,
    LeaseStore,
    LoopStore,
    NoticeStore,
    OwedStore,
    RuleStore,
    RunStore,
    SampleStore,
    Store,
    TickStore,
)

__all__ = [
    "Actuator",
    "Channel",
    "Dispatcher",
    "EffectStore",
    "FindingStore",
    "LeaseStore",
    "LoopStore",
    "NoticeStore",
    "OwedStore",
    "Remote",
    "RuleStore",
    "RunStore",
    "SampleStore",
    "Signer",
    "Source",
    "Store",
    "TickStore",
]
