"""Numbers, instants and foreign text as the report shows them. Nothing here depends on the machine's locale or zone."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

from lumen_workers.domain.clock import US, from_us
from lumen_workers.reports.wording import Words

MISSING = "–"
"""Stands where there is no value; never 0."""


def signed(value: float | None) -> str:
    """A change, signed, 3 decimals; a change that rounds to nothing is ``0.000``."""
    if value is None:
        return MISSING
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text


def plain(value: float | None) -> str:
    """A signal's value, 3 decimals."""
    return MISSING if value is None else f"{value:.3f}"


def rule_value(value: float) -> str:
    """A rule's value, up to 6 significant digits."""
    return f"{value:.6g}"


def whole(value: int) -> str:
    """A count, thousands apart."""
    return f"{value:,}"


def share(part: int, total: int) -> str:
    """``part`` of ``total`` in percent, 2 decimals, never rounded to 100% or 0%; MISSING without a total."""
    if total <= 0:
        return MISSING
    if part in (0, total):
        return "0%" if part == 0 else "100%"
    hundredths = min(max(part * 10_000 // total, 0), 10_000)
    return "<0.01%" if hundredths == 0 else f"{hundredths // 100}.{hundredths % 100:02d}%"


def clock(instant: datetime | int, zone: ZoneInfo, *, seconds: bool = True) -> str:
    """Local time of day of an instant (µs or datetime)."""
    local = (from_us(instant) if isinstance(instant, int) else instant).astimezone(zone)
    return f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"


def moment(instant: datetime, zone: ZoneInfo) -> str:
    """Local date and time with the offset: ``2026-01-31 09:05:00 +09:00``."""
    local = instant.astimezone(zone)
    return local.isoformat(sep=" ", timespec="seconds")[:19] + " " + local.isoformat()[-6:]


def duration(length_us: int, words: Words) -> str:
    """The two largest units of a length: ``3 h 20 min``; tenths of a second below 10 s."""
    if length_us < 10 * US:
        return f"{length_us / US:.1f}{words.units[3]}"
    left = round(length_us / US)
    parts: list[str] = []
    for size, unit in zip((86_400, 3_600, 60, 1), words.units, strict=True):
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number}{unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def clean(text: str, limit: int = 0) -> str:
    """Foreign text on one line: composed (NFC), no control characters, runs of space folded, cut at ``limit``."""
    composed = unicodedata.normalize("NFC", text)
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in composed)
    line = " ".join(visible.split())
    return f"{line[: limit - 1].rstrip()}…" if limit and len(line) > limit else line
