"""Reads the schedule's data and tells slots. A slot is the instant (µs, store time) at which an entry was last due."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import ConfigError

_KEYS = ("run", "every_s", "cron", "regions", "spread_s")

_CRON_TERM = r"(\*(/[1-9]\d*)?|\d+(-\d+(/[1-9]\d*)?)?)"
_CRON_FIELD = re.compile(rf"{_CRON_TERM}(,{_CRON_TERM})*")
"""What cronsim and Celery's beat both read, and read alike: numbers, ranges, steps and lists."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the schedule: exactly one of ``every_s`` (seconds) and ``cron`` (five fields, in ``zone``).

    ``spread_s``: a pipeline's regions begin so many seconds apart at most, so that they do not all come at once.
    """

    name: str
    run: str
    every_s: float | None
    cron: str | None
    regions: tuple[str, ...]
    zone: ZoneInfo
    spread_s: float = 0.0

    def wait(self, region: str, slot: int) -> float:
        """How many seconds after ``slot`` a region begins: 0 to ``spread_s``, the same however often it is asked."""
        digest = hashlib.sha256(f"{self.name}/{region}/{slot}".encode()).digest()
        return self.spread_s * int.from_bytes(digest[:8]) / 2**64

    def slot(self, now: datetime) -> int:
        """The last due instant at or before ``now``, in µs."""
        if self.every_s is not None:
            period = round(self.every_s * US)
            return to_us(now) // period * period
        return to_us(self.due_before(now))

    def due_before(self, now: datetime) -> datetime:
        """The last due instant at or before ``now`` of a cron entry."""
        return next(self.back(now))

    def due_after(self, now: datetime) -> datetime:
        """The next due instant after ``now`` of a cron entry."""
        if self.cron is None:
            raise ValueError(f"{self.name} is not a cron entry")
        return next(CronSim(self.cron, now.astimezone(self.zone)))

    def back(self, now: datetime) -> Iterator[datetime]:
        """The due instants at or before ``now`` of a cron entry, newest first."""
        if self.cron is None:
            raise ValueError(f"{self.name} is not a cron entry")
        local = now.astimezone(self.zone)
        if local.second == 0 and local.microsecond == 0:
            # The reverse search is exclusive; a look from one second later finds `now` itself.
            local = local.replace(second=1)
        return (due for due in CronSim(self.cron, local, reverse=True) if due <= now)

    @property
    def cadence(self) -> str:
        """For people: ``every 5 s`` or ``5 9 * * * (Asia/Seoul)``."""
        return f"every {self.every_s:g} s" if self.every_s is not None else f"{self.cron} ({self.zone.key})"


def parse(
    data: Any, *, known: Collection[str], regions: tuple[str, ...], zone: ZoneInfo, origin: str
) -> dict[str, Entry]:
    """The schedule's entries, checked. Raises ConfigError naming ``origin``, the entry and what is allowed."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{origin}: SCHEDULE is a dict of entries by name, not a {type(data).__name__}")
    entries: dict[str, Entry] = {}
    for name, row in data.items():
        where = f"{origin}: entry {name!r}"
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{where}: an entry's name is a text")
        if not isinstance(row, Mapping):
            raise ConfigError(f"{where}: needs a dict with run, every_s or cron, and regions")
        if unknown := [key for key in row if key not in _KEYS]:
            raise ConfigError(f"{where}: unknown key {unknown[0]!r} (known: {', '.join(_KEYS)})")
        entries[name] = Entry(
            name=name,
            run=_run(where, row.get("run"), known),
            every_s=_every(where, row),
            cron=_cron(where, row["cron"], zone) if "cron" in row else None,
            regions=_regions(where, row.get("regions", "all"), regions),
            zone=zone,
            spread_s=_spread(where, row),
        )
        _once(where, entries[name], entries)
    return entries


def _once(where: str, entry: Entry, entries: Mapping[str, Entry]) -> None:
    """A region has one entry for a tick: slots are told by it."""
    for other in entries.values():
        if other is not entry and other.run == entry.run and (twice := set(other.regions) & set(entry.regions)):
            raise ConfigError(f"{where}: {other.name!r} runs {entry.run} in {', '.join(sorted(twice))} already")


def _run(where: str, value: Any, known: Collection[str]) -> str:
    if value in known:
        return str(value)
    close = difflib.get_close_matches(str(value), known, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{where}: unknown tick or pipeline {value!r}{hint} (known: {', '.join(sorted(known))})")


def _every(where: str, row: Mapping[str, Any]) -> float | None:
    if ("every_s" in row) == ("cron" in row):
        raise ConfigError(f"{where}: give one of every_s and cron")
    if "every_s" not in row:
        return None
    value = row["every_s"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 86_400:
        raise ConfigError(f"{where}: every_s is a number of seconds from 1 to 86400, not {value!r}")
    return float(value)


def _spread(where: str, row: Mapping[str, Any]) -> float:
    value = row.get("spread_s", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise ConfigError(f"{where}: spread_s is a number of seconds from 0 to 3600, not {value!r}")
    if value and "cron" not in row:
        raise ConfigError(f"{where}: spread_s goes with cron")
    return float(value)


def _cron(where: str, value: Any, zone: ZoneInfo) -> str:
    try:
        if not isinstance(value, str) or len(value.split()) != 5:
            raise CronSimError("needs five fields")
        for field in value.split():
            if not _CRON_FIELD.fullmatch(field):
                raise CronSimError(f"{field!r} is not made of numbers, '*', '-', '/' and ','")
        if "7" in re.findall(r"\d+", re.sub(r"/\d+", "", value.split()[4])):
            raise CronSimError("a weekday is 0 (Sunday) to 6")
        next(CronSim(value, datetime(2024, 1, 1, tzinfo=zone)))
    except (CronSimError, StopIteration) as error:
        reason = str(error) or "never due"
        raise ConfigError(f"{where}: bad cron {value!r}: {reason} (minute hour day month weekday)") from None
    return " ".join(value.split())


def _regions(where: str, value: Any, regions: tuple[str, ...]) -> tuple[str, ...]:
    if value == "all":
        return regions
    if isinstance(value, list | tuple) and value and all(region in regions for region in value):
        return tuple(dict.fromkeys(value))
    raise ConfigError(f'{where}: regions is "all" or a list of {", ".join(regions)}, not {value!r}')
