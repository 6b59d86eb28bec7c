"""The PDF through another reader's eyes: poppler's fonts, text and pixels."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.day import full_day, seal_of
from support.servers import missing

from lumen_workers.adapters.store import open_store
from lumen_workers.reports import collect, render_pdf

pytestmark = pytest.mark.poppler


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Korean report of a day with two loops."""
    if not all(shutil.which(program) for program in ("pdffonts", "pdftotext", "pdftoppm")):
        missing("poppler-utils")
    store = open_store("sqlite://")
    full_day(store, sentence="루프가 고르게 흐른다")
    full_day(store, loop="demo", events=2)
    target = tmp_path_factory.mktemp("report") / "report.pdf"
    render_pdf(collect(store, seal_of(store, settings={"locale": "ko"})), target)
    store.close()
    yield target


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
    ask("pdftoppm", "-r", "60", "-f", "3", "-l", "3", report, tmp_path / "page")
    (image,) = tmp_path.glob("page*.ppm")
    _, size, _, pixels = image.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    colours = {pixels[i : i + 3] for i in range(0, width * height * 3, 3)}

    for tint in (b"\xdd\xe2\xea", b"\xcf\xe9\xe5", b"\xdc\xdb\xf8", b"\xfa\xda\xce"):
        assert tint in colours
