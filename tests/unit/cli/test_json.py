"""What other programs rely on: with ``--json`` standard output is one JSON document, of these shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support import day as days
from support.judged import judged

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.signals import SIGNALS

from .conftest import Command

STAGES = ["build", "pdf", "freeze", "sign", "attest", "verify"]

READING: list[Sequence[str]] = [
    ["status"],
    ["doctor"],
    ["schedule"],
    ["rules", "list"],
    ["rules", "get"],
    ["loop", "list"],
    ["loop", "samples"],
    ["gateway", "status"],
    ["gateway", "log"],
    ["rhythm", "show"],
    ["rhythm", "list"],
    ["effects", "list"],
    ["effects", "show", "main-0"],
    ["effects", "compute"],
    ["quotes", "list"],
    ["risks", "list"],
    ["runs", "list"],
    ["letters", "list"],
    ["archive", "list"],
    ["archive", "verify", "2026-01-31"],
    ["audit", "list"],
    ["audit", "verify"],
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_every_reading_command_has_json_and_a_table(lumen: Command, full: Path, words: Sequence[str]) -> None:
    told, shown = lumen(*words, "--json"), lumen(*words)
    assert (told.code, told.err) == (0, "")
    assert isinstance(told.json, list | dict)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.strip()
    assert all(line == line.rstrip() for line in shown.out.splitlines())


@pytest.mark.parametrize("words", [words for words in READING if words[1:2] != ["show"] and "verify" not in words])
def test_an_empty_home_is_no_error(lumen: Command, words: Sequence[str]) -> None:
    assert lumen(*words, "--json").code == 0
    shown = lumen(*words)
    assert shown.code == 0
    assert shown.out.strip()


def test_reading_makes_no_key(lumen: Command, home: Path) -> None:
    for words in READING:
        lumen(*words)
    assert not (home / "keys").exists()


def is_instant(text: str) -> bool:
    return datetime.fromisoformat(text).utcoffset() == timedelta(0)


def test_effects(lumen: Command, full: Path) -> None:
    rows = lumen("effects", "list", "--json").json
    assert len(rows) == 10
    for row in rows:
        assert row.keys() >= {
            *("event_id", "loop", "rule", "ts", "old", "new", "status", "n_pre", "n_post", "signals"),
        }
        assert is_instant(row["ts"])
        assert set(row["signals"]) == {"phase_diff", "entropy_rate", "creative_band", "risk_band"}
        for signal in row["signals"].values():
            assert list(signal) == [
                *("pre", "post", "delta", "lo", "hi", "level", "phi", "n_eff", "mde", "verdict", "placebo_p", "p", "q"),
                "shown",
            ]
    first = rows[0]
    assert (first["event_id"], first["rule"], first["old"], first["new"]) == ("main-0", "risk_max", 0.3, 0.31)
    assert (first["status"], first["n_pre"], first["n_post"]) == ("computed", 145, 146)
    creative = first["signals"]["creative_band"]
    assert creative["delta"] == days.DELTA[2]
    assert (creative["lo"], creative["hi"], creative["level"]) == (pytest.approx(0.025), pytest.approx(0.037), 0.95)
    assert (creative["verdict"], first["signals"]["entropy_rate"]["verdict"]) == ("improved", "no_change_detectable")
    assert creative["p"] < creative["q"] < 0.01
    short = rows[3]
    assert (short["status"], short["n_pre"]) == ("insufficient", 12)
    risk = short["signals"]["risk_band"]
    assert (risk["delta"], risk["lo"], risk["q"], risk["verdict"]) == (None, None, None, "insufficient")
    assert lumen("effects", "show", "main-0", "--json").json == [first]


def test_the_rate_of_false_discoveries_does_not_depend_on_what_is_looked_at(lumen: Command, home: Path) -> None:
    lumen("loop", "list")
    store = open_store(f"sqlite:///{home}/lumen.db")
    for loop, hours, p in (("main", 1, 0.01), ("demo", 2, 0.04), ("main", 25, 0.9)):
        event = days.change(store, f"{loop}-{hours}", 3600 * hours, loop=loop)
        signals = {name: judged(name, 0.05, p=p if name == "risk_band" else None) for name in SIGNALS}
        store.effects.add([replace(days.made(event), signals=signals)])
    store.close()

    def rates(*words: str) -> dict[str, float]:
        rows = lumen("effects", *words, "--json").json
        return {row["event_id"]: row["signals"]["risk_band"]["q"] for row in rows}

    assert rates("list") == {
        "main-1": pytest.approx(0.02),
        "demo-2": pytest.approx(0.04),
        "main-25": pytest.approx(0.9),
    }
    assert rates("list", "--loop", "main") == {"main-1": pytest.approx(0.02), "main-25": pytest.approx(0.9)}
    assert rates("show", "main-1") == {"main-1": pytest.approx(0.02)}


def test_effects_for_people(lumen: Command, full: Path) -> None:
    shown = lumen("effects", "list").out
    assert "-0.021 improved" in shown
    assert "[-0.027, -0.015]" in shown
    assert "+0.002 no change" in shown
    assert "12+146" in shown
    one = lumen("effects", "show", "main-0").out
    assert "phase_diff fell by 0.021 (95 %: 0.015 to 0.027): improved." in one
    assert "entropy_rate: no change detectable; if there is one, it is small (95 %: -0.004 to +0.008)." in one
    assert "placebo p" in one
    assert "risk_band: too few samples on one side." in lumen("effects", "show", "main-3").out


def test_old_effects_have_dashes_for_people(lumen: Command, home: Path) -> None:
    lumen("loop", "list")
    store = open_store(f"sqlite:///{home}/lumen.db")
    days.effect(store, days.change(store, "old", 60), reach=None)
    store.close()
    (row,) = [line for line in lumen("effects", "list").out.splitlines() if line.startswith("old ")]
    assert all(f"{days.DELTA[n]:+.3f} –" in row for n in range(4))
    assert "risk_band: – (measured before effects had intervals)." in lumen("effects", "show", "old").out
    assert lumen("effects", "list", "--json").json[0]["signals"]["risk_band"]["verdict"] is None


def test_runs(lumen: Command, full: Path) -> None:
    (row,) = lumen("runs", "list", "--json").json
    assert row.keys() >= {
        *("run_id", "pipeline", "day", "revision", "region", "executed_by", "attempt", "status", "error_class"),
        *("digest", "winner", "started", "ended", "trace_id", "stages"),
    }
    assert (row["pipeline"], row["day"], row["revision"], row["attempt"]) == ("daily", "2026-01-31", 1, 1)
    assert (row["region"], row["executed_by"], row["status"], row["winner"]) == (
        *("ap-northeast-2", "ap-northeast-2"),
        *("done", True),
    )
    assert row["error_class"] is None
    assert len(row["digest"]) == 64
    assert is_instant(row["started"])
    assert is_instant(row["ended"])
    assert [stage["name"] for stage in row["stages"]] == STAGES
    assert {stage["status"] for stage in row["stages"]} == {"done"}
    assert all(stage["seconds"] >= 0 for stage in row["stages"])
    shown = lumen("runs", "show", row["run_id"], "--json").json
    timeline = shown.pop("timeline")
    assert shown == row
    assert [entry["event"] for entry in timeline] == ["queued", *["claimed", "stage done"] * len(STAGES), "done"]
    assert all(is_instant(entry["ts_utc"]) and entry["subject"] == row["run_id"] for entry in timeline)
    assert lumen("runs", "list", "--day", "2026-01-31", "--json").json == [row]
    assert lumen("runs", "list", "--day", "2026-01-30", "--json").json == []


def test_a_run_for_people(lumen: Command, full: Path) -> None:
    (row,) = lumen("runs", "list", "--json").json
    shown = lumen("runs", "show", row["run_id"]).out
    for word in (row["run_id"], row["digest"], row["trace_id"], "the winner", "us-west-2 (due)", *STAGES):
        assert word in shown


def test_changing_a_rule_tells_the_event(lumen: Command) -> None:
    (event,) = lumen("rules", "set", "risk_max", "0.3", "--actor", "Sena", "--note", "why", "--json").json
    assert event.keys() >= {"event_id", "loop", "ts", "applied_at", "actor", "rule", "old", "new", "note"}
    assert (event["loop"], event["rule"], event["old"], event["new"], event["actor"], event["note"]) == (
        *("main", "risk_max", 0.35, 0.3, "Sena", "why"),
    )
    assert lumen("rules", "list", "--json").json == [event]
    assert lumen("rules", "get", "--json").json["risk_max"] == 0.3
    (undone,) = lumen("rules", "rollback", event["event_id"], "--json").json
    assert (undone["old"], undone["new"], undone["undoes"]) == (0.3, 0.35, event["event_id"])


def test_a_round_trip_through_files(lumen: Command, full: Path, tmp_path: Path) -> None:
    counts = lumen("export", tmp_path / "files", "--json").json
    assert counts["logs/metrics.csv"] == 34_500
    report = lumen("import", tmp_path / "files", "--loop", "copy", "--json").json
    assert (report["loop"], report["rate_hz"], report["created"], report["refused"]) == ("copy", 5, True, 0)
    assert lumen("import", tmp_path / "files", "--loop", "copy", "--json").json["added"] == 0
    again = lumen("export", tmp_path / "again", "--loop", "copy", "--json").json
    assert again == counts
    metrics = [tmp_path / folder / "logs" / "metrics.csv" for folder in ("files", "again")]
    assert metrics[0].read_bytes() == metrics[1].read_bytes()


def test_a_window_of_an_export(lumen: Command, full: Path, tmp_path: Path) -> None:
    window = ("--from", days.at(10).isoformat(), "--to", days.at(20).astimezone(UTC).isoformat())
    assert lumen("export", tmp_path / "files", *window, "--json").json["logs/metrics.csv"] == 50


def test_what_an_import_refuses_is_kept_in_the_home(lumen: Command, home: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "logs").mkdir(parents=True)
    (tmp_path / "in" / "logs" / "metrics.csv").write_text(
        "ts,phase_diff,entropy_rate,creative_band,risk_band\n"
        "2026-01-31T00:00:00.000000+00:00,0.1,0.2,0.3,0.4\n"
        "2026-01-31T00:00:00.200000+00:00,nan,0.2,0.3,0.4\n"
        "2026-01-31T00:00:00.400000,0.1,0.2,0.3,0.4\n"
        "2026-01-31T00:00:00.600000+00:00,7,0.2,0.3,0.4\n"
    )
    report = lumen("import", tmp_path / "in", "--json").json
    assert (report["added"], report["refused"]) == (1, 3)
    kept = Path(report["quarantine"])
    assert kept.parent == home / "quarantine"
    assert len(kept.read_text().splitlines()) == 3
    shown = lumen("import", tmp_path / "in").out
    assert str(kept) in shown


@pytest.mark.parametrize("text", ["", "when,what\n1,2\n"])
def test_a_file_without_the_header_is_one_line(lumen: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "in" / "logs").mkdir(parents=True)
    (tmp_path / "in" / "logs" / "metrics.csv").write_text(text)
    answer = lumen("import", tmp_path / "in", "--loop", "fresh")
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "metrics.csv" in answer.err
    assert "fresh" not in [row["loop"] for row in lumen("loop", "list", "--json").json]


def test_an_imported_step_is_measured_and_spoken_of(lumen: Command, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "logs").mkdir(parents=True)
    (folder / "controls").mkdir()
    step = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
    rows = ["ts,phase_diff,entropy_rate,creative_band,risk_band"]
    noise = np.random.default_rng(1).normal(0, 0.01, (600, 4)).round(3)
    for n in range(-300, 300):
        ts = step + n * timedelta(milliseconds=200)
        values = noise[n + 300] + (0.3, 0.2, 0.25 if n < 0 else 0.35, 0.3)
        rows.append(f"{ts.isoformat()},{','.join(f'{value:.3f}' for value in values)}")
    (folder / "logs" / "metrics.csv").write_text("\n".join(rows) + "\n")
    event = {"ts": step.isoformat(), "actor": "Sena", "rule": "creative_min", "old": 0.22, "new": 0.3, "note": ""}
    (folder / "controls" / "rules_history.jsonl").write_text(json.dumps(event) + "\n")
    imported = lumen("import", folder, "--loop", "kiln", "--json").json
    assert (imported["rate_hz"], imported["added"], imported["refused"]) == (5, 601, 0)
    assert lumen("effects", "compute", "--loop", "kiln", "--json").json == {"kiln": {"effects": 1, "findings": 1}}
    assert lumen("effects", "compute", "--loop", "kiln", "--json").json == {"kiln": {"effects": 0, "findings": 0}}
    effect = lumen("effects", "list", "--loop", "kiln", "--json").json[0]
    assert (effect["status"], effect["n_pre"], effect["n_post"]) == ("computed", 145, 145)
    assert effect["signals"]["creative_band"]["delta"] == pytest.approx(0.1, abs=0.005)
    assert effect["signals"]["creative_band"]["verdict"] == "improved"
    quote = lumen("quotes", "list", "--loop", "kiln", "--json").json[0]
    assert (quote["by"], quote["rule"], quote["confidence"]) == ("Sena", "creative_min", 0.65)


def test_an_imported_step_without_noise_bears_no_quote(lumen: Command, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "logs").mkdir(parents=True)
    (folder / "controls").mkdir()
    step = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
    rows = ["ts,phase_diff,entropy_rate,creative_band,risk_band"]
    for n in range(-300, 300):
        ts = step + n * timedelta(milliseconds=200)
        rows.append(f"{ts.isoformat()},0.3,0.2,{0.25 if n < 0 else 0.35},0.3")
    (folder / "logs" / "metrics.csv").write_text("\n".join(rows) + "\n")
    event = {"ts": step.isoformat(), "actor": "Sena", "rule": "creative_min", "old": 0.22, "new": 0.3, "note": ""}
    (folder / "controls" / "rules_history.jsonl").write_text(json.dumps(event) + "\n")
    lumen("import", folder, "--loop", "kiln")
    assert lumen("effects", "compute", "--loop", "kiln", "--json").json == {"kiln": {"effects": 1, "findings": 0}}
    signal = lumen("effects", "list", "--loop", "kiln", "--json").json[0]["signals"]["creative_band"]
    assert (signal["delta"], signal["verdict"], signal["lo"]) == (pytest.approx(0.1), "insufficient", None)
