"""The outbox: alarms and the day's report, to each recipient once. A tick routes what is new and sends what is due.

A send is claimed in one transaction and settled in another. What happened in between is told by its channel: surely
not taken (it may be tried again) or perhaps taken (it is in doubt, and stays so until a person decides).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from lumen_workers.archive.layout import report_path, snapshot_name
from lumen_workers.archive.pick import pick
from lumen_workers.domain.errors import InDoubt, StoreUnavailable
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.notices import Alarm, Send, SendState, Telling
from lumen_workers.domain.recipients import Recipient
from lumen_workers.domain.regions import SUPPRESS, drained
from lumen_workers.domain.runs import Run, Seal
from lumen_workers.engine.context import Context
from lumen_workers.engine.execute import told
from lumen_workers.engine.regions import look_at

log = logging.getLogger(__name__)

HOLD: Final = timedelta(minutes=3)
"""How long one send may take before its end counts as unknown; what is told to be taken later still counts as sent."""

TRIES: Final = 6
BACKOFF: Final = timedelta(seconds=30)
"""A send that was surely not taken is tried again after 30 s, then each time twice as long after, six times in all."""

_BUDGET_S: Final = 20.0
"""A tick begins no further send after this, so that its lane stays free."""

_TOLD_AT_ONCE: Final = 50
_OWN_KINDS: Final = frozenset({"send_in_doubt", "send_failed"})
"""Alarms about sends; what goes wrong in telling them makes no alarm about an alarm."""


def report_sends(ctx: Context, run: Run, seal: Seal, digest: str) -> list[Send]:
    """What the winner of a whole day owes to the report's recipients; nothing for a day that still runs.

    The id does not depend on revision, run or region: each recipient gets one day's report once, whatever is retried.
    """
    if seal.provisional:
        return []
    payload = {
        "day": run.day.isoformat(),
        "revision": run.revision,
        "run_id": run.run_id,
        "region": run.lane_region,
        "digest": digest,
        "snapshot": snapshot_name(run.day, run.revision),
    }
    subject = f"{run.pipeline}/{run.day}"
    return [_send(ctx, "report", subject, to, payload, run.trace_id) for to in ctx.routes.report]


def deliver(ctx: Context) -> str:
    """Route new alarms, note sends whose end is unknown, send what is due. Returns one line."""
    # A tick that finds nothing to do should ask the store little: it may be far away.
    switches = ctx.store.switches.rows()
    if ctx.region in drained(switches) and look_at(ctx).executor(ctx.region) not in (None, ctx.region):
        return f"drained: {ctx.region} sends nothing, another region does"
    suppressed = any(switch.name == SUPPRESS for switch in switches)
    routed = 0 if suppressed else sum(_route(ctx, alarm) for alarm in ctx.store.notices.unrouted())
    ctx.store.sends.doubt()
    _tell_of_sends(ctx)
    sent = failed = 0
    ends = ctx.clock.monotonic() + _BUDGET_S
    while ctx.clock.monotonic() < ends and (claimed := ctx.store.sends.claim(ctx.holder, HOLD)) is not None:
        if _tell(ctx, claimed):
            sent += 1
        else:
            failed += 1
    return f"{routed} alarms routed, {sent} sent, {failed} not sent"


def _route(ctx: Context, alarm: Alarm) -> bool:
    payload = {
        "kind": alarm.kind,
        "severity": alarm.severity.value,
        "detail": alarm.detail,
        "facts": dict(alarm.facts),
        "ts": alarm.ts.isoformat(),
    }
    subject = alarm.key if alarm.occurrence == 1 else f"{alarm.key}#{alarm.occurrence}"
    recipients: Iterable[Recipient] = ctx.routes.alarms.get(alarm.severity.value, ())
    sends = [_send(ctx, "alarm", subject, to, payload, alarm.trace_id) for to in recipients]
    return ctx.store.notices.route(alarm, sends)


def _send(
    ctx: Context, kind: str, subject: str, to: Recipient, payload: Mapping[str, Any], trace_id: str | None
) -> Send:
    return Send(
        message_id=content_id(kind, subject, to.name),
        kind=kind,
        subject=subject,
        channel=to.channel,
        recipient=to.name,
        payload=payload,
        state=SendState.DUE,
        created=ctx.store.now(),
        trace_id=trace_id,
    )


def _tell(ctx: Context, send: Send) -> bool:
    """One claimed send, to its end as far as it can be known. StoreUnavailable leaves it in doubt.

    What goes wrong before the channel is asked is this machine's trouble (its disk, its view of the archive, its
    configuration): the send is due again, and another region may have better luck.
    """
    with ExitStack() as scratch:
        try:
            telling = _report(ctx, send, _scratch(ctx, scratch)) if send.kind == "report" else _of_alarm(send)
            channel = ctx.channels()[send.channel]
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (whatever this machine lacks)
            _not_taken(ctx, send, error, final=False)
            return False
        try:
            channel.tell(send.recipient, telling)
        except InDoubt as error:
            ctx.store.sends.settle(send, SendState.IN_DOUBT, detail=told(error))
            _tell_of(ctx, send, SendState.IN_DOUBT, told(error))
            return False
        except Exception as error:  # noqa: BLE001  (whatever a channel meets; surely not taken)
            _not_taken(ctx, send, error, final=not ctx.policies[ctx.judge(error).error_class].transient)
            return False
        # From here on it is taken, whatever happens.
        ctx.store.sends.settle(send, SendState.SENT, detail=f"taken by {send.channel}")
        return True


def _not_taken(ctx: Context, send: Send, error: Exception, *, final: bool) -> None:
    if not final and send.tries < TRIES:
        wait = max(BACKOFF * 2 ** (send.tries - 1), timedelta(seconds=ctx.judge(error).retry_after_s or 0))
        ctx.store.sends.settle(send, SendState.DUE, detail=told(error), not_before=ctx.store.now() + wait)
        return
    log.error("%s to %s: not sent: %s", send.subject, send.recipient, told(error))
    ctx.store.sends.settle(send, SendState.FAILED, detail=told(error))
    _tell_of(ctx, send, SendState.FAILED, told(error))


def _tell_of_sends(ctx: Context) -> None:
    """What is in doubt or has failed, and nobody has been told of: whoever settled it may have died behind that."""
    for send in ctx.store.sends.undecided(_TOLD_AT_ONCE):
        _tell_of(ctx, send, send.state, str(send.detail))


def _tell_of(ctx: Context, send: Send, state: SendState, why: str) -> None:
    """A person has to see to it, once. A way out that may repeat is used again instead."""
    channel = ctx.channels().get(send.channel)
    if state is SendState.IN_DOUBT and channel is not None and channel.repeatable:
        ctx.store.sends.decide(send.message_id, SendState.DUE, ctx.holder)
        return
    kind = f"send_{state.value}"
    key = f"{kind}/{send.message_id}"
    about_a_send = send.kind == "alarm" and send.payload.get("kind") in _OWN_KINDS
    if about_a_send or ctx.store.notices.alarm(key) is not None:
        return
    what = (
        f"was begun and its end is unknown ({why}); ask {send.recipient}, then `lumen outbox repeat|settle "
        f"{send.message_id}`"
        if state is SendState.IN_DOUBT
        else f"was not sent after {send.tries} tries: {why}; mend it, then `lumen outbox repeat {send.message_id}`"
    )
    ctx.store.notices.raise_alarm(
        key,
        kind,
        AlarmSeverity.TICKET,
        f"{send.kind} {send.subject} to {send.recipient} {what}",
        facts={"message_id": send.message_id, "recipient": send.recipient},
        trace_id=send.trace_id,
    )


def _scratch(ctx: Context, stack: ExitStack) -> Path:
    ctx.work.mkdir(parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory(dir=ctx.work, prefix="send-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(folder))


def _report(ctx: Context, send: Send, scratch: Path) -> Telling:
    """The day's report, its PDF from the archive's copy."""
    facts = send.payload
    folder = ctx.remote.fetch(facts["snapshot"], scratch / "snapshot")
    pdf = report_path(facts["day"], "pdf")
    return Telling(
        message_id=send.message_id,
        title=f"Lumen Resonance Report – {pdf.stem}",
        text=(
            f"Lumen Daily OK: {facts['day']}, revision {facts['revision']}.\n"
            f"Built and verified by {facts['region']}, run {facts['run_id']}.\nRoot {facts['digest']}."
        ),
        severity="info",
        ts=send.created,
        trace_id=send.trace_id,
        facts=dict(facts),
        attachments=(pick(folder, pdf, scratch / pdf.name),),
    )


def _of_alarm(send: Send) -> Telling:
    facts = send.payload
    title = "Lumen Daily FAIL" if facts["kind"] == "day_failed" else f"Lumen {facts['severity']}: {facts['kind']}"
    return Telling(
        message_id=send.message_id,
        title=title,
        text=facts["detail"],
        severity=facts["severity"],
        ts=send.created,
        trace_id=send.trace_id,
        facts={**facts["facts"], "kind": facts["kind"], "since": facts["ts"], "key": send.subject},
    )
