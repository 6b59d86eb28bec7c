"""The report as PDF: its text, its fonts, its bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pypdf import PdfReader
from reportlab.pdfgen.canvas import Canvas
from support.day import at, change, effect, find, full_day, sample, seal_of
from support.judged import judged

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.signals import Block
from lumen_workers.reports import collect, render_markdown, render_pdf, style
from lumen_workers.reports.charts import Box, draw_band
from lumen_workers.reports.forest import _mark, scale
from lumen_workers.reports.series import Axis, Binner

TESTS = Path(__file__).parents[2]


def pages(store: SqlStore, folder: Path, locale: str = "en", **fields: object) -> list[str]:
    """The text of each page, white space folded."""
    target = folder / "report.pdf"
    count = render_pdf(collect(store, seal_of(store, settings={"locale": locale}, **fields)), target)
    texts = [" ".join(page.extract_text().split()) for page in PdfReader(target).pages]
    assert len(texts) == count
    return texts


def test_the_cover_says_what_day_this_is_and_how_it_was_sealed(store: SqlStore, tmp_path: Path) -> None:
    full_day(store)
    seal = seal_of(store)
    cover = pages(store, tmp_path)[0]

    for text in (
        "Lumen day report",
        "Saturday, 31 January 2026",
        "Asia/Seoul",
        "final · revision 1",
        "34,500",
        "95.83%",
        seal.digest(),
    ):
        assert text in cover


@pytest.mark.parametrize(("locale", "label"), [("en", "Root"), ("ko", "루트 인증서")])
def test_the_cover_names_the_root_that_the_day_is_to_be_verified_under(
    store: SqlStore, tmp_path: Path, locale: str, label: str
) -> None:
    seal = seal_of(store, settings={"locale": locale, "root_fingerprint": "ab" * 32})
    target = tmp_path / "report.pdf"
    render_pdf(collect(store, seal), target)
    assert f"{label} {'ab' * 32}" in " ".join(PdfReader(target).pages[0].extract_text().split())
    assert f"- {label}: `{'ab' * 32}`" in render_markdown(collect(store, seal))
    older = seal_of(store, settings={"locale": locale})
    assert label not in render_markdown(collect(store, older))


def test_a_provisional_day_wears_its_badge_on_every_page(store: SqlStore, tmp_path: Path) -> None:
    full_day(store)

    assert all("provisional · revision 2" in text for text in pages(store, tmp_path, cutoff=at(7200), revision=2))


def test_every_page_but_the_cover_is_numbered(store: SqlStore, tmp_path: Path) -> None:
    full_day(store, events=60)
    texts = pages(store, tmp_path)

    assert len(texts) >= 4
    for number, text in enumerate(texts[1:], 2):
        assert re.search(rf"\b{number}\b.*/ {len(texts)}\b", text)


def test_it_holds_what_the_markdown_holds(store: SqlStore, tmp_path: Path) -> None:
    full_day(store)
    text = " ".join(pages(store, tmp_path))
    markdown = render_markdown(collect(store, seal_of(store)))

    for line in re.findall(r"^- ([A-Z].*\.)$", markdown, re.MULTILINE):
        assert line in text
    assert "“the loop flows evenly 1”" in text
    assert "insufficient: 12 samples before and 146 after, 50 needed on each side" in text
    assert "not measured yet" in text
    for reading in (
        "-0.021 [-0.027, -0.015] improved q 0.00",
        "+0.002 [-0.004, +0.008] no change detectable q 1.000",
        "+0.031 [+0.025, +0.037] improved q 0.00",
    ):
        assert reading in text
    assert "The interval holds the true change with a probability of 95 %." in text
    assert "loops/main/controls/risk_ledger.jsonl" in text
    assert "floor 0.22" in text


def test_korean_can_be_read_out_of_it(store: SqlStore, tmp_path: Path) -> None:
    full_day(store, sentence="위상차가 좋아지고, 루프가 고르게 흐른다")
    text = " ".join(pages(store, tmp_path, "ko"))

    for part in ("루멘 하루 보고서", "2026년 1월 31일 토요일", "돋보인 문장", "위험 밴드", "오늘의 한 문장"):
        assert part in text
    assert "“위상차가 좋아지고, 루프가 고르게 흐른다 1”" in text


def test_every_change_is_in_the_table_however_many(store: SqlStore, tmp_path: Path) -> None:
    full_day(store, events=150)
    text = " ".join(pages(store, tmp_path))

    assert [n for n in range(150) if f" n{n} " not in text] == []


def test_the_effects_are_drawn_with_their_intervals(store: SqlStore, tmp_path: Path) -> None:
    full_day(store)
    with_intervals = pages(store, tmp_path)
    (page,) = [text for text in with_intervals if "A line is the interval of one change" in text]

    for part in ("1 00:01 risk_max 0.3 → 0.31", "improved worsened no change detectable inconclusive", "–0.05 0 +0.05"):
        assert part in page
    assert "4 01:11" not in page  # insufficient
    assert "Drawn are" not in page


def test_of_very_many_effects_a_page_of_the_clearest_is_drawn(store: SqlStore, tmp_path: Path) -> None:
    full_day(store, events=150)
    (page,) = [text for text in pages(store, tmp_path) if "A line is the interval" in text]

    assert "Drawn are 40 of 90 changes, those with the strongest evidence" in page
    assert len(re.findall(r"\d\d:\d\d risk_max", page)) == 40


def test_effects_without_intervals_are_listed_and_not_drawn(store: SqlStore, tmp_path: Path) -> None:
    effect(store, change(store, "ev", 10), reach=None)
    text = " ".join(pages(store, tmp_path))

    assert "+0.031" in text
    assert "A line is the interval" not in text
    assert "improved" not in text


def test_the_scale_of_the_plot_holds_every_change_and_most_intervals() -> None:
    usual = [judged("risk_band", 0.02, 0.01) for _ in range(9)]

    assert scale(usual) == 0.05
    assert scale([*usual, judged("risk_band", 0.02, 0.9)]) == 0.05
    assert scale([*usual, judged("risk_band", -0.19, 0.9)]) == 0.25
    assert scale([judged("risk_band", 0.0, 1e-6)]) == 0.001


def test_verdicts_are_told_apart_in_black_and_white() -> None:
    shapes = {}
    for verdict in style.VERDICTS:
        recorder = Recorder()
        _mark(cast(Canvas, recorder), verdict, style.INK, 5.0, 5.0)
        shapes[verdict] = [call for call in recorder.calls if call[0] != "setLineWidth"]

    assert len({repr(calls) for calls in shapes.values()}) == len(style.VERDICTS) == 4


def test_an_empty_day_says_so(store: SqlStore, tmp_path: Path) -> None:
    text = " ".join(pages(store, tmp_path))

    assert "No samples in this period" in text
    assert "No rule changes in this period." in text
    assert "No quote in this period." in text


def test_changes_without_samples_are_drawn_and_listed(store: SqlStore, tmp_path: Path) -> None:
    change(store, "ev", 10)
    text = " ".join(pages(store, tmp_path))

    assert text.count("No samples in this period") >= 4
    assert "risk_max 0.35 → 0.33" in text


def test_no_loop_at_all(store: SqlStore, tmp_path: Path) -> None:
    assert "No loop was known" in pages(store, tmp_path, watermark={})[0]


def test_more_loops_than_the_cover_lists(store: SqlStore, tmp_path: Path) -> None:
    for number in range(8):
        store.loops.register(f"loop-{number}", 5, "mock")
        sample(store, 0, 60, loop=f"loop-{number}")
    texts = pages(store, tmp_path)

    assert "and 3 more" in texts[0]  # main is the ninth
    assert all(any(f"Signals – loop-{n}" in text for text in texts) for n in range(8))


@pytest.mark.parametrize(
    "foreign",
    [
        "<b>bold</b> & <font color='red'>red</font>",
        "<para>broken <",
        "&lt;not an entity&gt; &amp;",
        "100% \\ (parentheses) [brackets]",
    ],
)
def test_foreign_text_is_shown_as_it_is(store: SqlStore, tmp_path: Path, foreign: str) -> None:
    event = change(store, "ev", 10, note=foreign, actor="<i>Sena</i>")
    find(store, event, effect(store, event), quote=foreign, risk=foreign)
    squeezed = "".join("".join(pages(store, tmp_path)).split())

    assert squeezed.count(foreign.replace(" ", "")) == 4  # note, quote, risk, line of the day
    assert "<i>Sena</i>" in squeezed


def test_very_long_text_fits_on_the_pages(store: SqlStore, tmp_path: Path) -> None:
    words, unbroken = "길게 이어지는 문장이 흐른다 " * 400, "가" * 5000
    for number, text in enumerate((words, unbroken)):
        event = change(store, f"ev-{number}", 10 + number, note=text, actor=text)
        find(store, event, effect(store, event), quote=text, risk=text)

    text = " ".join(pages(store, tmp_path, "ko"))

    assert "길게 이어지는 문장이 흐른다" in text
    assert "…" in text


def test_signs_that_the_font_lacks_are_replaced_not_lost() -> None:
    assert style.glyphs("Δ −0.1 ± 5 µs → ✓") == "Δ –0.1 ± 5 μs → ○"
    assert style.glyphs("quiet 🙂") == "quiet □"


def test_the_fonts_show_every_syllable_and_all_of_our_own_words() -> None:
    every = "".join(map(chr, range(0xAC00, 0xD7A4))) + "".join(map(chr, range(33, 127))) + "Δ±→·–…“”"
    assert style.glyphs(every) == every


def test_the_licence_lies_beside_the_fonts() -> None:
    fonts = Path(style.__file__).parent / "fonts"

    assert sorted(path.name for path in fonts.iterdir()) == ["NanumSquareB.ttf", "NanumSquareR.ttf", "OFL.txt"]
    licence = (fonts / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "NAVER Corporation" in licence


def test_only_embedded_fonts_and_nothing_compressed(store: SqlStore, tmp_path: Path) -> None:
    full_day(store, sentence="루프가 흐른다")
    pages(store, tmp_path)
    data = (tmp_path / "report.pdf").read_bytes()

    assert b"FlateDecode" not in data
    assert b"/Filter" not in data
    names = set(re.findall(rb"/BaseFont /(\S+)", data))
    assert {name.split(b"+")[-1] for name in names} == {b"NanumSquareR", b"NanumSquareB"}


def test_the_outline_names_the_sections(store: SqlStore, tmp_path: Path) -> None:
    full_day(store)
    pages(store, tmp_path)
    reader = PdfReader(tmp_path / "report.pdf")

    titles = [str(item["/Title"]) for item in reader.outline if not isinstance(item, list)]
    assert titles[:3] == ["Quote highlights", "Risk overview", "Observations"]
    assert titles[-1] == "Line of the day"
    assert reader.metadata is not None
    assert reader.metadata.title == "Lumen day report 2026-01-31"
    assert reader.metadata.get("/CreationDate") == "D:20260131150500+00'00'"


class Recorder:
    """A canvas that notes what is drawn on it, and the corners of each path."""

    def __init__(self) -> None:
        self.paths: list[list[tuple[float, float]]] = []
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> object:
        def call(*arguments: object, **options: object) -> Recorder:
            self.calls.append((name, *(a for a in arguments if a is not self), *sorted(options.items())))
            return self

        return call

    def beginPath(self) -> Recorder:  # noqa: N802 (reportlab's name)
        self.paths.append([])
        return self

    def moveTo(self, x: float, y: float) -> None:  # noqa: N802
        self.paths[-1].append((x, y))

    def lineTo(self, x: float, y: float) -> None:  # noqa: N802
        self.paths[-1].append((x, y))


def test_a_band_is_broken_where_data_is_missing() -> None:
    ts = np.array([t for t in range(0, 60_000_000, 200_000) if not 20e6 <= t < 30e6], np.int64)
    binner = Binner(Axis(0, 60_000_000, 10_000_000), 5)
    binner.add(Block(ts, np.full((len(ts), 4), 0.5)))
    recorder = Recorder()
    draw_band(cast(Canvas, recorder), binner.series(), "risk_band", Box(0, 0, 60, 10))

    assert len(recorder.paths) == 2
    assert all(y == 5 for path in recorder.paths for _, y in path)
    assert max(x for x, _ in recorder.paths[0]) < 20.1
    assert min(x for x, _ in recorder.paths[1]) > 29.5


RENDER = """
import sys
from pathlib import Path
from support.day import full_day, seal_of
from lumen_workers.adapters.store import open_store
from lumen_workers.reports import collect, render_markdown, render_pdf
store = open_store("sqlite://")
full_day(store, events=20, sentence="루프가 흐른다")
full_day(store, loop="demo", events=3)
for locale in ("en", "ko"):
    report = collect(store, seal_of(store, settings={"locale": locale}))
    target = Path(sys.argv[1]) / f"{locale}.pdf"
    target.with_suffix(".md").write_text(render_markdown(report), encoding="utf-8")
    render_pdf(report, target)
"""

PLAIN = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"}
ODD = {
    "PYTHONHASHSEED": "77",
    "TZ": "America/St_Johns",
    "LC_ALL": "C.UTF-8",
    "SOURCE_DATE_EPOCH": "1234567890",
    "RL_pageCompression": "1",
    "RL_invariant": "0",
    "RL_ttfAsciiReadable": "0",
}


def test_the_same_seal_gives_the_same_bytes_in_any_environment(tmp_path: Path) -> None:
    made = []
    for name, environment in (("plain", PLAIN), ("odd", ODD)):
        folder = tmp_path / name
        folder.mkdir()
        base = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{TESTS}:{TESTS.parent}", "HOME": str(tmp_path)}
        subprocess.run(
            [sys.executable, "-c", RENDER, str(folder)], check=True, cwd=TESTS.parent, env={**base, **environment}
        )
        made.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})

    assert sorted(made[0]) == ["en.md", "en.pdf", "ko.md", "ko.pdf"]
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []
