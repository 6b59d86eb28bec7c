"""`lumen audit`, on a home with a closed day."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from .conftest import Command

REGION = "ap-northeast-2"


def sql(home: Path, *statements: str) -> None:
    with sqlite3.connect(home / "lumen.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_closed_day_names_the_heads_and_they_hold(lumen: Command, full: Path) -> None:
    found = lumen("audit", "verify", "--json")
    assert (found.code, found.err) == (0, "")
    assert (found.json["ok"], found.json["faults"], found.json["attested_heads"]) == (True, [], 1)
    [chain] = found.json["chains"]
    assert (chain["chain"], chain["rows"]) == (REGION, chain["seq"])
    assert chain["attested"]["source"] == f"2026-01-31/{REGION}.lumen.json"
    assert lumen("audit", "verify", "--no-archive", "--json").json["attested_heads"] == 0
    shown = lumen("audit", "verify")
    assert (shown.code, shown.out.splitlines()[-1].endswith("all hold")) == (0, True)


def test_an_edited_line_is_named_and_the_exit_is_1(lumen: Command, full: Path) -> None:
    sql(full, "UPDATE audit SET actor = 'eve' WHERE seq = 2")
    found = lumen("audit", "verify", "--json")
    assert (found.code, found.json["ok"], found.json["fault_count"]) == (1, False, 1)
    fault = {"chain": REGION, "seq": 2, "reason": "edited", "detail": "its hash does not hold"}
    assert found.json["faults"] == [fault]
    assert f"the audit log does not hold: {REGION} line 2: edited" in found.err
    assert "edited" in lumen("audit", "verify").out


def test_a_log_that_was_emptied_contradicts_the_day(lumen: Command, full: Path) -> None:
    sql(full, "DELETE FROM audit", "DELETE FROM audit_heads")
    assert lumen("audit", "verify", "--no-archive").code == 0
    found = lumen("audit", "verify", "--json")
    assert [(fault["chain"], fault["reason"]) for fault in found.json["faults"]] == [(REGION, "chain_missing")]


def test_evidence_that_does_not_hold_is_told(lumen: Command, full: Path) -> None:
    path = full / "archive" / "2026-01-31" / f"{REGION}.lumen.json"
    path.chmod(0o644)
    path.write_bytes(b"{}")
    found = lumen("audit", "verify", "--json")
    assert (found.code, [fault["reason"] for fault in found.json["faults"]]) == (1, ["evidence_refused"])


def test_an_export_needs_no_store(lumen: Command, full: Path, tmp_path: Path) -> None:
    told = lumen("audit", "export", "--json")
    path = full / "controls/provenance/audit.log.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert told.json == {"file": str(path), "rows": len(rows), "chains": {REGION: len(rows)}}
    other = tmp_path / "x.jsonl"
    assert lumen("audit", "export", "-o", other).code == 0
    assert other.read_bytes() == path.read_bytes()
    (full / "lumen.db").unlink()
    assert lumen("audit", "verify", "--file", other).code == 0
    assert not (full / "lumen.db").exists()
    other.write_bytes(b"".join(other.read_bytes().splitlines(keepends=True)[:-1]))
    assert lumen("audit", "verify", "--file", other, "--no-archive").code == 0
    assert lumen("audit", "verify", "--file", tmp_path / "y").code != 0


def test_lines_are_listed_by_trace_and_subject(lumen: Command, full: Path) -> None:
    rows = lumen("audit", "list", "--json").json
    traced = next(row for row in rows if row["trace_id"])
    mine = lumen("audit", "list", "--trace", traced["trace_id"], "--json").json
    assert mine == [row for row in rows if row["trace_id"] == traced["trace_id"]]
    about = lumen("audit", "list", "--subject", traced["subject"], "--json").json
    assert about == [row for row in rows if row["subject"] == traced["subject"]]
    assert lumen("audit", "list", "-n", "1", "--json").json == rows[-1:]
    assert traced["event"] in lumen("audit", "list").out
