"""Fonts, colours and paragraph styles of the PDF, and foreign text made fit for them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from lumen_workers.effects.verdicts import Verdict

REGULAR, BOLD = "NanumSquareR", "NanumSquareB"
_FONTS = Path(__file__).parent / "fonts"

INK = HexColor(0x1B2230)
MUTED = HexColor(0x667085)
FAINT = HexColor(0x98A2B3)
HAIRLINE = HexColor(0xDDE1E8)
PAPER = HexColor(0xF6F7FA)
ACCENT = HexColor(0x4F4BC9)
ALARM = HexColor(0xD9481C)

COLOURS: Final = {
    "phase_diff": HexColor(0x51607A),
    "entropy_rate": HexColor(0x13867B),
    "creative_band": HexColor(0x5B57D6),
    "risk_band": HexColor(0xE0562B),
}
"""Line of each signal: creative blue/violet, risk red/orange (S14)."""

TINTS: Final = {
    "phase_diff": HexColor(0xDDE2EA),
    "entropy_rate": HexColor(0xCFE9E5),
    "creative_band": HexColor(0xDCDBF8),
    "risk_band": HexColor(0xFADACE),
}
"""Fill of each signal's band: solid light colours, since transparency prints unevenly."""

VERDICTS: Final[Mapping[str, Color]] = {
    Verdict.IMPROVED: ACCENT,
    Verdict.WORSENED: ALARM,
    Verdict.NO_CHANGE_DETECTABLE: MUTED,
    Verdict.INCONCLUSIVE: FAINT,
}
"""Colour of a change by what may be said of it; one without an interval has none."""

# Signs that the font lacks, as the nearest that it has.
_NEAREST: Final[Mapping[str, str]] = {
    "\u2212": "–",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "–",
    "\u00b5": "μ",
    "\u2713": "○",
    "\u2717": "×",
    "\u2009": " ",
    "\u202f": " ",
}
_UNKNOWN = "□"


def _register(name: str) -> frozenset[int]:
    """Make the font known to reportlab; returns the code points that it shows."""
    # What the text is shaped and encoded by must not depend on the settings or packages of the machine.
    font = TTFont(name, str(_FONTS / f"{name}.ttf"), asciiReadable=True, shapable=False)
    pdfmetrics.registerFont(font)
    return frozenset(font.face.charToGlyph)


_SHOWN = _register(REGULAR) & _register(BOLD)


def glyphs(text: str) -> str:
    """``text`` with each sign that the font lacks replaced by the nearest, or by □."""
    if all(ord(c) in _SHOWN for c in text):
        return text
    nearest = (c if ord(c) in _SHOWN else _NEAREST.get(c, _UNKNOWN) for c in text)
    return "".join(c if ord(c) in _SHOWN else _UNKNOWN for c in nearest)


def markup(text: str) -> str:
    """``text`` for a Paragraph: it is shown as it is, whatever markup it looks like."""
    return escape(glyphs(text), quote=False)


def width(text: str, font: str, size: float) -> float:
    """Width in points."""
    return float(pdfmetrics.stringWidth(text, font, size))


BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9.5, leading=14.5, textColor=INK)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=8, leading=11.5)
CAPTION = ParagraphStyle("caption", parent=BODY, fontSize=7.5, leading=11, textColor=MUTED)
RIGHT = ParagraphStyle("right", parent=SMALL, alignment=TA_RIGHT)
HEADING = ParagraphStyle("heading", parent=BODY, fontName=BOLD, fontSize=15, leading=20, spaceBefore=20, spaceAfter=8)
SUBHEADING = ParagraphStyle(
    "subheading", parent=BODY, fontName=BOLD, fontSize=10.5, leading=15, spaceBefore=10, spaceAfter=4, keepWithNext=1
)
HEADING_KEPT = ParagraphStyle("heading_kept", parent=HEADING, keepWithNext=1)
"""A heading that stays with what follows; not for long tables, which would then begin on a new page."""
BULLET = ParagraphStyle("bullet", parent=BODY, leftIndent=12, bulletIndent=1, spaceAfter=2.5, bulletFontName=REGULAR)
QUOTE = ParagraphStyle("quote", parent=BODY, fontSize=10.5, leading=16)
LINE = ParagraphStyle(
    "line", parent=BODY, fontName=BOLD, fontSize=14, leading=23, alignment=TA_CENTER, textColor=ACCENT
)
LINE_ABOUT = ParagraphStyle("line_about", parent=CAPTION, alignment=TA_CENTER, spaceBefore=6)
HEAD_CELL = ParagraphStyle("head_cell", parent=CAPTION, fontName=BOLD, leading=9.5, alignment=TA_RIGHT)
READING = ParagraphStyle("reading", parent=SMALL, leading=9.5, alignment=TA_RIGHT)
