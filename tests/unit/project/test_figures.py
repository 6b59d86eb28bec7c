"""The figures in the pages: each block is one that the benchmarks can renew, and renewing touches nothing else."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MACHINE = {
    "cpu": "a CPU",
    "cores": 2,
    "memory_gib": 7.8,
    "system": "Linux 6.1.0-x",
    "python": "3.12.1",
    "sqlite": "3.4",
}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return runpy.run_path(str(ROOT / "benchmarks" / "_tables.py"))


def pages() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md")))


def test_every_block_of_the_pages_has_a_benchmark_and_figures(tables: dict[str, Any]) -> None:
    text = pages()
    blocks = {match[2]: match[0] for match in tables["BLOCK"].finditer(text)}
    assert text.count("<!-- figures:") == len(blocks)
    assert set(blocks) <= set(tables["RENDER"])
    for name, block in blocks.items():
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        assert re.search(rf'Measured \d{{4}}-\d\d-\d\d with `make bench ARGS="{name}"` on ', block), name


def test_a_block_is_renewed_and_the_rest_of_the_page_stays(tables: dict[str, Any]) -> None:
    page = (
        "Before.\n\n<!-- figures:effects -->\nold\n<!-- /figures -->\n\nAfter.\n\n"
        "<!-- figures:day -->\nkept\n<!-- /figures -->\n"
    )
    size = {"seconds": 0.123, "intervals_seconds": 0.0451, "peak_mib": 90.4}
    mask = {"seconds": 1234.5, "peak_mib": 1800.0}
    found = {
        "machine": MACHINE,
        "effects": [{"samples": 10**7, "lumen": size, "pandas_mask": mask, "times_faster": 9876.5}],
    }
    figures = {"started": "2026-01-31T09:05:00+00:00", "results": {"effects": found, "day": None}}
    after = tables["fill"](page, figures)
    assert "| 10,000,000 | 0.12 s | 0.05 s | 90 MiB | 1,234.5 s | 1,800 MiB | 9,876 |" in after
    assert (
        'Measured 2026-01-31 with `make bench ARGS="effects"` on a CPU, 2 cores, 8 GiB, Linux 6.1, Python 3.12.1'
        in after
    )
    assert after.startswith("Before.\n\n<!-- figures:effects -->\n|")
    assert after.endswith("After.\n\n<!-- figures:day -->\nkept\n<!-- /figures -->\n")
    assert tables["fill"](after, figures) == after
