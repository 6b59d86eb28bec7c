"""The day's report: collected once from a seal, then written as Markdown and as PDF."""

from __future__ import annotations

from pathlib import Path

from lumen_workers.reports.collect import collect
from lumen_workers.reports.markdown import render as render_markdown
from lumen_workers.reports.model import DayReport


def render_pdf(report: DayReport, path: Path) -> int:
    """Write ``report`` as an A4 PDF at ``path``; returns its number of pages. The same report gives the same bytes."""
    from lumen_workers.reports.pdf import render  # reportlab loads only where a PDF is made

    data, pages = render(report)
    path.write_bytes(data)
    return pages


__all__ = ["DayReport", "collect", "render_markdown", "render_pdf"]
