"""Export, import into an empty store, export again: the same bytes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.day import made
from support.history import at, event, noisy
from support.judged import judged

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.archive.forms import export_loop, import_dir
from lumen_workers.archive.forms.effects import COLUMNS
from lumen_workers.archive.forms.journal import read_journal_line
from lumen_workers.archive.forms.names import EFFECTS, FORMS, HISTORY, METRICS, QUOTES, RISKS
from lumen_workers.domain.clock import VirtualClock, iso, to_us
from lumen_workers.domain.errors import EnvironmentFault, NotFound
from lumen_workers.domain.journal import FILES, GATEWAY
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.tracker import SETTLE, compute_due, effect_id
from lumen_workers.findings.speaker import speak
from lumen_workers.findings.thresholds import Thresholds

JSON_KINDS = [kind for kind in FILES if kind != GATEWAY]
LOW = Thresholds(phase_good=-0.0001, risk_good=-0.0001, creative_good=0.0001, phase_bad=0.0001, entropy_bad=0.0001)


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    yield opened
    opened.close()


@pytest.fixture
def other() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    yield opened
    opened.close()


def wavering(end_s: float) -> Block:
    """Noise about levels that change at each event of ``fill``, to and fro: what is found there can be told."""
    block = noisy(0, end_s)
    high = (block.ts - to_us(at(60))) // 100_000_000 % 2 == 0
    return Block(block.ts, (0.3 * block.values + np.where(high, 0.5, 0.2)[:, None]).round(6))


def fill(store: SqlStore, loop: str = "main") -> None:
    """Samples, six events (one rolled back, one not applied, odd texts), effects with and without filters, findings."""
    store.loops.register(loop, 5, "mock")
    store.samples.add(loop, wavering(700))
    notes = ["", '쉼표, 따옴표 " 와 줄\n바꿈', "café → naïve", "a\rb", "  spaces  ", "\u2028 \x85"]
    events = [
        event(60 + 100 * index, event_id=f"{loop}-{index}", loop=loop, new=0.33 - index / 100, note=note, actor=actor)
        for index, (note, actor) in enumerate(
            zip(notes, ["Sena", 'Lu"bit', "이,름", "a\rb", "x\n\ny", "\u2028"], strict=True)
        )
    ]
    events[3] = replace(events[3], undoes=f"{loop}-2", automatic=True)
    store.rules.insert([*events, event(690, event_id=f"{loop}-late", loop=loop, applied_s=None)])
    for options in (EffectOptions(), EffectOptions(iqr=True, ema=True, pre_s=20.5), EffectOptions(min_samples=1000)):
        compute_due(store, loop, options, at(700) + SETTLE)
    speak(store, loop, LOW, "ko")
    for number, (kind, note) in enumerate((kind, note) for kind in JSON_KINDS for note in notes):
        line = {"cmd": "loop.set", "by": "kim", "note": note, "rate_hz": 10, "deep": {"n": [number, None, 0.1]}}
        store.journal.append(loop, kind, line, ts=at(number))
    for number, note in enumerate(notes):
        moved = {"tag": "LOCK-IN", "from": None if number == 0 else "binding", "to": "locked", "by": "kim", "why": note}
        store.journal.append(loop, GATEWAY, moved, ts=at(number))
    for text in (f"{iso(at(9))} [SIGN] someone -> wrote this", f"{iso(at(9))} [LOCK-IN]"):
        store.journal.insert([read_journal_line(GATEWAY, text.encode(), loop)])


def told(store: SqlStore) -> list[tuple[object, ...]]:
    """The journal but for its numbers."""
    return sorted((e.kind, e.ts, e.entry_id, str(e.data)) for e in store.journal.rows(loop="main"))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FORMS}


def test_the_round_trip_loses_nothing(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    fill(store)
    first, ranked = store.rules.events("main")[0], EffectOptions(pre_s=25.0)
    numbers = {name: judged(name, 0.01, placebo_p=1 / 21) for name in SIGNALS}
    store.effects.add([replace(made(first, options=ranked), effect_id=effect_id("main-0", ranked), signals=numbers)])
    rows = export_loop(store, "main", tmp_path / "first")

    report = import_dir(other, tmp_path / "first", "main", quarantine=tmp_path / "quarantine")
    export_loop(other, "main", tmp_path / "second")

    assert rows == {
        METRICS: 3500,
        EFFECTS: 19,
        HISTORY: 7,
        QUOTES: rows[QUOTES],
        RISKS: rows[RISKS],
        **{FILES[kind]: 6 for kind in JSON_KINDS},
        FILES[GATEWAY]: 8,
    }
    assert rows[QUOTES] > 5
    assert rows[RISKS] > 0
    assert {file.path: file.added for file in report.files} == rows
    assert (report.refused, report.quarantine, report.created, report.rate_hz) == (0, None, True, 5)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert told(store) == told(other)
    assert [effect.signals for _, effect in other.effects.rows("main")] == [
        effect.signals for _, effect in store.effects.rows("main")
    ]
    found = [signal for _, effect in other.effects.rows("main") for signal in effect.signals.values()]
    assert {signal.verdict for signal in found} >= {"improved", "worsened", "insufficient"}
    assert {signal.placebo_p for signal in found} == {None, 1 / 21}


def test_a_file_from_before_there_were_intervals_is_read_and_makes_no_finding(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(store)
    export_loop(store, "main", tmp_path)
    first = COLUMNS.index("lo_phase")
    with (tmp_path / EFFECTS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with (tmp_path / EFFECTS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(row[:first] for row in rows)
    for name in (QUOTES, RISKS):
        (tmp_path / name).unlink()

    report = import_dir(other, tmp_path, "main", quarantine=tmp_path / "quarantine")
    spoken = speak(other, "main", LOW, "en")

    assert report.refused == 0
    signals = [signal for _, effect in other.effects.rows("main") for signal in effect.signals.values()]
    assert {(signal.verdict, signal.lo, signal.p) for signal in signals} == {(None, None, None)}
    assert any(signal.delta for signal in signals)
    assert (spoken.effects, spoken.quotes, spoken.risks) == (12, (), ())


def test_imported_intervals_are_spoken_about_like_measured_ones(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(store)
    export_loop(store, "main", tmp_path)
    for name in (QUOTES, RISKS):
        (tmp_path / name).unlink()
    import_dir(other, tmp_path, "main", quarantine=tmp_path / "quarantine")

    assert [q.quote for q in speak(other, "main", LOW, "ko").quotes] == [q.quote for q in store.findings.quotes("main")]


def test_an_imported_history_is_not_computed_or_spoken_about_again(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    fill(store)
    export_loop(store, "main", tmp_path)
    import_dir(other, tmp_path, "main", quarantine=tmp_path / "quarantine")

    assert compute_due(other, "main", EffectOptions(), at(700) + SETTLE) == []
    assert speak(other, "main", LOW, "en").effects == 0


def test_a_second_import_adds_nothing(store: SqlStore, tmp_path: Path) -> None:
    fill(store)
    export_loop(store, "main", tmp_path / "out")
    before = store.loops.watermark()

    report = import_dir(store, tmp_path / "out", "main", quarantine=tmp_path / "quarantine")

    assert report.added == 0
    assert all(file.rows == file.known for file in report.files)
    assert not report.created
    assert store.loops.watermark() == before


def test_an_export_can_become_another_loop_of_the_same_store(store: SqlStore, tmp_path: Path) -> None:
    fill(store)
    rows = export_loop(store, "main", tmp_path / "out")

    report = import_dir(store, tmp_path / "out", "copy", quarantine=tmp_path / "quarantine")
    again = import_dir(store, tmp_path / "out", "copy", quarantine=tmp_path / "quarantine")

    assert {file.path: file.added for file in report.files} == rows
    assert again.added == 0
    copied = {event.event_id for event, _ in store.effects.rows("copy")}
    assert copied <= {event.event_id for event in store.rules.events("copy")}
    undone = [event.undoes for event in store.rules.events("copy") if event.undoes]
    assert undone == [store.rules.events("copy")[2].event_id]
    assert {quote.effect_id for quote in store.findings.quotes("copy")} <= {
        effect.effect_id for _, effect in store.effects.rows("copy")
    }
    assert len(store.findings.quotes("copy")) == rows[QUOTES]


def test_the_metrics_of_a_day_and_its_ledgers_are_bounded(store: SqlStore, tmp_path: Path) -> None:
    fill(store)

    rows = export_loop(store, "main", tmp_path, start=at(160), end=at(360))

    assert rows[METRICS] == 1000
    assert rows[HISTORY] == 2
    assert rows[EFFECTS] == 6
    assert {rows[name] for name in FILES.values()} == {0}
    assert export_loop(store, "main", tmp_path, start=at(2), end=at(4))[FILES[GATEWAY]] == 2
    export_loop(store, "main", tmp_path, start=at(160), end=at(360))
    times = [json.loads(line)["ts"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert times == ["2026-01-31T00:02:40.000000+00:00", "2026-01-31T00:04:20.000000+00:00"]


def test_rows_above_the_watermark_are_left_out(store: SqlStore, tmp_path: Path) -> None:
    fill(store)
    mark = store.loops.watermark()["main"]
    export_loop(store, "main", tmp_path / "before", upto=mark)
    store.samples.add("main", noisy(700, 800))
    store.rules.insert([event(650, event_id="ev-new", new=0.2)])
    store.rules.applied("main-late", at(691), "file")
    compute_due(store, "main", EffectOptions(), at(2000))
    speak(store, "main", LOW, "en")
    for kind in FILES:
        store.journal.append("main", kind, {"tag": "SIGN", "cmd": "loop.set", "by": "kim"}, ts=at(3))

    export_loop(store, "main", tmp_path / "after", upto=mark)

    assert contents(tmp_path / "before") == contents(tmp_path / "after")


def test_the_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lumen.db'}"
    opened = open_store(url)
    fill(opened)
    opened.close()
    script = (
        "import os, sys, pathlib\n"
        "from lumen_workers.adapters.store import open_store\n"
        "from lumen_workers.archive.forms import export_loop\n"
        "os.umask(int(sys.argv[3], 8))\n"
        "export_loop(open_store(sys.argv[1]), 'main', pathlib.Path(sys.argv[2]))\n"
    )
    settings_ = {"a": ("0", "UTC", "C", "022"), "b": ("77", "America/New_York", "ko_KR.UTF-8", "077")}

    for name, (seed, zone, locale, umask) in settings_.items():
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        command = [sys.executable, "-c", script, url, str(tmp_path / name), umask]
        subprocess.run(command, env=environment, check=True, timeout=60)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_spec_keys_come_first(store: SqlStore, tmp_path: Path) -> None:
    fill(store)
    export_loop(store, "main", tmp_path)

    def keys(name: str) -> list[str]:
        return list(json.loads((tmp_path / name).read_text().splitlines()[0]))

    assert keys(HISTORY)[:6] == ["ts", "actor", "rule", "old", "new", "note"]
    assert keys(QUOTES)[:6] == ["ts", "by", "rule", "delta", "confidence", "quote"]
    assert keys(RISKS)[:5] == ["ts", "severity", "rule", "signal", "note"]
    assert (tmp_path / METRICS).read_text().startswith("ts,phase_diff,entropy_rate,creative_band,risk_band\n")
    assert (
        (tmp_path / EFFECTS)
        .read_text()
        .startswith(
            "rule_ts,actor,rule,old,new,pre_s,post_s,pre_phase,post_phase,d_phase,pre_entropy,post_entropy,d_entropy,"
            "pre_creative,post_creative,d_creative,pre_risk,post_risk,d_risk,opts_iqr,opts_ema,ema_alpha,iqr_k,event_id,"
        )
    )
    header = (tmp_path / EFFECTS).read_text().splitlines()[0]
    assert header.endswith(
        ",raw_d_risk,"
        + ",".join(
            f"{part}_{signal}"
            for signal in ("phase", "entropy", "creative", "risk")
            for part in ("lo", "hi", "level", "se", "phi", "n_eff", "mde", "p", "placebo_p", "verdict")
        )
    )
    quote = json.loads((tmp_path / QUOTES).read_text().splitlines()[0])
    assert list(quote["delta"]) == ["phase", "entropy", "creative", "risk"]
    assert "위상차" in (tmp_path / QUOTES).read_text(encoding="utf-8")


def test_a_loop_without_rows_has_files_with_headers_only(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    store.loops.register("quiet", 10, "mock")

    assert set(export_loop(store, "quiet", tmp_path).values()) == {0}
    report = import_dir(other, tmp_path, "quiet", rate_hz=10, quarantine=tmp_path / "quarantine")

    assert (report.added, report.refused, report.rate_hz) == (0, 0, 10)


def test_an_unknown_loop_is_named(store: SqlStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="'nowhere'"):
        export_loop(store, "nowhere", tmp_path)


def test_a_target_that_cannot_be_written_is_named_and_left_clean(store: SqlStore, tmp_path: Path) -> None:
    fill(store)
    (tmp_path / "logs").write_text("in the way")

    with pytest.raises(EnvironmentFault, match=r"metrics\.csv"):
        export_loop(store, "main", tmp_path)


def test_a_broken_export_leaves_the_old_file(store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    export_loop(store, "main", tmp_path)
    before = (tmp_path / METRICS).read_bytes()

    def broken(*_: object, **__: object) -> Iterator[Block]:
        yield noisy(0, 1)
        raise EnvironmentFault("gone")

    monkeypatch.setattr(store.samples, "scan", broken)
    with pytest.raises(EnvironmentFault, match="gone"):
        export_loop(store, "main", tmp_path)

    assert (tmp_path / METRICS).read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == sorted(
        Path(name).name for name in FORMS if name.startswith("logs/")
    )


@settings(max_examples=25, deadline=None)
@given(
    times=st.lists(st.integers(0, 4 * 10**15), min_size=1, max_size=40, unique=True),
    data=st.data(),
)
def test_any_times_and_values_come_back_as_they_were(times: list[int], data: st.DataObject) -> None:
    values = data.draw(
        st.lists(
            st.lists(st.floats(0, 1, allow_nan=False), min_size=4, max_size=4), min_size=len(times), max_size=len(times)
        )
    )
    block = Block(np.array(sorted(times), np.int64), np.array(values) + 0.0)
    # Behind every time that is drawn: what is later than the store's clock is refused.
    clock = VirtualClock(datetime(2100, 1, 1, tzinfo=UTC))
    first, second = open_store("sqlite://"), open_store("sqlite://", clock=clock)
    try:
        with TemporaryDirectory() as folder:
            first.loops.register("main", 5, "mock")
            first.samples.add("main", block)
            export_loop(first, "main", Path(folder))
            import_dir(second, Path(folder), "main", quarantine=Path(folder) / "quarantine")
        back = second.samples.window("main", -(2**62), 2**62)
    finally:
        first.close()
        second.close()

    assert back.ts.tolist() == block.ts.tolist()
    assert back.values.tolist() == block.values.tolist()
