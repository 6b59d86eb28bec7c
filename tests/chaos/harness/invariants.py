"""What must hold after every event. Each check returns what is violated, in words; an empty list: it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from lumen_workers.adapters.store import SqlStore
from lumen_workers.archive.evidence import verify_day
from lumen_workers.archive.layout import snapshot_name
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.domain.notices import SendState
from lumen_workers.domain.runs import OwedState, Run, RunStatus
from lumen_workers.engine.flow import CROSS_VERIFY, owed_key
from lumen_workers.engine.outbox import TRIES
from lumen_workers.engine.requests import REQUEST
from lumen_workers.engine.tickets import failed_stage, ticket_key
from lumen_workers.trust.audit.rows import GENESIS, hash_of

PIPELINE: Final = "daily"
GRAVE: Final = frozenset({"digest_mismatch", "cross_verify_failed", "not_started"})
"""Alarms that no event may bring about."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is looked at. ``readers``: who is to get each day's report and can tell what came (not the log)."""

    store: SqlStore
    archive: Path
    pins: Mapping[str, str]
    roots: tuple[str, ...]
    received: Mapping[tuple[str, str], int]
    readers: Sequence[str]


def one_result(scene: Scene, day: date) -> list[str]:
    """Exactly one result for each sealed revision that has ended well, won by the one run that is done."""
    found: list[str] = []
    runs = scene.store.runs.rows(pipeline=PIPELINE, day=day)
    results = Counter(result.revision for result in scene.store.runs.results(PIPELINE, day))
    for revision, count in results.items():
        if count != 1:
            found.append(f"{day} r{revision} has {count} results")
    for seal in scene.store.runs.seals(PIPELINE, day):
        mine = [run for run in runs if run.revision == seal.revision]
        winners = [run.run_id for run in mine if run.status is RunStatus.DONE]
        result = scene.store.runs.result(PIPELINE, day, seal.revision)
        if result is None:
            if ended := [run.run_id for run in mine if run.status in (RunStatus.DONE, RunStatus.SUPERSEDED)]:
                found.append(f"{day} r{seal.revision} has no result, but {', '.join(ended)} ended well")
            continue
        if winners != [result.run_id]:
            found.append(f"{day} r{seal.revision}: {result.run_id} has the result, done are {winners}")
        others = [run for run in mine if run.digest not in (None, result.digest)]
        found += [f"{run.run_id} built {run.digest}, the result is {result.digest}" for run in others]
    return found


def archived(scene: Scene, day: date) -> list[str]:
    """The archive's copy of every result verifies, signed and attested by the winner, and has the result's digest."""
    found: list[str] = []
    for result in scene.store.runs.results(PIPELINE, day):
        name = snapshot_name(day, result.revision)
        verification = verify_snapshot(
            scene.archive / name, pinned=scene.pins, require=(result.region,), day=day, revision=result.revision
        )
        found += [f"{name} {fault.path}: {fault.reason}" for fault in verification.faults]
        now = scene.store.now()
        evidence = verify_day(scene.archive / name, result.region, roots=scene.roots, now=now, day=day)
        if not evidence.ok:
            found.append(f"{name}: the evidence of {result.region}: {evidence.reason}")
        if verification.root != result.digest:
            found.append(f"{name} has root {verification.root}, the result is {result.digest}")
    return found


def ended(scene: Scene, day: date) -> list[str]:
    """Every run is final, and every region's last word is a run that ended well or one that people were told of."""
    found: list[str] = []
    runs = scene.store.runs.rows(pipeline=PIPELINE, day=day)
    found += [f"{run.run_id} is still {run.status}" for run in runs if not run.status.final]
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.attempt):
        newest[run.region] = run
    for run in newest.values():
        if run.status is RunStatus.FAILED and not _told(scene, run):
            found.append(f"{run.run_id} has failed and nobody was told: {run.error}")
        if run.status is RunStatus.LOST and scene.store.notices.alarm(f"lost/{run.run_id}") is None:
            found.append(f"{run.run_id} is lost, nothing follows it, and nobody was told")
    return found


def _told(scene: Scene, run: Run) -> bool:
    letters = scene.store.notices.letters()
    has_letter = any(letter.trace_id == run.trace_id and run.run_id in letter.payload for letter in letters)
    return has_letter and scene.store.notices.alarm(ticket_key(run, failed_stage(run))) is not None


def done_or_ticketed(scene: Scene, day: date) -> list[str]:
    """The day has its result, or every region that was asked has failed it and said so. What is owed is settled."""
    found: list[str] = []
    runs = scene.store.runs.rows(pipeline=PIPELINE, day=day)
    if not scene.store.runs.results(PIPELINE, day) and not any(run.status is RunStatus.FAILED for run in runs):
        found.append(f"{day} was asked for, and has neither a result nor a failure")
    requests = [row for row in scene.store.owed.rows(REQUEST) if row.payload.get("day") == day.isoformat()]
    open_ = [row for row in requests if row.state is not OwedState.DONE]
    found += [f"request {row.key} to {row.region} is {row.state}: {row.detail}" for row in open_]
    owed = {row.key: row for row in scene.store.owed.rows(CROSS_VERIFY)}
    for result in scene.store.runs.results(PIPELINE, day):
        check = owed.get(owed_key(PIPELINE, day, result.revision))
        if check is None:
            found.append(f"{day} r{result.revision}: nobody owes its cross-verification")
        elif check.state is not OwedState.DONE:
            found.append(f"{check.key}: its cross-verification is {check.state}: {check.detail}")
        elif check.done_by == result.region:
            found.append(f"{check.key}: {check.done_by} has cross-verified its own result")
    return found


def told_once(scene: Scene, _: date) -> list[str]:
    """Nobody got the same message twice."""
    return [f"{who} got {message} {count} times" for (who, message), count in scene.received.items() if count > 1]


def distributed(scene: Scene, day: date) -> list[str]:
    """Each reader has one send of the day's report, which has come or of which people know that it may not have.

    A send that is still held belongs to ``late``: its end is known when its time has run out.
    """
    found: list[str] = []
    sends = [s for s in scene.store.sends.rows() if s.kind == "report" and s.subject == f"{PIPELINE}/{day}"]
    whole = {seal.revision for seal in scene.store.runs.seals(PIPELINE, day) if not seal.provisional}
    owed = any(result.revision in whole for result in scene.store.runs.results(PIPELINE, day))
    counts = Counter(send.recipient for send in sends)
    wrong = [reader for reader in scene.readers if counts[reader] != owed]
    found += [f"{day}: {counts[reader]} sends to {reader}, {int(owed)} is owed" for reader in wrong]
    for send in sends:
        came = scene.received.get((send.recipient, send.message_id), 0)
        if send.state is SendState.SENT and send.recipient in scene.readers and came != 1:
            found.append(f"{send.message_id} to {send.recipient} is sent, and came {came} times")
        if send.state in (SendState.IN_DOUBT, SendState.FAILED):
            kind = "send_in_doubt" if send.state is SendState.IN_DOUBT else "send_failed"
            if scene.store.notices.alarm(f"{kind}/{send.message_id}") is None:
                found.append(f"{send.message_id} to {send.recipient} is {send.state}, and nobody was told")
        if send.state is SendState.DUE and (came or not 0 < send.tries < TRIES):
            found.append(
                f"{send.message_id} to {send.recipient} is due after {send.tries} tries, and came {came} times"
            )
    return found


def audited(scene: Scene, _: date) -> list[str]:
    """Every audit chain is whole: its numbers follow each other, its hashes hold, its head is its last line."""
    found: list[str] = []
    for chain, (length, head) in scene.store.audit.chains().items():
        seq, before = 0, GENESIS
        for entry in scene.store.audit.walk(chain):
            if (entry.seq, entry.prev) != (seq + 1, before):
                found.append(f"audit {chain}: line {entry.seq} does not follow line {seq}")
            if hash_of(entry) != entry.hash:
                found.append(f"audit {chain}: line {entry.seq} is not what was hashed")
            seq, before = entry.seq, entry.hash
        if seq < length or (seq == length and before != head):
            found.append(f"audit {chain}: the head is line {length}, the chain ends at line {seq} or otherwise")
    return found


def no_grave_alarm(scene: Scene, _: date) -> list[str]:
    """Neither region built something else than the other, and no copy in the archive is damaged."""
    return [f"alarm {a.key}: {a.detail}" for a in scene.store.notices.alarms() if a.kind in GRAVE]


CHECKS: Final[tuple[Callable[[Scene, date], list[str]], ...]] = (
    one_result,
    archived,
    ended,
    done_or_ticketed,
    told_once,
    distributed,
    audited,
    no_grave_alarm,
)


def violations(scene: Scene, day: date) -> list[str]:
    """Everything that is violated about a day."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(scene, day)]
