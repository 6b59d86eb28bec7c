"""Paragraphs and tables as the pages have them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence


def prose(text: str) -> str:
    """A paragraph, in lines as long as the pages'."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
