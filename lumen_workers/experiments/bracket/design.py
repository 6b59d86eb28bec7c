"""The order of a bracket's periods."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

ARMS: Final = ("A", "B")


def schedule(pairs: int, seed: int, order: Literal["randomised", "abab"] = "randomised") -> tuple[tuple[int, str], ...]:
    """(pair, arm) of each period; pairs count from 1.

    ``randomised``: a fair coin for each pair, from ``seed`` and the pair's number alone, says which arm comes first.
    ``abab``: A B A B … as the source had it.
    """
    out: list[tuple[int, str]] = []
    for pair in range(1, pairs + 1):
        turned = order == "randomised" and bool(np.random.Philox(key=seed, counter=pair).random_raw(1)[0] >> 63)
        out += [(pair, arm) for arm in (ARMS[::-1] if turned else ARMS)]
    return tuple(out)
