"""Numbers that a chain has left out so far."""

from __future__ import annotations

from collections.abc import Iterator


class Gaps:
    """At most ``most`` ranges, and some more where they fall apart; ``dropped`` counts those beyond."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.ranges: list[tuple[int, int]] = []
        self.dropped = 0

    def add(self, low: int, high: int) -> None:
        """The numbers from ``low`` to ``high`` are missing."""
        if len(self.ranges) < self._most:
            self.ranges.append((low, high))
        else:
            self.dropped += 1

    def take(self, number: int) -> bool:
        """``number`` has turned up. False: it was not missing."""
        for index, (low, high) in enumerate(self.ranges):
            if low <= number <= high:
                rest = ((low, number - 1), (number + 1, high))
                left = [part for part in rest if part[0] <= part[1]]
                if len(left) == 2 and len(self.ranges) >= 4 * self._most:
                    left.pop()
                    self.dropped += 1
                self.ranges[index : index + 1] = left
                return True
        return False

    def numbers(self, most: int) -> Iterator[int]:
        """Missing numbers, ``most`` of them at most."""
        for low, high in self.ranges:
            for number in range(low, high + 1):
                if most <= 0:
                    return
                most -= 1
                yield number
