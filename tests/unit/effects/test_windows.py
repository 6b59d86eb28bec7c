"""Windows against a loop over single samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import Block
from lumen_workers.effects.windows import around

T0 = 1_767_225_600_000_000


def block_at(times: list[int]) -> Block:
    return Block(np.array(times, np.int64), np.zeros((len(times), 4)))


@given(
    offsets=st.sets(st.integers(-40_000_000, 40_000_000), max_size=60),
    pre=st.integers(2, 35),
    post=st.integers(2, 35),
    gap=st.sampled_from([0.0, 0.5, 1.0, 1.9]),
)
def test_windows_hold_what_a_plain_comparison_holds(offsets: set[int], pre: int, post: int, gap: float) -> None:
    options = EffectOptions(pre_s=pre, post_s=post, gap_s=gap)
    times = sorted(T0 + offset for offset in offsets)

    before, after = around(T0, options).split(block_at(times))

    assert before.ts.tolist() == [t for t in times if -pre * 1e6 <= t - T0 < -gap * 1e6]
    assert after.ts.tolist() == [t for t in times if gap * 1e6 <= t - T0 < post * 1e6]


def test_a_5_hz_loop_has_145_samples_a_side_with_the_usual_options() -> None:
    grid = block_at([T0 + k * 200_000 for k in range(-200, 200)])

    before, after = around(T0, EffectOptions()).split(grid)

    assert (len(before), len(after)) == (145, 145)


def test_the_span_covers_both_windows_and_no_more() -> None:
    windows = around(T0, EffectOptions(pre_s=10, post_s=20))

    assert windows.span == (T0 - 10_000_000, T0 + 20_000_000)


@pytest.mark.parametrize("options", [{"pre_s": 1.0}, {"post_s": 0.5}, {"gap_s": -1.0}, {"gap_s": 30.0}])
def test_an_empty_window_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="effect windows"):
        around(T0, EffectOptions(**options))  # type: ignore[arg-type]
