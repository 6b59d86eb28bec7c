"""A loop whose alignment a test decides, with its gateway."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec, RuleSpec
from lumen_workers.domain.signals import Block
from lumen_workers.loop.gatekeeper import Gatekeeper
from lumen_workers.loop.gateway import GatewayOptions

PHRASE = "correct horse battery staple"
CONFIRM = "we mean it, all of us"
BY = "ap-northeast-2/host/kim"

RULES = {
    "risk_max": RuleSpec(name="risk_max", initial=0.35, min=0.2, max=0.4),
    "creative_min": RuleSpec(name="creative_min", initial=0.22, min=0.18, max=0.35),
}
LOOPS: Mapping[str, LoopSpec] = {
    name: LoopSpec(name=name, rate_hz=5, source="mock", rules=RULES) for name in ("main", "demo")
}


def feed(store: Store, seconds: float = 10, *, aligned: bool = True, loop: str = "main") -> None:
    """The last ``seconds`` of a loop, up to now."""
    end = store.now()
    step = timedelta(milliseconds=200)
    ts = np.array([to_us(end - n * step) for n in range(int(seconds * 5))][::-1], np.int64)
    values = [0.01, 0.2, 0.3, 0.1] if aligned else [0.5, 0.2, 0.3, 0.1]
    store.samples.add(loop, Block(ts, np.tile(values, (len(ts), 1))))


def gatekeeper(store: Store, options: GatewayOptions | None = None) -> Gatekeeper:
    """Registers the loops, too."""
    for spec in LOOPS.values():
        store.loops.register(spec.name, spec.rate_hz, spec.source)
    return Gatekeeper(store, LOOPS, options or GatewayOptions())


def locked(store: Store, options: GatewayOptions | None = None) -> Gatekeeper:
    """A gateway that is locked now."""
    made = gatekeeper(store, options)
    feed(store)
    made.sign("main", PHRASE, BY)
    made.lock("main", PHRASE, BY)
    return made
