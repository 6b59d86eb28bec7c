"""Quotes and risks as lines of ``quotes_bank.jsonl`` and ``risk_ledger.jsonl``: the SPEC keys, then ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from lumen_workers.archive.forms.fields import Refused, changes, instant, number, rule, text, text_or
from lumen_workers.domain.clock import iso
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import Quote, Risk, Severity
from lumen_workers.domain.signals import SHORT, SIGNALS


class FindEffect(Protocol):
    """Names the effect that a finding of another loop, or one without an effect's id, is about."""

    def __call__(self, given: str, ts: datetime, rule_name: str) -> str:
        """The effect's id in this loop; ``given`` may be empty."""


def quote_row(quote: Quote) -> dict[str, Any]:
    """``ts, by, rule, delta, confidence, quote``, then ``quote_id, effect_id, loop``."""
    return {
        "ts": iso(quote.ts),
        "by": quote.by,
        "rule": quote.rule,
        "delta": _short(quote.delta),
        "confidence": quote.confidence,
        "quote": quote.quote,
        "quote_id": quote.quote_id,
        "effect_id": quote.effect_id,
        "loop": quote.loop,
    }


def risk_row(risk: Risk) -> dict[str, Any]:
    """``ts, severity, rule, signal, note``, then ``risk_id, effect_id, loop``."""
    return {
        "ts": iso(risk.ts),
        "severity": risk.severity.value,
        "rule": risk.rule,
        "signal": _short(risk.signal),
        "note": risk.note,
        "risk_id": risk.risk_id,
        "effect_id": risk.effect_id,
        "loop": risk.loop,
    }


def read_quote(row: Mapping[str, Any], loop: str, find: FindEffect) -> Quote:
    """The quote of a line, for ``loop``; ``seq`` is 0. Raises Refused."""
    ts, name = instant(row, "ts"), rule(row)
    effect_id, quote_id = _ids(row, loop, "quote_id", "qt", ts, name, find)
    return Quote(
        quote_id=quote_id,
        effect_id=effect_id,
        loop=loop,
        seq=0,
        ts=ts,
        by=text(row, "by"),
        rule=name,
        delta=changes(row, "delta"),
        confidence=number(row, "confidence", 0.0, 1.0),
        quote=text(row, "quote"),
    )


def read_risk(row: Mapping[str, Any], loop: str, find: FindEffect) -> Risk:
    """The risk of a line, for ``loop``; ``seq`` is 0. Raises Refused."""
    ts, name = instant(row, "ts"), rule(row)
    effect_id, risk_id = _ids(row, loop, "risk_id", "rk", ts, name, find)
    try:
        severity = Severity(text(row, "severity"))
    except ValueError:
        raise Refused("severity") from None
    return Risk(
        risk_id=risk_id,
        effect_id=effect_id,
        loop=loop,
        seq=0,
        ts=ts,
        severity=severity,
        rule=name,
        signal=changes(row, "signal"),
        note=text(row, "note"),
    )


def _ids(
    row: Mapping[str, Any], loop: str, key: str, prefix: str, ts: datetime, name: str, find: FindEffect
) -> tuple[str, str]:
    """The effect's and the finding's id. One effect has one finding of a kind, so the second follows from the first."""
    given_effect, given = text_or(row, "effect_id", ""), text_or(row, key, "")
    if given_effect and given and text_or(row, "loop", loop) == loop:
        return given_effect, given
    effect_id = find(given_effect, ts, name)
    return effect_id, content_id(prefix, effect_id)


def _short(delta: Mapping[str, float]) -> dict[str, float]:
    return {SHORT[name]: delta[name] for name in SIGNALS if name in delta}
