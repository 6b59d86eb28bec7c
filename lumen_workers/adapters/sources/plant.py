"""The reference plant as a source: its values follow the rule events in the store (see ``loop.plant``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.options import PlantSourceOptions
from lumen_workers.adapters.sources.polled import PolledSource, Tick
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec, RuleEvent
from lumen_workers.domain.signals import Reading
from lumen_workers.loop.plant import DEFAULT_GAINS, SATURATED, Drive, Noise, PlantOptions, drive, sample

_POLL_S = 0.25
_MARGIN_S = 600.0
_OPEN_S = 0.25


class PlantSource(PolledSource):
    """``plant``. A thread reads the events every 0.25 s; while the store is away the last ones known hold."""

    def __init__(self, spec: LoopSpec, options: PlantSourceOptions, store: Store) -> None:
        super().__init__(spec)
        self._options = plant_options(options, spec)
        self._store = store
        self._noise = Noise(self._options)
        self._drive: Drive | None = None
        self._open_events: dict[str, RuleEvent] = {}
        self._seen: Mapping[str, str | None] | None = None
        self._loaded = threading.Event()

    def _start(self) -> None:
        self._drive, self._seen, self._open_events = None, None, {}
        self._loaded.clear()
        self._thread = Background(f"plant-{self._spec.name}", self._poll)
        self._loaded.wait(_OPEN_S)  # a store that answers makes the first tick whole

    def _measure(self, tick: Tick) -> Reading | None:
        if self._drive is None:
            self._problems.note("store", "the rule events have not been read yet")
            return None
        values = sample(self._options, self._drive, self._noise, tick.us, self._spec.rate_hz)
        return Reading(*values.tolist())

    def _poll(self) -> float:
        try:
            self._load()
        except LumenError as err:
            self._problems.note("store", f"the last known rules hold: {err}")
        else:
            self._loaded.set()
        return _POLL_S

    def _load(self) -> None:
        """Rebuild the drive when a rule has changed, or while a change waits to be applied.

        Only events whose response may still move are read; older ones are in the ``old`` of the first read one, or
        in the current value of a rule that has none. Current values are read first: an event that commits in
        between is then in the events, and ``old`` tells what was before it.
        """
        rules = self._store.rules
        current = rules.current(self._spec.name)
        seen = {rule: value.event_id for rule, value in current.items()}
        waiting = any(event.pending for event in self._open_events.values())
        if seen == self._seen and not waiting:
            return
        now = self._store.now()
        tail = timedelta(seconds=SATURATED * self._options.tau_s)
        first = now - tail - timedelta(seconds=_MARGIN_S)
        known = [*self._open_events.values(), *rules.unapplied(self._spec.name)]
        events = rules.events(self._spec.name, start=min([first, *(event.ts for event in known)]))
        before: dict[str, float] = {}
        for event in sorted(events, key=lambda event: event.seq):
            before.setdefault(event.rule, event.old)
        for rule, value in current.items():
            before.setdefault(rule, value.value)
        initial = {name: rule.initial for name, rule in self._spec.rules.items()}
        moved = {rule: value - initial[rule] for rule, value in before.items() if rule in initial}
        self._drive = drive(self._options, events, moved)
        self._open_events = {
            event.event_id: event
            for event in events
            if event.pending or (event.applied_at is not None and event.applied_at > now - tail)
        }
        self._seen = seen


def plant_options(options: PlantSourceOptions, spec: LoopSpec) -> PlantOptions:
    """The options of the pure plant. The default gains are those of the rules that the loop declares."""
    default = {rule: DEFAULT_GAINS[rule] for rule in spec.rules if rule in DEFAULT_GAINS}
    given = options.gains
    return PlantOptions(
        base=options.base.model_dump(),
        phi=options.phi,
        sd=options.sd,
        tau_s=options.tau_s,
        gains=default if given is None else {rule: gains.model_dump() for rule, gains in given.items()},
        seed=options.seed,
    )
