from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_workers.adapters.sources.follower import CHUNK, MAX_LINE, Follower
from lumen_workers.adapters.sources.quarantine import Refused
from lumen_workers.domain.clock import from_us, iso
from lumen_workers.loop.metrics_csv import HEADER

START_US = 1_790_000_000_000_000
BAD = ("x,0,0,0,0", "2026-01-31T00:00:00,0,0,0,0", "2026-01-31T00:00:00Z,2,0,0,0", "한글", "a" * (MAX_LINE + 1))


def at(n: int) -> int:
    return START_US + n * 200_000


def row(n: int) -> str:
    return f"{iso(from_us(at(n)))},0.1,0.2,0.3,{n % 10 / 10}"


class Rig:
    """A follower and all that came out of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.csv"
        self.refused: list[Refused] = []
        self.problems: list[str] = []
        self.got: list[int] = []
        self.follower = self.begin(None)

    def begin(self, last_us: int | None) -> Follower:
        self.follower = Follower(
            self.path, last_us, refuse=self.refused.extend, problem=lambda kind, _: self.problems.append(kind)
        )
        return self.follower

    def restart(self) -> None:
        """Another process goes on behind what has been delivered."""
        self.follower.close()
        self.begin(self.got[-1] if self.got else None)

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def poll(self) -> bool:
        block, more = self.follower.poll()
        self.got += block.ts.tolist()
        return more

    def drain(self) -> None:
        """Until nothing is left: an end of file takes a second look."""
        idle = 0
        while idle < 3:
            idle = 0 if self.poll() else idle + 1

    def reasons(self) -> list[str]:
        return [refused.reason for refused in self.refused]


@contextmanager
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        made = Rig(Path(folder))
        try:
            yield made
        finally:
            made.follower.close()


lines = st.lists(st.one_of(st.none(), st.sampled_from(BAD)), min_size=1, max_size=40)
"""None is the next good row."""


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_row_is_lost_or_doubled_whatever_happens_to_the_file(data: st.DataObject) -> None:
    """Files rotated in any state, cut off and rewritten, written in any pieces, read at any moments."""
    with rig() as r:
        n = 0
        good: list[int] = []
        bad: list[str] = []
        for number in range(data.draw(st.integers(1, 4), "files")):
            change = data.draw(st.sampled_from(["rotate", "truncate"]), "change") if number else "create"
            if change == "rotate":
                r.path.rename(r.path.with_name(f"metrics.csv.{number}"))
                if data.draw(st.booleans(), "read while there is no file"):
                    r.poll()
            elif change == "truncate":
                r.drain()
                r.path.write_bytes(b"")
            text = HEADER + "\n"
            for item in data.draw(lines, "rows"):
                if item is None:
                    n += 1
                    good.append(at(n))
                    text += row(n) + "\n"
                else:
                    bad.append(f"{item} {len(bad)}")  # a file rewritten with the very same bytes is the same file
                    text += bad[-1] + "\n"
            cut_row = data.draw(st.booleans(), "ends inside a row")
            if cut_row:
                text += row(n + 1)[:-2]
                bad.append(row(n + 1)[:-2])
            raw = text.encode()
            cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6), "cuts"))
            for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
                r.write(raw[start:end])
                for _ in range(data.draw(st.integers(0, 3), "polls")):
                    r.poll()
            r.poll()  # a file that nobody ever opened cannot be followed after it has gone
            if number:
                r.drain()
        r.path.rename(r.path.with_name("last"))
        r.write((HEADER + "\n").encode())
        r.drain()
        assert r.got == good
        assert [refused.line for refused in r.refused] == [text[:MAX_LINE] for text in bad]


@settings(max_examples=100, deadline=None)
@given(lines, st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_restarts_repeat_no_row_and_forget_none(rows: list[str | None], polls: list[int]) -> None:
    with rig() as r:
        n = 0
        text = HEADER + "\n"
        for item in rows:
            n += item is None
            text += (row(n) if item is None else item) + "\n"
        raw = text.encode()
        step = len(raw) // len(polls) + 1
        for part, count in enumerate(polls):
            r.write(raw[part * step : (part + 1) * step])
            for _ in range(count):
                r.poll()
            r.restart()
        r.drain()
        assert r.got == [at(k + 1) for k in range(n)]
        refused = {(item.line_no, item.line) for item in r.refused}
        expected = {(k + 2, item[:MAX_LINE]) for k, item in enumerate(rows) if item is not None}
        assert refused == expected


def test_a_restart_reads_the_new_end_of_a_long_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    r = Rig(tmp_path)
    old, new = 20_000, 2_000
    r.write((HEADER + "\n" + "".join(row(n) + "\n" for n in range(old + new)) + "bad\n").encode())
    r.begin(at(old - 1))
    polls = 1
    while r.poll():
        polls += 1
    r.follower.close()
    assert r.got == [at(n) for n in range(old, old + new)]
    assert polls * CHUNK < r.path.stat().st_size / 4
    assert [(refused.line_no, refused.reason) for refused in r.refused] == [(old + new + 2, "fields")]


def test_a_restart_does_not_refuse_again_what_stands_before_a_stored_row(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write("\n".join([HEADER, row(1), "bad", row(2), "worse", row(3), ""]).encode())
    r.begin(at(2))
    r.drain()
    r.follower.close()
    assert r.got == [at(3)]
    assert [(refused.line_no, refused.line) for refused in r.refused] == [(5, "worse")]


def test_a_stray_old_row_at_the_end_hides_no_new_ones(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write((HEADER + "\n" + "".join(row(n) + "\n" for n in [*range(5_000), 7])).encode())
    r.begin(at(99))
    r.drain()
    r.follower.close()
    assert r.got == [at(n) for n in range(100, 5_000)]
    assert r.reasons() == ["out_of_order"]


def test_a_file_of_later_rows_only_is_read_whole(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write((HEADER + "\n" + "".join(row(n) + "\n" for n in range(5, 5_000))).encode())
    r.begin(at(4))
    r.drain()
    r.follower.close()
    assert len(r.got) == 4_995


def test_rows_that_do_not_rise_are_refused_after_the_first_new_one(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.begin(at(2))
    r.write("\n".join([HEADER, row(1), row(2), row(3), row(3), row(2), "", row(9), row(4), ""]).encode())
    r.drain()
    r.follower.close()
    assert r.got == [at(3), at(9)]
    assert [(refused.line_no, refused.reason) for refused in r.refused] == [
        (5, "duplicate"),
        (6, "out_of_order"),
        (9, "out_of_order"),
    ]


def test_a_row_of_the_far_future_does_not_stop_the_rest(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write("\n".join([HEADER, row(1), "9000-01-01T00:00:00Z,0,0,0,0", row(2), ""]).encode())
    for _ in range(3):
        block, _more = r.follower.poll(at(10))
        r.got += block.ts.tolist()
    r.follower.close()
    assert r.got == [at(1), at(2)]
    assert r.reasons() == ["future"]


def test_nothing_is_read_until_the_file_has_its_header(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.drain()
    assert r.problems == ["no_file"]
    r.write((row(1) + "\n" + row(2) + "\n").encode())
    r.drain()
    assert (r.got, r.reasons(), r.problems) == ([], [], ["no_file", "header"])
    r.path.write_text("\n".join([HEADER, row(1), row(2), ""]))
    r.drain()
    r.follower.close()
    assert r.got == [at(1), at(2)]


def test_a_rewritten_file_is_noticed_though_it_is_longer(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write("\n".join([HEADER, row(1), row(2), ""]).encode())
    r.drain()
    r.path.write_text("\n".join([HEADER, row(3), row(4), row(5), row(6), ""]))
    r.drain()
    r.follower.close()
    assert r.got == [at(n) for n in (1, 2, 3, 4, 5, 6)]
    assert r.refused == []


def test_a_row_written_to_the_old_file_after_the_rotation_is_not_missed(tmp_path: Path) -> None:
    r = Rig(tmp_path)
    r.write("\n".join([HEADER, row(1), ""]).encode())
    r.drain()
    old = r.path.rename(tmp_path / "metrics.csv.1")
    r.write("\n".join([HEADER, row(3), ""]).encode())
    r.poll()
    with old.open("a") as file:
        file.write(row(2) + "\n")
    r.drain()
    r.follower.close()
    assert r.got == [at(1), at(2), at(3)]
