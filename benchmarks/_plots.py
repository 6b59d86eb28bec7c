"""Line charts as plain SVG for the pages: colours are CSS variables, so a chart follows a light or dark scheme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

Colour = Literal["one", "two", "three", "four", "quiet"]

WIDTH: Final = 760
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 72.0, 572.0, 84.0, 352.0
LABEL_HEIGHT: Final = 18.0

STYLE: Final = """
svg { --paper:#ffffff; --edge:#d9dce6; --ink:#1d2233; --soft:#626a80;
  --one:#5b54e6; --two:#e4672f; --three:#2a9d8f; --four:#b0317f; --quiet:#7a8296; }
@media (prefers-color-scheme: dark) {
svg { --paper:#11141d; --edge:#2f3547; --ink:#e9ebf3; --soft:#9aa2b8;
  --one:#9590ff; --two:#ff9360; --three:#4fc4b5; --four:#ef7fc0; --quiet:#a7aec0; } }
text { font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif; font-size:13.5px; }
text { fill:var(--ink); }
.head { font-size:18px; font-weight:650; } .note { fill:var(--soft); } .tag { font-weight:600; }
.end { text-anchor:end; } .mid { text-anchor:middle; } .paper { fill:var(--paper); }
.grid { stroke:var(--edge); stroke-width:1; } .band { fill:var(--three); opacity:.14; }
.line { fill:none; stroke-width:2.4; stroke-linecap:round; stroke-linejoin:round; }
"""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From ``low`` to ``high``, with ``ticks`` as (value, text)."""

    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


class Chart:
    """One chart: add bands, lines and bars (later ones lie on top), then ``finish``. Values are those of the axes."""

    def __init__(self, title: str, note: str, x: Axis, y: Axis) -> None:
        self._title, self._note, self._x, self._y = title, note, x, y
        self._parts: list[str] = []
        self._labels: list[tuple[float, str, str]] = []

    def band(self, low: float, high: float, label: str = "") -> None:
        """A level stretch of the y axis, such as what is promised."""
        top = self._down(high)
        self._parts.append(
            f'<rect x="{LEFT:g}" y="{top:.1f}" width="{RIGHT - LEFT:g}" height="{self._down(low) - top:.1f}" '
            'class="band"/>'
        )
        if label:
            self._labels.append((self._down((low + high) / 2), label, "note"))

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, label: str = "", dash: str = "") -> None:
        """A line through ``points``, each with a dot unless it is dashed; ``label`` stands at its right end."""
        path = " L".join(f"{self._across(x):.1f} {self._down(y):.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(f'<path d="M{path}" class="line" style="stroke:var(--{colour})"{dashed}/>')
        if not dash:
            self._parts += [
                f'<circle cx="{self._across(x):.1f}" cy="{self._down(y):.1f}" r="4" style="fill:var(--{colour})"/>'
                for x, y in points
            ]
        if label:
            self._labels.append((self._down(points[-1][1]), label, f'tag" style="fill:var(--{colour})'))

    def bar(self, x: float, low: float, high: float, colour: Colour) -> None:
        """A vertical stroke at ``x``, such as an interval."""
        self._parts.append(
            f'<path d="M{self._across(x):.1f} {self._down(low):.1f} V{self._down(high):.1f}" class="line" '
            f'style="stroke:var(--{colour})"/>'
        )

    def finish(self) -> str:
        """The SVG document; the same bytes for the same calls."""
        parts = [
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="18" class="paper"/>',
            _text(LEFT - 44, 40, self._title, "head"),
            _text(LEFT - 44, 62, self._note, "note"),
        ]
        for value, text in self._y.ticks:
            y = self._down(value)
            parts.append(f'<path d="M{LEFT:g} {y:.1f} H{RIGHT:g}" class="grid"/>')
            parts.append(_text(LEFT - 10, y + 4.5, text, "note end"))
        for value, text in self._x.ticks:
            parts.append(_text(self._across(value), BOTTOM + 22, text, "note mid"))
        parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 46, self._x.label, "mid"))
        parts.append(
            f'<text transform="translate({LEFT - 50:g} {(TOP + BOTTOM) / 2:g}) rotate(-90)" class="mid">'
            f"{escape(self._y.label)}</text>"
        )
        parts += self._parts
        lowest = TOP - LABEL_HEIGHT
        # Labels that would lie on each other move down.
        for y, text, style in sorted(self._labels):
            lowest = max(y, lowest + LABEL_HEIGHT)
            parts.append(_text(RIGHT + 14, lowest + 4.5, text, style))
        title = escape(self._title)
        body = "\n".join(parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
        )

    def _across(self, value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - self._x.low) / (self._x.high - self._x.low)

    def _down(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - self._y.low) / (self._y.high - self._y.low)


def _text(x: float, y: float, content: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(content)}</text>'
