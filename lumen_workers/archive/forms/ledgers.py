"""Reads the ledgers of a folder: rule history, effects, quotes, risks, journal. Each fits in memory; samples do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from lumen_workers.archive.forms.effects import EventIndex, is_ours, read_effect
from lumen_workers.archive.forms.events import read_event
from lumen_workers.archive.forms.fields import Refused, instant, json_object
from lumen_workers.archive.forms.findings import FindEffect, read_quote, read_risk
from lumen_workers.archive.forms.journal import read_journal_line
from lumen_workers.archive.forms.lines import lines
from lumen_workers.archive.forms.names import EFFECTS, HISTORY, QUOTES, RISKS
from lumen_workers.archive.forms.outcome import FileReport
from lumen_workers.archive.forms.quarantine import Quarantine
from lumen_workers.archive.forms.tables import table_rows
from lumen_workers.domain.clock import iso, to_us
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import JournalEntry
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Effect, EffectStatus, Quote, Risk, RuleEvent
from lumen_workers.effects.windows import around

Record = TypeVar("Record", Quote, Risk)


class Ledgers:
    """One import's reading of one folder's ledgers; to be called in the order history, effects, quotes, risks."""

    def __init__(self, store: Store, loop: str, refused: Quarantine) -> None:
        self._store = store
        self._loop = loop
        self._refused = refused
        self._new_effects: list[Effect] = []
        self._local_ids: dict[str, str] = {}

    def history(self, path: Path) -> FileReport:
        """Rule events, stored in the order of their ``ts`` whatever the file's order."""
        rows: list[tuple[datetime, int, bytes, dict[str, Any]]] = []
        for number, line in lines(path):
            try:
                row = json_object(line)
                rows.append((instant(row, "ts"), number, line, row))
            except Refused as bad:
                self._refused.put(HISTORY, number, line, bad.reason)
        rows.sort(key=lambda item: item[:2])
        events: dict[str, RuleEvent] = {}
        current: dict[str, float] = {}
        for _, number, line, row in rows:
            try:
                event = read_event(row, self._loop, current)
                if event.event_id in events:
                    raise Refused("duplicate")
            except Refused as bad:
                self._refused.put(HISTORY, number, line, bad.reason)
                continue
            events[event.event_id] = event
            current[event.rule] = event.new
        added = self._store.rules.insert(list(events.values())) if events else 0
        return self._report(HISTORY, len(events), added)

    def effects(self, path: Path) -> FileReport:
        """Effects of events that the store knows by now; counts that a file lacks are those of the stored samples."""
        index = EventIndex(self._store.rules.events(self._loop))
        known = {effect.effect_id for _, effect in self._store.effects.rows(self._loop)}
        effects: dict[str, Effect] = {}
        for number, line, row in table_rows(path):
            try:
                if row is None:
                    raise Refused("fields")
                effect = read_effect(row, index)
                if effect.effect_id in effects:
                    raise Refused("duplicate")
            except Refused as bad:
                self._refused.put(EFFECTS, number, line, bad.reason)
                continue
            if given := row.get("event_id"):
                self._local_ids[content_id("ef", given, effect.options.key())] = effect.effect_id
            effects[effect.effect_id] = effect if is_ours(row) else self._counted(effect)
        added = self._store.effects.add(list(effects.values())) if effects else 0
        self._new_effects = [effect for effect_id, effect in effects.items() if effect_id not in known]
        return self._report(EFFECTS, len(effects), added)

    def quotes(self, path: Path) -> FileReport:
        """Quotes as they are."""
        found = self._findings(path, QUOTES, read_quote, lambda quote: quote.quote_id)
        return self._report(QUOTES, len(found), self._store.findings.insert(found, []) if found else 0)

    def risks(self, path: Path) -> FileReport:
        """Risks as they are."""
        found = self._findings(path, RISKS, read_risk, lambda risk: risk.risk_id)
        return self._report(RISKS, len(found), self._store.findings.insert([], found) if found else 0)

    def journal(self, kind: str, name: str, path: Path) -> FileReport:
        """Lines of the journal as they are: what they tell of is not done again, and no gateway moves."""
        entries: dict[str, JournalEntry] = {}
        for number, line in lines(path):
            try:
                entry = read_journal_line(kind, line, self._loop)
                if entry.entry_id in entries:
                    raise Refused("duplicate")
            except Refused as bad:
                self._refused.put(name, number, line, bad.reason)
                continue
            # In the file's order, where several are of one instant.
            entries[entry.entry_id] = replace(entry, seq=number)
        added = self._store.journal.insert(list(entries.values())) if entries else 0
        return self._report(name, len(entries), added)

    def mark_spoken(self) -> None:
        """The effects that were new in this import have had their findings: those of the folder."""
        for effect in self._new_effects:
            if effect.status is EffectStatus.COMPUTED:
                self._store.findings.record(effect.effect_id, None, None)

    def _counted(self, effect: Effect) -> Effect:
        event = self._store.rules.get(effect.event_id)
        windows = around(to_us(event.applied_at or event.ts), effect.options)
        count = self._store.samples.count
        return replace(
            effect,
            n_pre=count(self._loop, windows.pre_start, windows.pre_end),
            n_post=count(self._loop, windows.post_start, windows.post_end),
        )

    def _findings(
        self,
        path: Path,
        name: str,
        read: Callable[[Mapping[str, Any], str, FindEffect], Record],
        key: Callable[[Record], str],
    ) -> list[Record]:
        index = EventIndex(self._store.rules.events(self._loop))
        effect_of: dict[str, str] = {}
        for event, effect in self._store.effects.rows(self._loop):
            effect_of.setdefault(event.event_id, effect.effect_id)

        def find(given: str, ts: datetime, rule_name: str) -> str:
            if given in self._local_ids:
                return self._local_ids[given]
            event = index.find(None, ts, rule_name, None)
            if event is not None and event.event_id in effect_of:
                return effect_of[event.event_id]
            return content_id("ef", self._loop, iso(ts), rule_name)

        found: dict[str, Record] = {}
        for number, line in lines(path):
            try:
                record = read(json_object(line), self._loop, find)
                if key(record) in found:
                    raise Refused("duplicate")
            except Refused as bad:
                self._refused.put(name, number, line, bad.reason)
                continue
            found[key(record)] = record
        return list(found.values())

    def _report(self, name: str, good: int, added: int) -> FileReport:
        refused = self._refused.counts(name)
        rows = good + sum(refused.values())
        return FileReport(path=name, rows=rows, added=added, known=good - added, refused=refused)
