"""Line charts as plain SVG: the same figures give the same bytes, and colours follow the reader's scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 34, 36
COLOURS = 5

STYLE = """
svg { --paper:#ffffff; --edge:#d9dce6; --ink:#1d2233; --soft:#626a80;
  --c0:#aab0c0; --c1:#7a8296; --c2:#2a9d8f; --c3:#e4672f; --c4:#5b54e6; }
@media (prefers-color-scheme: dark) {
svg { --paper:#11141d; --edge:#2f3547; --ink:#e9ebf3; --soft:#9aa2b8;
  --c0:#5a6279; --c1:#a7aec0; --c2:#4fc4b5; --c3:#ff9360; --c4:#9590ff; } }
text { font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif; fill:var(--soft); }
.head { font-size:14px; font-weight:600; fill:var(--ink); } .end { text-anchor:end; } .mid { text-anchor:middle; }
.paper { fill:var(--paper); } .grid { stroke:var(--edge); stroke-width:1; }
.line { fill:none; stroke-width:2; stroke-linejoin:round; }
"""

Course = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """``lines`` share one pair of axes that begin at 0; the ticks are labelled as they are."""

    title: str
    across: str
    lines: Mapping[str, Course]


def render(charts: Sequence[Chart], note: str) -> str:
    """The charts side by side, one legend below them; lines have the colours of the first chart's order."""
    names = list(charts[0].lines)
    if len(names) > COLOURS:
        raise ValueError(f"{len(names)} lines, and {COLOURS} colours")
    wide, high = WIDTH * len(charts), HEIGHT + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" role="img" '
        f'aria-label="{note}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{wide}" height="{high}" class="paper"/>',
    ]
    for place, chart in enumerate(charts):
        parts += _drawn(chart, place * WIDTH, names)
    step = wide / (len(names) + 0.2)
    for place, name in enumerate(names):
        x = 20 + place * step
        parts.append(f'<path d="M{x:g} {HEIGHT + 12}h22" class="line" stroke="var(--c{place})"/>')
        parts.append(f'<text x="{x + 28:g}" y="{HEIGHT + 16}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _drawn(chart: Chart, x0: float, names: Sequence[str]) -> list[str]:
    most_x = max(x for line in chart.lines.values() for x, _ in line)
    steps_x, steps_y = _ticks(most_x), _ticks(max(y for line in chart.lines.values() for _, y in line))
    most_y = steps_y[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = (WIDTH - LEFT - RIGHT) * x / most_x
        return x0 + LEFT + across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / most_y

    parts = [f'<text x="{x0 + LEFT:g}" y="20" class="head">{chart.title}</text>']
    for tick in steps_y:
        x, y = at(0, tick)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{x0 + WIDTH - RIGHT:.1f}" class="grid"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" class="end">{tick:g}</text>')
    for tick in steps_x:
        if tick <= most_x:
            x, y = at(tick, 0)
            parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" class="mid">{tick:g}</text>')
    parts.append(f'<text x="{x0 + WIDTH - RIGHT:g}" y="{HEIGHT - 5}" class="end">{chart.across}</text>')
    for place, name in enumerate(names):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in chart.lines[name]))
        parts.append(f'<polyline points="{points}" class="line" stroke="var(--c{place})"/>')
    return parts


def _ticks(most: float) -> list[float]:
    """From 0 past ``most`` in four to eight steps of 1, 2 or 5 times a power of ten."""
    size = 10.0 ** (len(f"{int(most)}") - 1) if most >= 1 else 0.1
    step = next(size * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if most / (size * part) <= 7)
    count = int(-(-most // step))
    return [round(step * number, 10) for number in range(count + 1)]


def bandit(found: Mapping[str, Any]) -> str:
    """Mean regret against rounds, the still and the switching problem."""
    names = {
        "uniform": "uniform",
        "plain": "plain, noise known",
        "bare": "ours, bare",
        "fading": "ours, fading memory",
        "shipped": "ours as shipped",
    }
    titles = {"still": "Regret, the best arm stays", "switching": "Regret, the best arm changes at 250"}
    charts = [
        Chart(title, "rounds", {text: found["regret"][kind]["500"][name]["course"] for name, text in names.items()})
        for kind, title in titles.items()
    ]
    return render(charts, "Mean regret of five policies on two problems")


def coverage(found: Mapping[str, Any]) -> str:
    """Coverage against phi: what was promised, and three ways to make intervals."""
    cells = [cell for cell in found["core"] if not cell["effect"]]
    ways = {"filtered": "filtered", "naive": "independent", "ours": "ours"}
    lines: dict[str, Course] = {"promised": [(cell["ar"][0], found["level"]) for cell in cells]}
    lines |= {text: [(cell["ar"][0], cell[way]["covered"]) for cell in cells] for way, text in ways.items()}
    title = f"Share of {found['level'] * 100:g} % intervals that hold the truth"
    return render([Chart(title, "phi", lines)], "Coverage of intervals by the correlation of neighbouring samples")


def drift(found: Mapping[str, Any]) -> str:
    """Coverage of brackets against the size of a drift that is two periods long."""
    lines: dict[str, Course] = {"promised": [(cell["drift"], 0.95) for cell in found["sizes"]]}
    ways = {"raw samples": ("randomised", "naive"), "A B A B": ("abab", "holds"), "drawn": ("randomised", "holds")}
    for text, (order, way) in ways.items():
        lines[text] = [(cell["drift"], cell[order][way]) for cell in found["sizes"]]
    chart = Chart("Share of 95 % intervals that hold the truth", "drift, in deviations of the noise", lines)
    return render([chart], "Coverage of brackets by the size of a drift two periods long")


def impact(found: Mapping[str, Any]) -> str:
    """Coverage against phi where nothing happened: what was promised, and three ways to look for an effect."""
    cells = [cell for cell in found["cells"] if cell["name"].endswith(", no effect")]
    ways = {"white_coverage": "white noise", "unscreened_coverage": "moved kept", "coverage": "ours"}
    lines: dict[str, Course] = {"promised": [(cell["phi"], found["level"]) for cell in cells]}
    lines |= {text: [(cell["phi"], cell[way]) for cell in cells] for way, text in ways.items()}
    title = f"Share of {found['level'] * 100:g} % intervals that hold the effect"
    return render([Chart(title, "phi", lines)], "Coverage of impact analyses by the correlation of the noise")


def brackets(found: Mapping[str, Any]) -> str:
    """Share of experiments called different so far, against the number of looks."""
    titles = {"null": "Called different, no effect", "effect": "Called different, half a deviation"}
    names = ("looking at the always-valid sequence", "looking at the paired t interval")
    charts = [
        Chart(
            title,
            "pairs",
            {
                name: [(row[0], row[place]) for row in found["looks"][kind]["course"]]
                for place, name in enumerate(names, 1)
            },
        )
        for kind, title in titles.items()
    ]
    return render(charts, "Share of experiments that are called different, by the number of looks")


def bayes(found: Mapping[str, Any]) -> str:
    """Share of null changes that the update is sure of, against the effects pooled."""
    names = {"plain": "independent, no scatter", "independent": "independent", "honest": "ours"}
    charts = [
        Chart(
            f"Sure of what is not there, phi {phi:g}",
            "effects pooled",
            {
                text: [(cell["pooled"], cell[name]) for cell in found["cells"] if cell["phi"] == phi]
                for name, text in names.items()
            },
        )
        for phi in (0.9, 0.98)
    ]
    return render(charts, "Share of changes without effect that the update is sure of, by the effects pooled")


PICTURES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "bandit": bandit,
    "bayes": bayes,
    "brackets": brackets,
    "coverage": coverage,
    "drift": drift,
    "impact": impact,
}
