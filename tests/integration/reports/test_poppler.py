"""The PDF through another reader's eyes: poppler's fonts, text and pixels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.day import at, full_day, seal_of
from support.servers import missing

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.signals import Block
from lumen_workers.reports import collect, render_pdf, style

pytestmark = pytest.mark.poppler


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Korean report of a day with two loops, one of them restless."""
    if not all(shutil.which(program) for program in ("pdffonts", "pdftotext", "pdftoppm")):
        missing("poppler-utils")
    store = open_store("sqlite://")
    full_day(store, sentence="루프가 고르게 흐른다")
    store.loops.register("wave", 5, "mock")
    ts = np.arange(to_us(at(0)), to_us(at(3600)), 200_000, dtype=np.int64)
    store.samples.add("wave", Block(ts, np.random.default_rng(3).uniform(0.3, 0.7, (len(ts), 4))))
    target = tmp_path_factory.mktemp("report") / "report.pdf"
    render_pdf(collect(store, seal_of(store, settings={"locale": "ko"})), target)
    store.close()
    return target


def ask(program: str, *arguments: str | Path) -> str:
    done = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True)
    assert done.stderr == ""  # poppler complains about what is malformed
    return done.stdout


def test_every_font_is_embedded_and_maps_to_unicode(report: Path) -> None:
    fonts = [line.split() for line in ask("pdffonts", report).splitlines()[2:]]

    assert fonts
    for name, *_, embedded, subset, unicode, _number, _generation in fonts:
        assert "+NanumSquare" in name
        assert (embedded, subset, unicode) == ("yes", "yes", "yes")


def test_korean_text_comes_out_in_order(report: Path) -> None:
    text = " ".join(ask("pdftotext", "-layout", report, "-").split())

    assert "“루프가 고르게 흐른다 1”" in text
    assert "2026년 1월 31일 토요일" in text


def test_the_signals_are_drawn_in_their_colours(report: Path, tmp_path: Path) -> None:
    ask("pdftoppm", "-r", "72", "-f", "2", report, tmp_path / "page")
    colours: set[bytes] = set()
    for image in tmp_path.glob("page*.ppm"):
        pixels = image.read_bytes().split(b"\n", 3)[3]
        colours |= {pixels[i : i + 3] for i in range(0, len(pixels), 3)}

    for tint in style.TINTS.values():
        assert bytes(round(part * 255) for part in tint.rgb()) in colours
