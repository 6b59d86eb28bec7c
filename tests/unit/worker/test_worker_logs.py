"""The two forms of a log line."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from lumen_workers.worker import logs

TRACE = "ab" * 16


def logger() -> tuple[logging.Logger, logging.StreamHandler]:  # type: ignore[type-arg]
    made, handler = logging.Logger("root"), logging.StreamHandler(sys.stdout)
    made.addHandler(handler)
    return made, handler


def test_a_json_line_is_one_object_with_place_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log, _ = logger()
    logs.set_up(log, logging.INFO, "us-west-2", "jobs", "json")
    token = logs.trace.set(TRACE)
    try:
        log.info("%s done\nin time", "build")
        raise ValueError("no")
    except ValueError:
        log.exception("failed")
    finally:
        logs.trace.reset(token)
    log.info("later")
    first, second, third = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["message"] == "build done\nin time"
    assert (first["level"], first["region"], first["lane"], first["trace_id"]) == ("INFO", "us-west-2", "jobs", TRACE)
    assert first["ts"].endswith("+00:00")
    assert "ValueError: no" in second["error"]
    assert third["trace_id"] is None


def test_a_pretty_line_has_place_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log, _ = logger()
    logs.set_up(log, logging.INFO, "us-west-2", "jobs", "pretty")
    token = logs.trace.set(TRACE)
    log.info("done")
    logs.trace.reset(token)
    line = capsys.readouterr().out
    assert line.endswith(f"Z INFO us-west-2/jobs {TRACE}: done\n")
