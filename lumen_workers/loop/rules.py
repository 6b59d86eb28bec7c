"""Changing a loop's rules: record first, then reach the loop, then note when the loop had it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumen_workers.domain.clock import iso, require_aware
from lumen_workers.domain.errors import ExternalApiError, NotFound, UsageError
from lumen_workers.domain.ports import Actuator, Store
from lumen_workers.domain.records import LoopSpec, RuleEvent, RuleSpec, RuleValue
from lumen_workers.domain.regions import PAUSE


class NotApplied(ExternalApiError):
    """A change is recorded, but its loop does not have it yet; it stays owed and is applied again later."""

    code = "not_applied"


@dataclass(frozen=True)
class _Undo:
    """A rollback that is about to be recorded: ``event`` is undone, its ``old`` comes back."""

    spec: RuleSpec
    event: RuleEvent
    note: str


class Rules:
    """The rules of the declared loops.

    A change is recorded (``old`` comes from the store), the actuator gets all of the loop's rules, and the event is
    marked with the store's time. A crash in between leaves the event unapplied, and ``apply_pending`` mends it.
    """

    def __init__(self, store: Store, loops: Mapping[str, LoopSpec], actuators: Callable[[LoopSpec], Actuator]) -> None:
        self._store = store
        self._loops = loops
        self._actuators = actuators

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
        """Change one rule and make the loop use it. Returns the event with ``applied_at``.

        Raises UsageError: unknown loop or rule, value out of bounds, or nothing would change. Raises NotApplied when
        the event is recorded but the loop could not be reached.
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
        """Undo the last automatic change of one rule (rollbacks that were automatic do not count).

        Raises UsageError when the rule has none, and otherwise as ``rollback``.
        """
        self._rule(self._loop(loop), rule)
        changes = [e for e in self._store.rules.events(loop, rule=rule) if e.automatic and e.undoes is None]
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
        """Apply the events that the loop does not have yet, oldest first; returns how many.

        Automatic ones wait while automatic changes are paused.

        Raises UsageError for a loop that is not declared, NotApplied when the loop cannot be reached.
        """
        spec = self._loop(loop)
        pending = self._store.rules.unapplied(loop)
        if any(switch.name == PAUSE for switch in self._store.switches.rows()):
            pending = [event for event in pending if not event.automatic]
        for event in pending:
            self._deliver(spec, event)
        return len(pending)

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
        """Make the loop use its rules as they are now, and note when it did."""
        actuator = self._actuators(spec)
        values: dict[str, float] | None = None
        # Two writers may cross: one reads the rules, the other records and applies, the first applies what it read.
        # So whoever applies looks again, until the loop has what the store has.
        while values != (latest := self._values(spec.name)):
            values = latest
            try:
                actuator.apply(spec.name, values, event)
            except Exception as error:
                raise NotApplied(
                    f"event {event.event_id} ({event.rule} of loop {event.loop!r}: {event.old:g} → {event.new:g}) is "
                    f"recorded, but actuator {actuator.name!r} failed, so the loop does not have it yet: {error}"
                ) from error
        self._store.rules.applied(event.event_id, self._store.now(), actuator.name)
        return self._store.rules.get(event.event_id)

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
