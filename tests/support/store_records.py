"""Records for store tests, with everything filled in that a test does not care about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState
from lumen_workers.domain.failures import Verdict
from lumen_workers.domain.notices import Send, SendState
from lumen_workers.domain.records import (
    Effect,
    EffectOptions,
    EffectStatus,
    Quote,
    Risk,
    RuleEvent,
    RuleSpec,
    Severity,
    SignalEffect,
)
from lumen_workers.domain.runs import Owed, OwedState, Run, RunStatus, Seal
from lumen_workers.domain.signals import SIGNALS, Block

T0 = datetime(2026, 1, 5, tzinfo=UTC)
DAY = date(2026, 1, 5)
SPEC = RuleSpec(name="creative_min", initial=0.22, min=0.18, max=0.35)
OPTIONS = EffectOptions()


def block(start_us: int, count: int, step_us: int = 200_000, seed: int = 0) -> Block:
    """``count`` samples from ``start_us`` on."""
    values = np.random.default_rng(seed).random((count, len(SIGNALS))).round(6)
    return Block(start_us + np.arange(count, dtype=np.int64) * step_us, values)


def event(event_id: str, **changes: Any) -> RuleEvent:
    """An event as an import brings it."""
    given: dict[str, Any] = {
        "loop": "main",
        "seq": 0,
        "ts": T0,
        "actor": "Sena",
        "rule": SPEC.name,
        "old": 0.22,
        "new": 0.24,
        "note": "위로",
        "applied_at": T0,
    }
    return RuleEvent(event_id=event_id, **(given | changes))


def effect(of: RuleEvent, **changes: Any) -> Effect:
    """A computed effect of ``of``."""
    options = changes.get("options", OPTIONS)
    given: dict[str, Any] = {
        "effect_id": f"ef-{of.event_id}-{options.key()}",
        "event_id": of.event_id,
        "loop": of.loop,
        "seq": 0,
        "options": options,
        "status": EffectStatus.COMPUTED,
        "n_pre": 145,
        "n_post": 146,
        "signals": {name: SignalEffect(pre=0.1, post=0.3, delta=0.2, shown_pre=0.1) for name in SIGNALS},
        "computed_at": T0,
    }
    return Effect(**(given | changes))


def quote(effect_id: str, **changes: Any) -> Quote:
    """A quote on an effect."""
    given: dict[str, Any] = {
        "quote_id": f"q-{effect_id}",
        "effect_id": effect_id,
        "loop": "main",
        "seq": 0,
        "ts": T0,
        "by": "Sena",
        "rule": SPEC.name,
        "delta": {"phase_diff": -0.02},
        "confidence": 0.65,
        "quote": "위상차 −0.020",
    }
    return Quote(**(given | changes))


def risk(effect_id: str, **changes: Any) -> Risk:
    """A risk on an effect."""
    given: dict[str, Any] = {
        "risk_id": f"r-{effect_id}",
        "effect_id": effect_id,
        "loop": "main",
        "seq": 0,
        "ts": T0,
        "severity": Severity.WARN,
        "rule": SPEC.name,
        "signal": {"phase_diff": 0.05, "entropy_rate": 0.04},
        "note": "too strong",
    }
    return Risk(**(given | changes))


def run(region: str = "ap-northeast-2", attempt: int = 1, **changes: Any) -> Run:
    """A queued run."""
    given: dict[str, Any] = {
        "run_id": f"20260105-{region}-0badcafe" + (f".{attempt}" if attempt > 1 else ""),
        "pipeline": "daily",
        "day": DAY,
        "revision": 1,
        "region": region,
        "attempt": attempt,
        "status": RunStatus.QUEUED,
        "trace_id": "a" * 32,
        "queued_at": T0,
    }
    return Run(**(given | changes))


def seal(revision: int = 1, **changes: Any) -> Seal:
    """A seal of DAY."""
    given: dict[str, Any] = {
        "pipeline": "daily",
        "day": DAY,
        "revision": revision,
        "start": T0,
        "end": T0 + timedelta(days=1),
        "cutoff": T0 + timedelta(days=1),
        "watermark": {"main": 7},
        "settings": {"zone": "Asia/Seoul", "locale": "ko", "pre_s": 30.0},
        "code_version": "0badcafe",
        "config_digest": "c" * 64,
        "prev_digest": None,
        "sealed_at": T0 + timedelta(days=1, minutes=5),
    }
    return Seal(**(given | changes))


def owed(key: str, **changes: Any) -> Owed:
    """A due row."""
    given: dict[str, Any] = {
        "kind": "cross-verify",
        "region": "us-west-2",
        "state": OwedState.DUE,
        "created": T0,
        "payload": {"day": "2026-01-05", "revision": 1},
    }
    return Owed(key=key, **(given | changes))


def verdict(error_class: str) -> Verdict:
    """A verdict that a test makes up."""
    return Verdict(error_class=error_class, rule="test")


def send(message_id: str, **changes: Any) -> Send:
    """A due send."""
    values: dict[str, Any] = {
        "message_id": message_id,
        "kind": "alarm",
        "subject": "alarm/x",
        "channel": "log",
        "recipient": "log",
        "payload": {"title": "x"},
        "state": SendState.DUE,
        "created": T0,
    }
    return Send(**values | changes)


def experiment(name: str = "xp-1", loop: str = "main") -> Experiment:
    """One that has just been started."""
    return Experiment(
        experiment_id=name,
        loop=loop,
        rule="risk_max",
        kind=ExperimentKind.BRACKET,
        state=ExperimentState.RUNNING,
        config={"a": 0.34, "b": 0.3},
        seed=2**62,
        original=0.35,
        started=T0,
        by="r/h/somebody",
        planned=12,
    )
