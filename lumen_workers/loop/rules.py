"""Changing a loop's rules: record first, then reach the loop, then note when the loop had it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumen_workers.domain.clock import iso, require_aware
from lumen_workers.domain.errors import ExternalApiError, NotFound, UsageError
from lumen_workers.domain.ports import Ack, Actuator, Store
from lumen_workers.domain.records import LoopSpec, RuleEvent, RuleSpec, RuleValue
from lumen_workers.domain.regions import PAUSE
from lumen_workers.loop.deadline import patience


class NotApplied(ExternalApiError):
    """A change is recorded, but its loop does not have it yet; it stays owed and is applied again later."""

    code = "not_applied"


class ChangeFailed(NotApplied):
    """A change is recorded, but its loop refused it, so it was taken back."""

    transient = False


@dataclass(frozen=True)
class _Undo:
    """A rollback that is about to be recorded: ``event`` is undone, its ``old`` comes back."""

    spec: RuleSpec
    event: RuleEvent
    note: str


class Rules:
    """The rules of the declared loops.

    A change is recorded (``old`` comes from the store), the actuator gets all of the loop's rules, and the event is
    marked when the loop has acknowledged it. A crash in between leaves the event unapplied, and ``apply_pending`` mends
    it. A loop has a time to acknowledge a change in (``loop.deadline``); what it does not take is taken back.

    ``refused`` tells an actuator's error that no second try will mend; ``by`` is this process in the audit log.
    """

    def __init__(
        self,
        store: Store,
        loops: Mapping[str, LoopSpec],
        actuators: Callable[[LoopSpec], Actuator],
        *,
        refused: Callable[[Exception], bool] = lambda _: False,
        by: str = "lumen",
    ) -> None:
        self._store = store
        self._loops = loops
        self._actuators = actuators
        self._refused = refused
        self._by = by

    def get(self, loop: str) -> dict[str, RuleValue]:
        """The loop's rules by name: the last value each was set to, else its declared initial.

        Raises UsageError for a loop that is neither declared nor in the store.
        """
        spec = self._readable(loop)
        declared = {} if spec is None else spec.rules
        values = {name: RuleValue(rule=name, value=rule.initial) for name, rule in declared.items()}
        return dict(sorted({**values, **self._store.rules.current(loop)}.items()))

    def set(
        self, loop: str, rule: str, value: float, *, actor: str, note: str = "", automatic: bool = False
    ) -> RuleEvent:
        """Change one rule and tell the loop. Returns the event, with ``applied_at`` if the loop has acknowledged it.

        Raises UsageError: unknown loop or rule, value out of bounds, or nothing would change. Raises NotApplied when
        the event is recorded but the loop could not be reached; ChangeFailed when it refused the change.
        """
        spec = self._loop(loop)
        event = self._store.rules.append(
            loop, self._rule(spec, rule), value, actor=actor, note=note, automatic=automatic
        )
        return self._deliver(spec, event)

    def rollback(self, event_id: str, *, actor: str, note: str = "", automatic: bool = False) -> RuleEvent:
        """Undo one event by a new one that sets its rule to the event's ``old``. Returns the new event.

        The event need not be the latest of its rule: then the rule goes back to what it was before that event, and
        what later events did to it is undone with it. Rolling back a rollback redoes. Raises NotFound, UsageError
        (the rule has that value already, or is no longer declared or allowed), NotApplied.
        """
        undo = self._undo(self._store.rules.get(event_id), note)
        return self._commit([undo], actor, automatic=automatic)[0]

    def rollback_automatic(self, loop: str, rule: str, *, actor: str, note: str = "") -> RuleEvent:
        """Undo the last automatic change of one rule (rollbacks do not count, nor does what the loop did not take).

        Raises UsageError when the rule has none, and otherwise as ``rollback``.
        """
        self._rule(self._loop(loop), rule)
        events = self._store.rules.events(loop, rule=rule)
        changes = [e for e in events if e.automatic and e.undoes is None and e.failed_at is None]
        if not changes:
            raise UsageError(f"rule {rule!r} of loop {loop!r} has no automatic change to roll back")
        return self.rollback(changes[-1].event_id, actor=actor, note=note)

    def rollback_to(
        self, loop: str, when: datetime, *, actor: str, rule: str | None = None, note: str = ""
    ) -> tuple[RuleEvent, ...]:
        """Give every rule of the loop (or one) the value that it had at ``when``; one new event for each that differs.

        Events up to and including ``when`` stay. Each new event undoes the first later one of its rule. Nothing is
        recorded unless every value is allowed. Raises UsageError when no rule differs, and otherwise as ``rollback``.
        """
        spec = self._loop(loop)
        if rule is not None:
            self._rule(spec, rule)
        when = require_aware(when, "time")
        first: dict[str, RuleEvent] = {}
        for event in self._store.rules.events(loop, start=when + timedelta(microseconds=1), rule=rule):
            first.setdefault(event.rule, event)
        current = self._store.rules.current(loop)
        undos = [
            self._undo(event, f"to {iso(when)}" + (f"; {note}" if note else ""))
            for name, event in sorted(first.items())
            if current[name].value != event.old
        ]
        if not undos:
            what = "no rule" if rule is None else f"rule {rule!r}"
            raise UsageError(f"{what} of loop {loop!r} differs from what it was at {iso(when)}: nothing to roll back")
        return self._commit(undos, actor)

    def apply_pending(self, loop: str) -> int:
        """Tell the loop what it does not have yet; returns how many changes it has acknowledged.

        What it has not acknowledged in time is failed first: noted, taken back, ticketed. Automatic changes wait while
        they are paused.

        Raises UsageError for a loop that is not declared, NotApplied when the loop cannot be reached.
        """
        spec = self._loop(loop)
        if not self._store.rules.unapplied(loop):
            return 0
        actuator = self._actuators(spec)
        count = self._end_wait(spec, actuator)
        if pending := self._waiting(loop):
            count += self._tell(spec, pending[-1], actuator)
        return count

    def acknowledge(self, event_id: str, applied_at: datetime | None = None, *, way: str) -> int:
        """The loop has told us that it has an event, and so all before it; returns how many changes that applied.

        ``applied_at``: since when, by the loop's word; ``way``: the actuator's name. What has failed stays so. Raises
        NotFound.
        """
        event = self._store.rules.get(event_id)
        self._loop(event.loop)
        return self._note(event, Ack(applied_at=applied_at), way, self._store.rules.unapplied(event.loop))

    def list(
        self,
        loop: str | None = None,
        *,
        rule: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Sequence[RuleEvent]:
        """The rule history by ``ts`` (start inclusive, end exclusive), oldest first, of one loop or of all.

        Raises UsageError for a loop that is neither declared nor in the store, and for a rule that it never had.
        """
        if loop is not None:
            known = self.get(loop)
            if rule is not None and rule not in known:
                raise UsageError(_unknown("rule", rule, known, f"loop {loop!r}"))
        return self._store.rules.events(loop, start=start, end=end, rule=rule)

    def _undo(self, event: RuleEvent, note: str) -> _Undo:
        """Check that ``event`` can be undone now."""
        spec = self._rule(self._loop(event.loop), event.rule)
        if not spec.min <= event.old <= spec.max:
            raise UsageError(
                f"event {event.event_id} cannot be rolled back: {event.rule} was {event.old:g} before it, "
                f"and only {spec.min:g} to {spec.max:g} is allowed now"
            )
        present = self._store.rules.current(event.loop)[event.rule].value
        if present == event.old:
            raise UsageError(
                f"event {event.event_id} has nothing to roll back: {event.rule} is {present:g} already, as before it"
            )
        return _Undo(spec, event, f"rollback of {event.event_id}" + (f": {note}" if note else ""))

    def _commit(self, undos: Sequence[_Undo], actor: str, *, automatic: bool = False) -> tuple[RuleEvent, ...]:
        """Record every rollback, then apply them: a loop that cannot be reached still owes all of them."""
        events = [
            self._store.rules.append(
                undo.event.loop,
                undo.spec,
                undo.event.old,
                actor=actor,
                note=undo.note,
                automatic=automatic,
                undoes=undo.event.event_id,
            )
            for undo in undos
        ]
        return tuple(self._deliver(self._loop(event.loop), event) for event in events)

    def _deliver(self, spec: LoopSpec, event: RuleEvent) -> RuleEvent:
        """Tell the loop its rules, and return the event with what became of it."""
        self._tell(spec, event, self._actuators(spec))
        return self._store.rules.get(event.event_id)

    def _tell(self, spec: LoopSpec, event: RuleEvent, actuator: Actuator) -> int:
        """Tell the loop its rules as they are now; returns how many changes its acknowledgement made applied."""
        values: dict[str, float] | None = None
        ack: Ack | None = None
        # Two writers may cross: one reads the rules, the other records and applies, the first applies what it read.
        # So whoever applies looks again, until the loop has what the store has.
        while values != (latest := self._values(spec.name)):
            values = latest
            try:
                ack = actuator.apply(spec.name, values, event)
            except Exception as error:
                raise self._unreached(spec, event, actuator, error) from error
        return 0 if ack is None else self._note(event, ack, actuator.name, self._waiting(spec.name))

    def _unreached(self, spec: LoopSpec, event: RuleEvent, actuator: Actuator, error: Exception) -> NotApplied:
        """What to raise for a loop that was not told; a refusal ends the wait for its acknowledgement."""
        change = f"{event.rule} of loop {event.loop!r}: {event.old:g} → {event.new:g}"
        why = f"actuator {actuator.name!r} failed: {error}"
        refused = patience(spec) is not None and self._refused(error)
        # It was told the whole state, so all that is open in it was refused.
        if refused and self._fail(spec, self._store.rules.unapplied(spec.name), why):
            return ChangeFailed(f"event {event.event_id} ({change}) was refused, so it is taken back: {why}")
        return NotApplied(
            f"event {event.event_id} ({change}) is recorded, but actuator {actuator.name!r} failed, so the loop does "
            f"not have it yet: {error}"
        )

    def _waiting(self, loop: str) -> Sequence[RuleEvent]:
        """What the loop should have now. Automatic changes wait while they are paused; taking one back does not."""
        pending = self._store.rules.unapplied(loop)
        held = [event for event in pending if event.automatic and not event.repair]
        if held and any(switch.name == PAUSE for switch in self._store.switches.rows()):
            return [event for event in pending if event not in held]
        return pending

    def _note(self, event: RuleEvent, ack: Ack, actuator: str, pending: Sequence[RuleEvent]) -> int:
        """The loop has ``event`` and what came before it of ``pending``. Returns how many that made applied.

        They count as applied when the loop says so, if that lies between the change and now by the store's clock; else
        now, when we learn of it.
        """
        if ack.event_id is not None and ack.event_id != event.event_id:
            older = next((known for known in pending if known.event_id == ack.event_id), None)
            if older is None:
                return 0  # of a change that the loop has had for long
            event = older
        now, said = self._store.now(), ack.applied_at
        count = 0
        for each in (*(known for known in pending if known.seq < event.seq), event):
            at = said if said is not None and each.ts <= said <= now else now
            count += self._store.rules.applied(each.event_id, at, actuator, by=self._by)
        return count

    def _fail(self, spec: LoopSpec, events: Sequence[RuleEvent], why: str) -> int:
        """The loop did not take these, oldest first. Returns how many were failed by us."""
        fail = self._store.rules.fail
        done = [fail(event.event_id, spec.rules.get(event.rule), why, by=self._by)[0] for event in events]
        return sum(done)

    def _end_wait(self, spec: LoopSpec, actuator: Actuator) -> int:
        """Fail what was not acknowledged in time. Returns how many were, only that nobody had looked since."""
        limit, pending, now = patience(spec), self._store.rules.unapplied(spec.name), self._store.now()
        late = [event for event in pending if limit and not event.repair and now - event.ts > limit]
        if limit is None or not late:
            return 0
        ack: Ack | None = None
        with suppress(Exception):  # a loop that cannot be asked has not answered
            ack = actuator.acknowledged(spec.name, pending[-1])
        count = 0 if ack is None else self._note(pending[-1], ack, actuator.name, pending)
        # One that has been acknowledged just now does not fail.
        self._fail(spec, late, f"no acknowledgement within {limit.total_seconds():g} s")
        return count

    def _values(self, loop: str) -> dict[str, float]:
        return {name: value.value for name, value in self.get(loop).items()}

    def _loop(self, name: str) -> LoopSpec:
        spec = self._loops.get(name)
        if spec is None:
            raise NotFound(_unknown("loop", name, self._loops, "loops.yaml"))
        return spec

    def _readable(self, name: str) -> LoopSpec | None:
        """The declared loop; None for one that only the store knows (an imported one)."""
        if name not in self._loops and name not in (stored := self._store.loops.rates()):
            raise NotFound(_unknown("loop", name, {**self._loops, **stored}, "this home"))
        return self._loops.get(name)

    @staticmethod
    def _rule(spec: LoopSpec, name: str) -> RuleSpec:
        rule = spec.rules.get(name)
        if rule is None:
            raise NotFound(_unknown("rule", name, spec.rules, f"loop {spec.name!r}"))
        return rule


def _unknown(what: str, name: str, known: Mapping[str, object], where: str) -> str:
    """One line that names what there is."""
    names = ", ".join(sorted(known)) or "none"
    return f"unknown {what} {name!r}; {where} has: {names}"
