"""The two windows of an effect, as microsecond bounds around the instant the loop had the new value."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import Block


@dataclass(frozen=True, slots=True)
class Windows:
    """Half-open bounds in µs UTC: pre is [pre_start, pre_end), post is [post_start, post_end)."""

    pre_start: int
    pre_end: int
    post_start: int
    post_end: int

    @property
    def span(self) -> tuple[int, int]:
        """One range that covers both windows and the gap between them: one read serves the event."""
        return self.pre_start, self.post_end

    def split(self, block: Block) -> tuple[Block, Block]:
        """The pre and the post samples of ``block`` (views found by binary search, no copy)."""
        return block.slice(self.pre_start, self.pre_end), block.slice(self.post_start, self.post_end)


def around(applied_us: int, options: EffectOptions) -> Windows:
    """[-pre_s, -gap_s) and [+gap_s, +post_s) around ``applied_us`` (S05), rounded to whole microseconds.

    Raises UsageError when a window would be empty (``gap_s`` negative, or not below both ``pre_s`` and ``post_s``).
    """
    pre, post, gap = (round(seconds * US) for seconds in (options.pre_s, options.post_s, options.gap_s))
    if not 0 <= gap < min(pre, post):
        raise UsageError(
            f"effect windows: pre {options.pre_s:g} s and post {options.post_s:g} s must be longer than the gap "
            f"of {options.gap_s:g} s, which must not be negative"
        )
    return Windows(applied_us - pre, applied_us - gap, applied_us + gap, applied_us + post)
