"""Bad rows are counted and kept aside, bad files are refused by name, and the rest is taken in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.history import at, event, noisy

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.archive.forms import import_dir, lines
from lumen_workers.archive.forms.effects import COLUMNS
from lumen_workers.archive.forms.names import EFFECTS, HISTORY, METRICS, QUOTES, RISKS
from lumen_workers.archive.forms.outcome import ImportReport
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import EnvironmentFault, UsageError
from lumen_workers.domain.records import EffectOptions, EffectStatus, Severity
from lumen_workers.effects.tracker import compute_due
from lumen_workers.loop.metrics_csv import HEADER, format_block

FULL = (
    "rule_ts,actor,rule,old,new,pre_s,post_s,pre_phase,post_phase,d_phase,pre_entropy,post_entropy,d_entropy,"
    "pre_creative,post_creative,d_creative,pre_risk,post_risk,d_risk,opts_iqr,opts_ema,ema_alpha,iqr_k"
)
NO_OPTIONS = FULL.removesuffix(",opts_iqr,opts_ema,ema_alpha,iqr_k")
DELTAS_ONLY = "rule_ts,actor,rule,old,new,pre_s,post_s,d_phase,d_entropy,d_creative,d_risk"
EVENT = {"ts": at(60).isoformat(), "actor": "Sena", "rule": "risk_max", "old": 0.35, "new": 0.33, "note": ""}


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in/logs").mkdir(parents=True)
    (tmp_path / "in/controls").mkdir()
    return tmp_path / "in"


def take(store: SqlStore, folder: Path, **options: Any) -> ImportReport:
    return import_dir(store, folder, "main", quarantine=folder.parent / "quarantine", **options)


def metrics(folder: Path, *rows: str, header: str = HEADER) -> None:
    (folder / METRICS).write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def json_lines(folder: Path, name: str, *rows: Any) -> None:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def aside(report: ImportReport) -> list[dict[str, Any]]:
    assert report.quarantine is not None
    return [json.loads(line) for line in report.quarantine.read_text(encoding="utf-8").splitlines()]


def row(seconds: float, values: str = "0.1,0.2,0.3,0.4") -> str:
    return f"{at(seconds).isoformat()},{values}"


def test_bad_samples_are_counted_by_reason_and_kept_aside(store: SqlStore, folder: Path) -> None:
    metrics(
        folder,
        row(1),
        row(2, "0.1,nan,0.3,0.4"),
        row(3, "0.1,0.2,0.3,1.01"),
        row(4, "0.1,0.2,0.3"),
        row(5, "0.1,zero,0.3,0.4"),
        "2026-01-31T00:00:06,0.1,0.2,0.3,0.4",
        "yesterday,0.1,0.2,0.3,0.4",
        row(8),
        row(8),
        row(7),
        "",
        row(9, "0,1,0,1"),
    )

    report = take(store, folder)

    (file,) = report.files
    assert (file.rows, file.added, file.known) == (11, 3, 0)
    assert file.refused == {
        "duplicate": 1,
        "fields": 1,
        "naive": 1,
        "nan": 1,
        "number": 1,
        "out_of_order": 1,
        "range": 1,
        "ts": 1,
    }
    assert store.samples.window("main", 0, 2**62).values[-1].tolist() == [0.0, 1.0, 0.0, 1.0]
    rows = aside(report)
    assert rows[0].keys() == {"ts_utc", "source", "line_no", "line", "reason"}
    assert (rows[0]["source"], rows[0]["line_no"], rows[0]["line"]) == (METRICS, 3, row(2, "0.1,nan,0.3,0.4"))
    assert [item["line_no"] for item in rows] == [3, 4, 5, 6, 7, 8, 10, 11]


def test_one_bad_row_among_many_pieces_costs_only_itself(
    store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "PIECE", 1000)
    block = noisy(0, 200)
    text = format_block(block).splitlines()
    text.insert(500, "broken")
    metrics(folder, *text)

    report = take(store, folder)

    assert (report.files[0].added, report.refused) == (1000, 1)
    assert aside(report)[0]["line_no"] == 502
    assert store.samples.window("main", 0, 2**62).values.tolist() == block.values.tolist()


def test_order_is_checked_over_pieces(store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 1000)
    text = format_block(noisy(0, 20)).splitlines()
    metrics(folder, *text, *text)

    report = take(store, folder)

    assert (report.files[0].added, report.refused) == (100, 100)


def test_a_line_without_end_is_one_bad_row(store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 1000)
    metrics(folder, row(1), "x" * 5500, row(2))

    report = take(store, folder)

    assert (report.files[0].rows, report.files[0].added, report.refused) == (3, 2, 1)
    assert aside(report)[0]["line_no"] == 3


def test_bytes_that_are_no_text_are_bad_rows(store: SqlStore, folder: Path) -> None:
    (folder / METRICS).write_bytes(f"{HEADER}\n{row(1)}\n".encode() + b"\xff\xfe\x00,,,,\n" + row(2).encode())
    (folder / HISTORY).write_bytes(b"\xff\n" + json.dumps(EVENT).encode())

    report = take(store, folder)

    assert [(file.added, sum(file.refused.values())) for file in report.files] == [(2, 1), (1, 1)]


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_an_empty_file_is_refused_by_name_and_header(store: SqlStore, folder: Path, content: str) -> None:
    (folder / METRICS).write_text(content)

    with pytest.raises(UsageError, match=rf"metrics\.csv.*{HEADER}"):
        take(store, folder)


@pytest.mark.parametrize("header", [row(1), "ts,phase_diff,entropy_rate,creative_band", "\x00\x01", "x" * 3_000_000])
def test_a_missing_header_is_refused_before_anything_is_written(store: SqlStore, folder: Path, header: str) -> None:
    metrics(folder, row(2), header=header)
    json_lines(folder, HISTORY, EVENT)

    with pytest.raises(UsageError, match=rf"metrics\.csv.*{HEADER}") as caught:
        take(store, folder)

    assert "\n" not in str(caught.value)
    assert store.loops.rates() == {}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "rule_ts,actor,rule,old,new",
        FULL + ",mood",
        FULL.replace("d_risk,", ""),
        FULL.replace(",pre_phase", ""),
        FULL + ",d_risk",
        FULL + ",lo_risk,hi_risk",
        FULL + "," + ",".join(COLUMNS[COLUMNS.index("lo_phase") :]),
        ",".join(COLUMNS[:-1]),
    ],
)
def test_another_effects_header_is_refused_before_anything_is_written(
    store: SqlStore, folder: Path, header: str
) -> None:
    metrics(folder, row(1))
    (folder / EFFECTS).write_text(header + "\n")

    with pytest.raises(UsageError, match=r"rules_effects\.csv.*rule_ts,actor"):
        take(store, folder)

    assert store.loops.rates() == {}


def test_a_header_with_a_byte_order_mark_and_crlf_is_taken(store: SqlStore, folder: Path) -> None:
    (folder / METRICS).write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{row(1)}\r\n{row(2)}\r\n".encode())
    json_lines(folder, HISTORY, EVENT)
    (folder / EFFECTS).write_bytes(
        b"\xef\xbb\xbf" + f"{DELTAS_ONLY}\r\n{EVENT['ts']},Sena,risk_max,0.35,0.33,30,30,0,0,0,0\r\n".encode()
    )

    report = take(store, folder)

    assert [file.added for file in report.files] == [2, 1, 1]


def test_nothing_there_says_what_was_expected(store: SqlStore, folder: Path) -> None:
    for source in (folder, folder / "missing"):
        with pytest.raises(UsageError, match=r"nothing to import.*logs/metrics\.csv"):
            import_dir(store, source, "main", quarantine=folder)


@pytest.mark.parametrize("name", ["", "Main", "../x", "a b"])
def test_a_bad_loop_name_is_refused(store: SqlStore, folder: Path, name: str) -> None:
    metrics(folder, row(1))

    with pytest.raises(UsageError, match="loop"):
        import_dir(store, folder, name, quarantine=folder)


def test_the_rate_is_given_or_estimated_and_must_fit_the_loop(store: SqlStore, folder: Path) -> None:
    (folder / METRICS).write_text(f"{HEADER}\n{format_block(noisy(0, 20, rate_hz=20))}")
    with pytest.raises(UsageError, match="rate 7 Hz"):
        take(store, folder, rate_hz=7)

    assert take(store, folder).rate_hz == 20
    with pytest.raises(UsageError, match="known at 20 Hz"):
        take(store, folder, rate_hz=5)
    assert not take(store, folder, rate_hz=20).created


def test_the_rate_of_a_loop_that_is_there_stays(store: SqlStore, folder: Path) -> None:
    store.loops.register("main", 10, "host")
    (folder / METRICS).write_text(f"{HEADER}\n{format_block(noisy(0, 20))}")

    report = take(store, folder)

    assert (report.rate_hz, report.created) == (10, False)


def test_bad_events_are_counted_by_reason_and_kept_aside(store: SqlStore, folder: Path) -> None:
    json_lines(
        folder,
        HISTORY,
        EVENT,
        "{not json",
        '{"ts": NaN}',
        "[1, 2]",
        {**EVENT, "ts": "2026-01-31T00:00:00"},
        {**EVENT, "ts": "soon"},
        {**EVENT, "ts": 5},
        {key: value for key, value in EVENT.items() if key != "new"},
        {**EVENT, "new": "much"},
        {**EVENT, "new": True},
        {**EVENT, "actor": None},
        {**EVENT, "rule": "Risk Max"},
        {**EVENT, "note": 3},
        {**EVENT, "automatic": "yes"},
        {**EVENT, "actor": "\ud800"},
        '{"ts": 1' + "9" * 5000 + "}",
        "[" * 100_000,
        EVENT,
        "",
    )

    report = take(store, folder)

    (file,) = report.files
    assert (file.rows, file.added) == (18, 1)
    assert file.refused == {
        "duplicate": 1,
        "encoding actor": 1,
        "json": 4,
        "missing actor": 1,
        "missing new": 1,
        "naive": 1,
        "number new": 1,
        "object": 1,
        "rule": 1,
        "ts": 1,
        "type automatic": 1,
        "type new": 1,
        "type note": 1,
        "type ts": 1,
    }
    assert len(aside(report)) == 17


def test_plain_spec_events_get_an_id_and_count_as_applied_at_once(store: SqlStore, folder: Path) -> None:
    json_lines(folder, HISTORY, EVENT, {**EVENT, "ts": at(90).isoformat(), "old": 0.33, "new": 0.3})

    first, second = take(store, folder), take(store, folder)

    assert ([first.added, second.added], first.rate_hz) == ([2, 0], 5)
    assert [(e.ts, e.applied_at, e.old, e.new) for e in store.rules.events("main")] == [
        (at(60), at(60), 0.35, 0.33),
        (at(90), at(90), 0.33, 0.3),
    ]


def test_an_event_without_old_gets_the_value_before_it(store: SqlStore, folder: Path) -> None:
    json_lines(
        folder,
        HISTORY,
        {**EVENT, "ts": at(90).isoformat(), "old": None, "new": 0.3},
        EVENT,
        {**EVENT, "ts": at(91).isoformat(), "rule": "creative_min", "old": None},
    )

    report = take(store, folder)

    assert [(e.old, e.new) for e in store.rules.events("main")] == [(0.35, 0.33), (0.33, 0.3)]
    assert report.files[0].refused == {"missing old": 1}


def effects_file(folder: Path, header: str, *rows: str) -> None:
    (folder / EFFECTS).write_text("\n".join([header, *rows, ""]), encoding="utf-8")


MEANS = "0.3,0.28,-0.02,0.2,0.2,0.0,0.3,0.31,0.01,0.25,0.24,-0.01"


@pytest.mark.parametrize(
    ("header", "cells", "raw"),
    [
        (FULL, f"30,30,{MEANS},0,0,0.2,1.5", True),
        (FULL, f"30,30,{MEANS},1,1,0.2,1.5", False),
        (NO_OPTIONS, f"30,30,{MEANS}", True),
        (DELTAS_ONLY, "30,30,-0.02,0.0,0.01,-0.01", True),
        (DELTAS_ONLY.replace(",pre_s,post_s", ""), "-0.02,0.0,0.01,-0.01", True),
    ],
)
def test_the_sources_effects_files_are_read(store: SqlStore, folder: Path, header: str, cells: str, raw: bool) -> None:
    json_lines(folder, HISTORY, EVENT)
    (folder / METRICS).write_text(f"{HEADER}\n{format_block(noisy(0, 120))}")
    effects_file(folder, header, f"{EVENT['ts']},Sena,risk_max,0.35,0.33,{cells}")

    first, second = take(store, folder), take(store, folder)

    assert (first.refused, second.added) == (0, 0)
    ((_, effect),) = store.effects.rows("main")
    assert (effect.status, effect.n_pre, effect.n_post) == (EffectStatus.COMPUTED, 145, 145)
    phase = effect.signals["phase_diff"]
    assert phase.shown_delta == -0.02
    assert phase.delta == (-0.02 if raw else None)
    assert phase.pre == (0.3 if raw and "pre_phase" in header else None)
    assert len(compute_due(store, "main", EffectOptions(), at(2000))) == 1


def test_bad_effects_are_counted_by_reason_and_kept_aside(store: SqlStore, folder: Path) -> None:
    json_lines(folder, HISTORY, EVENT)
    start = f"{EVENT['ts']},Sena,risk_max,0.35,0.33"
    good = f"{start},30,30,{MEANS},0,0,0.2,1.5"
    effects_file(
        folder,
        FULL,
        f'{start},"30,30,{MEANS}',
        good,
        good,
        good.replace("0.33", "0.32"),
        good + ",1",
        good.replace("-0.02", "nan"),
        good.replace("-0.02", "-1.5"),
        good.replace("-0.02", ""),
        good.replace(",30,30,", ",1,30,"),
        good.replace(",0,0,0.2", ",maybe,0,0.2"),
        good.replace("+00:00", ""),
    )

    report = take(store, folder)

    assert report.files[1].added == 1
    assert report.files[1].refused == {
        "duplicate": 1,
        "fields": 2,
        "missing delta": 1,
        "naive": 1,
        "nan d_phase": 1,
        "range d_phase": 1,
        "range pre_s": 1,
        "type opts_iqr": 1,
        "unknown event": 1,
    }
    assert len(aside(report)) == 10


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({}, None),
        ({"lo_risk": "-0.02", "hi_risk": "0.002"}, "verdict_risk"),
        ({"verdict_risk": "worsened"}, "verdict_risk"),
        ({"verdict_risk": "no_change_detectable"}, "verdict_risk"),
        ({"verdict_risk": "insufficient"}, "verdict_risk"),
        ({"verdict_risk": "splendid"}, "verdict_risk"),
        ({"lo_risk": "", "hi_risk": ""}, "verdict_risk"),
        ({"hi_risk": ""}, "range lo_risk"),
        ({"lo_risk": "0.5"}, "range lo_risk"),
        ({"hi_risk": "nan"}, "nan hi_risk"),
        ({"p_risk": "1.5"}, "range p_risk"),
        ({"phi_risk": "-2"}, "range phi_risk"),
        ({"se_risk": "-0.1"}, "range se_risk"),
    ],
)
def test_a_verdict_that_its_interval_does_not_bear_is_refused(
    store: SqlStore, folder: Path, cells: dict[str, str], reason: str | None
) -> None:
    judged = {
        "lo_risk": "-0.02",
        "hi_risk": "-0.002",
        "level_risk": "0.95",
        "p_risk": "0.01",
        "verdict_risk": "improved",
    }
    row = {
        "rule_ts": EVENT["ts"],
        "actor": "Sena",
        "rule": "risk_max",
        "old": 0.35,
        "new": 0.33,
        "status": "computed",
        "pre_s": 30,
        "post_s": 30,
        "gap_s": 1,
        "min_samples": 50,
        "n_pre": 145,
        "n_post": 145,
        "raw_d_risk": -0.011,
        "computed_at": EVENT["ts"],
        "opts_iqr": 0,
        "opts_ema": 0,
        "ema_alpha": 0.2,
        "iqr_k": 1.5,
        **judged,
        **cells,
    }
    json_lines(folder, HISTORY, EVENT)
    effects_file(folder, ",".join(COLUMNS), ",".join(str(row.get(column, "")) for column in COLUMNS))

    report = take(store, folder)

    assert report.files[1].refused == ({} if reason is None else {reason: 1})
    if reason is None:
        ((_, effect),) = store.effects.rows("main")
        risk, phase = effect.signals["risk_band"], effect.signals["phase_diff"]
        assert (risk.lo, risk.hi, risk.level, risk.p, risk.verdict, risk.se) == (
            -0.02,
            -0.002,
            0.95,
            0.01,
            "improved",
            None,
        )
        assert (phase.lo, phase.verdict) == (None, None)


def test_an_effects_row_of_the_source_without_values_is_insufficient(store: SqlStore, folder: Path) -> None:
    json_lines(folder, HISTORY, EVENT)
    effects_file(folder, DELTAS_ONLY, f"{EVENT['ts']},Sena,risk_max,0.35,0.33,30,30,,,,")

    assert take(store, folder).refused == 0
    assert store.effects.rows("main")[0][1].status is EffectStatus.INSUFFICIENT


QUOTE = {
    "ts": EVENT["ts"],
    "by": "Sena",
    "rule": "risk_max",
    "delta": {"phase": -0.02, "entropy": 0.0, "creative": 0.01, "risk": -0.01},
    "confidence": 0.92,
    "quote": "위상차가 가라앉는다.",
}
RISK = {"ts": EVENT["ts"], "severity": "warn", "rule": "risk_max", "signal": {"phase_diff": 0.04}, "note": "too much"}


def test_plain_spec_findings_are_taken_once_however_often_they_stand_there(store: SqlStore, folder: Path) -> None:
    json_lines(folder, HISTORY, EVENT)
    effects_file(folder, DELTAS_ONLY, f"{EVENT['ts']},Sena,risk_max,0.35,0.33,30,30,-0.02,0.0,0.01,-0.01")
    json_lines(folder, QUOTES, QUOTE, QUOTE, QUOTE)
    json_lines(folder, RISKS, RISK)

    first, second = take(store, folder), take(store, folder)

    assert ([file.added for file in first.files], second.added) == ([1, 1, 1, 1], 0)
    assert first.files[2].refused == {"duplicate": 2}
    ((_, effect),) = store.effects.rows("main")
    (quote,) = store.findings.quotes("main")
    (risk,) = store.findings.risks("main")
    assert (quote.effect_id, quote.quote, quote.ts) == (effect.effect_id, QUOTE["quote"], at(60))
    assert dict(quote.delta)["creative_band"] == 0.01
    assert (risk.severity, dict(risk.signal)) == (Severity.WARN, {"phase_diff": 0.04})
    assert store.effects.unspoken("main") == []


def test_bad_findings_are_counted_by_reason(store: SqlStore, folder: Path) -> None:
    json_lines(
        folder,
        QUOTES,
        {**QUOTE, "confidence": 1.5},
        {**QUOTE, "delta": {"mood": 1}},
        {**QUOTE, "delta": [1]},
        {**QUOTE, "quote": ""},
    )
    json_lines(folder, RISKS, {**RISK, "severity": "awful"}, {**RISK, "signal": {"phase": 2}}, {**RISK, "note": None})

    report = take(store, folder)

    assert [dict(file.refused) for file in report.files] == [
        {"missing quote": 1, "range confidence": 1, "signal delta": 1, "type delta": 1},
        {"missing note": 1, "range phase": 1, "severity": 1},
    ]
    assert report.added == 0


def test_importing_again_replaces_the_quarantine_and_a_clean_import_removes_it(store: SqlStore, folder: Path) -> None:
    metrics(folder, row(1), "broken")
    first = take(store, folder)
    second = take(store, folder)
    metrics(folder, row(1))
    third = take(store, folder)

    assert first.quarantine == second.quarantine
    assert first.refused == second.refused == 1
    assert third.quarantine is None
    assert list((folder.parent / "quarantine").iterdir()) == []


def test_a_quarantine_that_cannot_be_written_stops_the_import(store: SqlStore, folder: Path) -> None:
    metrics(folder, row(1), "broken")
    (folder.parent / "quarantine").write_text("in the way")

    with pytest.raises(EnvironmentFault, match="refused rows cannot be kept"):
        take(store, folder)


def test_progress_is_told(store: SqlStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PIECE", 1000)
    metrics(folder, *format_block(noisy(0, 20)).splitlines())
    told: list[tuple[str, int]] = []

    take(store, folder, progress=lambda path, rows: told.append((path, rows)))

    assert len(told) > 3
    assert told[-1] == (METRICS, 100)


def test_imported_events_do_not_move_a_rule_that_lives_here(store: SqlStore, folder: Path) -> None:
    store.loops.register("main", 5, "host")
    store.rules.insert([event(1000, event_id="ev-here", new=0.5)])
    json_lines(folder, HISTORY, EVENT)

    take(store, folder)

    assert store.rules.current("main")["risk_max"].value == 0.5


def test_a_sample_from_the_future_is_refused(tmp_path: Path) -> None:
    store = open_store("sqlite://", clock=VirtualClock(datetime(2026, 1, 31, 12, tzinfo=UTC)))
    (tmp_path / "in" / "logs").mkdir(parents=True)
    rows = [
        "2026-01-31T11:59:59+00:00",
        "2026-01-31T12:00:59+00:00",
        "2026-01-31T12:01:01+00:00",
        "2126-01-01T00:00:00Z",
    ]
    text = "".join(f"{ts},0.1,0.2,0.3,0.4\n" for ts in rows)
    (tmp_path / "in" / "logs" / "metrics.csv").write_text(f"{HEADER}\n{text}")
    report = import_dir(store, tmp_path / "in", "main", rate_hz=5, quarantine=tmp_path / "quarantine")
    assert (report.added, report.files[0].refused) == (2, {"future": 2})
    store.close()
