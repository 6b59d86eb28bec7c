"""Draw docs/picture.svg: the loop, its signals, one measured change, and the day that two regions prove.

Usage: make_picture.py      writes the picture beside this file; the same bytes at every run.

Plain SVG, no dependency. Colours are CSS variables, so that the picture follows the reader's light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT = 1120, 640
TARGET = Path(__file__).with_name("picture.svg")

STYLE = """
svg { --paper:#ffffff; --card:#f6f7fb; --edge:#d9dce6; --ink:#1d2233; --soft:#626a80; --quiet:#aab0c0;
  --phase:#7a8296; --entropy:#2a9d8f; --creative:#5b54e6; --risk:#e4672f; --good:#1f8a5b; --wash:#5b54e6; }
@media (prefers-color-scheme: dark) {
svg { --paper:#11141d; --card:#191d29; --edge:#2f3547; --ink:#e9ebf3; --soft:#9aa2b8; --quiet:#5a6279;
  --phase:#a7aec0; --entropy:#4fc4b5; --creative:#9590ff; --risk:#ff9360; --good:#54c893; --wash:#9590ff; } }
text { font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif; fill:var(--ink); }
.head { font-size:19px; font-weight:650; } .body { font-size:14.5px; } .note { font-size:13.5px; fill:var(--soft); }
.tag { font-size:13px; font-weight:600; } .end { text-anchor:end; } .mid { text-anchor:middle; }
.mono { font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace; }
.paper { fill:var(--paper); } .card { fill:var(--card); stroke:var(--edge); stroke-width:1.2; }
.line { fill:none; stroke-linecap:round; stroke-linejoin:round; } .flow { stroke:var(--quiet); stroke-width:1.8; }
.tip { fill:var(--quiet); } .wash { fill:var(--wash); opacity:.09; } .rule { stroke:var(--ink); stroke-width:1.3; }
.phase { stroke:var(--phase); } .entropy { stroke:var(--entropy); } .creative { stroke:var(--creative); }
.risk { stroke:var(--risk); } .t-phase { fill:var(--phase); } .t-entropy { fill:var(--entropy); }
.t-creative { fill:var(--creative); } .t-risk { fill:var(--risk); } .t-good { fill:var(--good); }
.good { stroke:var(--good); } .dot { fill:var(--paper); stroke:var(--good); stroke-width:2; } .win { fill:var(--good); }
"""

SIGNALS = {"creative": "creative band", "phase": "phase diff", "entropy": "entropy rate", "risk": "risk band"}


class Canvas:
    """Collects SVG elements in drawing order."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def add(self, text: str) -> None:
        self.parts.append(text)

    def text(self, x: float, y: float, content: str, style: str) -> None:
        self.add(f'<text x="{x:g}" y="{y:g}" class="{style}">{content}</text>')

    def card(self, x: float, y: float, width: float, height: float, radius: float = 14) -> None:
        self.add(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" class="card"/>')

    def path(self, data: str, style: str, width: float | None = None, dash: str = "") -> None:
        extra = (f' stroke-width="{width:g}"' if width else "") + (f' stroke-dasharray="{dash}"' if dash else "")
        self.add(f'<path d="{data}" class="line {style}"{extra}/>')

    def arrow(self, data: str, x: float, y: float, angle: float, dash: str = "") -> None:
        """A flow line along ``data`` that ends in a tip at (x, y), pointing along ``angle`` degrees."""
        self.path(data, "flow", dash=dash)
        self.add(f'<path d="M0 0 L-10 -5 L-10 5 Z" class="tip" transform="translate({x:g} {y:g}) rotate({angle:g})"/>')

    def finish(self) -> str:
        title = "Lumen Workers: a loop is sampled, a change is measured, and two regions prove the day"
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
        )


def noise(count: int, seed: int, phi: float = 0.86, sd: float = 1.0) -> list[float]:
    """AR(1) noise from a fixed generator: the same in every version of Python."""
    state, value, series = seed, 0.0, []
    for _ in range(count):
        total = 0.0
        for _ in range(12):
            state = (state * 1103515245 + 12345) % 2**31
            total += state / 2**31
        value = phi * value + math.sqrt(1 - phi * phi) * (total - 6.0)
        series.append(sd * value)
    return series


def polyline(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def draw_loop(canvas: Canvas) -> None:
    canvas.card(32, 32, 212, 300)
    canvas.text(56, 68, "The loop", "head")
    canvas.text(56, 90, "runs on, all day", "note")
    cx, cy = 138.0, 176.0
    for index, name in enumerate(SIGNALS):
        radius = 60 - index * 11.0
        start, sweep = math.radians(-60 + index * 90), math.radians(300)
        x0, y0 = cx + radius * math.cos(start), cy + radius * math.sin(start)
        x1, y1 = cx + radius * math.cos(start + sweep), cy + radius * math.sin(start + sweep)
        canvas.path(f"M{x0:.1f} {y0:.1f} A{radius:g} {radius:g} 0 1 1 {x1:.1f} {y1:.1f}", name, 4.5)
    for index, (rule, share) in enumerate((("creative_min", 0.62), ("risk_max", 0.4))):
        y = 276 + index * 30.0
        canvas.text(56, y + 4.5, rule, "body mono")
        canvas.path(f"M168 {y:g} H220", "flow", 3)
        canvas.add(f'<circle cx="{168 + 52 * share:g}" cy="{y:g}" r="6" class="dot"/>')


def draw_signals(canvas: Canvas) -> None:
    left, right, top, bottom = 300.0, 678.0, 106.0, 302.0
    canvas.card(276, 32, 552, 300)
    canvas.text(300, 68, "Sampled for real", "head")
    canvas.text(300, 90, "four signals, up to 50 Hz; what is missing stays missing", "note")
    count = 190
    change = 0.5
    xs = [left + (right - left) * index / (count - 1) for index in range(count)]
    marker = left + (right - left) * change

    def height(value: float) -> float:
        return bottom - (bottom - top) * value

    # name: level before, what the change does, seed
    shapes = {
        "risk": (0.31, -0.06, 11),
        "entropy": (0.10, 0.0, 29),
        "phase": (0.50, -0.06, 5),
        "creative": (0.66, 0.22, 17),
    }
    for start, end in ((change - 0.36, change - 0.02), (change + 0.09, change + 0.45)):
        x0, x1 = left + (right - left) * start, left + (right - left) * end
        canvas.add(f'<rect x="{x0:.1f}" y="{top:g}" width="{x1 - x0:.1f}" height="{bottom - top:g}" class="wash"/>')
    for name, (level, gain, seed) in shapes.items():
        ys = []
        for x, wobble in zip(xs, noise(count, seed, sd=0.021), strict=True):
            since = max(0.0, (x - marker) / (right - left))
            ys.append(height(level + gain * (1 - math.exp(-since / 0.045)) + wobble))
        canvas.path(polyline(xs, ys), name, 2.2)
        canvas.text(right + 12, height(level + gain) + 5, SIGNALS[name], f"tag t-{name}")
    canvas.path(f"M{marker:.1f} {top - 2:g} V{bottom + 2:g}", "rule", dash="4 4")
    canvas.text(marker, bottom + 20, "a rule changes", "note mid")
    low, high = height(0.66), height(0.88)
    canvas.path(f"M{left + 378 * (change - 0.36):.1f} {low:.1f} H{left + 378 * (change - 0.02):.1f}", "rule", 2)
    canvas.path(f"M{left + 378 * (change + 0.09):.1f} {high:.1f} H{left + 378 * (change + 0.45):.1f}", "rule", 2)
    canvas.text(left + 378 * 0.31, height(0.66) - 18, "before", "note mid")
    canvas.text(left + 378 * 0.77, height(0.88) + 32, "after", "note mid")


def draw_effect(canvas: Canvas) -> None:
    canvas.card(860, 32, 228, 300)
    canvas.text(884, 68, "What it did", "head")
    canvas.text(884, 90, "after minus before", "note")
    deltas = {"creative": 0.081, "phase": -0.022, "entropy": 0.002, "risk": -0.026}
    zero = 980.0
    canvas.path(f"M{zero:g} 110 V276", "flow", 1.2)
    for index, (name, delta) in enumerate(deltas.items()):
        y = 122 + index * 41.0
        width = delta * 460
        canvas.add(
            f'<rect x="{min(zero, zero + width):.1f}" y="{y:g}" width="{abs(width):.1f}" height="15" rx="3" '
            f'class="t-{name}"/>'
        )
        sign = "+" if delta >= 0 else "\N{MINUS SIGN}"
        canvas.text(max(zero, zero + width) + 8, y + 12.5, f"{sign}{abs(delta):.3f}", "tag mono")
        canvas.text(min(zero, zero + width) - 8, y + 12.5, name, "note end")
    canvas.text(884, 306, "one row, one sentence", "note")


def draw_store(canvas: Canvas) -> None:
    canvas.card(32, 400, 212, 208)
    canvas.text(56, 436, "The store", "head")
    canvas.text(56, 458, "holds the truth", "note")
    cx, top, bottom, rx, ry = 112.0, 492.0, 566.0, 52.0, 13.0
    canvas.path(f"M{cx - rx} {top} V{bottom} A{rx} {ry} 0 0 0 {cx + rx} {bottom} V{top}", "flow", 2)
    canvas.add(f'<ellipse cx="{cx}" cy="{top}" rx="{rx}" ry="{ry}" class="line flow"/>')
    for y, name in ((510, "creative"), (529, "phase"), (548, "risk")):
        canvas.path(f"M{cx - rx + 7} {y + 6} A{rx} {ry} 0 0 0 {cx + rx - 7} {y + 6}", name, 3)
    canvas.add('<circle cx="206" cy="518" r="19" class="dot"/>')
    canvas.add('<circle cx="206" cy="518" r="13.5" class="line good" stroke-width="1" stroke-dasharray="2 2.7"/>')
    canvas.path("M199.5 518 l4.5 5 l8.5 -10", "good", 2.2)
    canvas.text(206, 560, "seal", "note mid")


def draw_day(canvas: Canvas) -> None:
    canvas.card(276, 400, 552, 208)
    canvas.text(300, 436, "The day, built twice", "head")
    canvas.text(300, 458, "from one seal, in two regions", "note")
    stages = ("build", "pdf", "freeze", "sign", "verify")
    for lane, region in enumerate(("ap-northeast-2", "us-west-2")):
        y = 512 + lane * 48.0
        canvas.text(300, y + 5, region, "body mono")
        canvas.path(f"M448 {y:g} H776", "good", 2)
        for index, stage in enumerate(stages):
            x = 462 + index * 74.0
            last = index == len(stages) - 1
            canvas.add(f'<circle cx="{x:g}" cy="{y:g}" r="8" class="dot{" win" if last else ""}"/>')
            if last:
                canvas.add(
                    f'<path d="M{x - 3.6:g} {y:g} l2.6 2.9 l4.6 -5.6" class="line" stroke="var(--paper)" '
                    'stroke-width="1.8"/>'
                )
            if lane == 0:
                canvas.text(x, y - 20, stage, "note mid")
    canvas.path("M790 515 C810 524 810 548 790 557", "good", 1.8, dash="3 5")
    canvas.text(300, 592, "the first to verify wins; the other checks it again", "note")


def draw_proof(canvas: Canvas) -> None:
    canvas.card(860, 400, 228, 208)
    canvas.text(884, 436, "One proven day", "head")
    x, y, width, height = 884.0, 456.0, 78.0, 112.0
    canvas.add(
        f'<path d="M{x} {y + 6} a6 6 0 0 1 6 -6 h{width - 28} l22 22 v{height - 28} a6 6 0 0 1 -6 6 h-{width - 12} '
        f'a6 6 0 0 1 -6 -6 z" class="paper" stroke="var(--quiet)" stroke-width="1.8"/>'
    )
    canvas.path(f"M{x + width - 22} {y} v22 h22", "flow")
    trace = [height_ * 7 for height_ in noise(40, 17)]
    canvas.path(polyline([x + 12 + i * 1.35 for i in range(40)], [y + 44 + v for v in trace]), "creative", 2)
    for row, share in ((70, 1.0), (82, 0.8), (94, 0.5)):
        canvas.path(f"M{x + 12} {y + row} h{54 * share:g}", "flow")
    canvas.add(f'<circle cx="{x + width - 8}" cy="{y + height - 14}" r="17" class="win"/>')
    canvas.add(
        f'<path d="M{x + width - 16} {y + height - 14} l6 6.5 l10.5 -12.5" class="line" stroke="var(--paper)" '
        'stroke-width="3"/>'
    )
    for index, line in enumerate(("same bytes", "one digest", "signed", "archived")):
        canvas.text(988, 474 + index * 26, line, "body")
    canvas.text(884, 592, "anyone can check it again", "note")


def render() -> str:
    """The picture."""
    canvas = Canvas()
    canvas.add(f'<rect width="{WIDTH}" height="{HEIGHT}" rx="22" class="paper"/>')
    draw_loop(canvas)
    draw_signals(canvas)
    draw_effect(canvas)
    draw_store(canvas)
    draw_day(canvas)
    draw_proof(canvas)
    canvas.arrow("M246 182 H264", 274, 182, 0)
    canvas.arrow("M830 182 H848", 858, 182, 0)
    canvas.arrow("M246 504 H264", 274, 504, 0)
    canvas.arrow("M830 504 H848", 858, 504, 0)
    # What was sampled and what was measured goes to the store, and from there the next change goes back to the loop.
    canvas.arrow("M974 334 V352 Q974 366 960 366 H178 Q164 366 164 376 V388", 164, 398, 90)
    canvas.path("M552 333 V366", "flow")
    canvas.arrow("M100 398 V346", 100, 334, -90)
    return canvas.finish()


if __name__ == "__main__":
    TARGET.write_text(render(), "utf-8")
