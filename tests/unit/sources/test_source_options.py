"""What a wrong declaration says: one line with the loop, the key, what stands there and what is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.loops import RuleBook, loop_spec

from lumen_workers.adapters.options import resolve_inside
from lumen_workers.adapters.sources import check_source, make_source
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.signals import SIGNALS

URL = "prometheus:http://127.0.0.1:9100/metrics"
METRICS: dict[str, Any] = {name: {"metric": "node_load1", "max": 4} for name in SIGNALS}


def mapping(**change: Any) -> dict[str, Any]:
    return {"signals": {**METRICS, "risk_band": change}}


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("host", {}),
        ("csv:/data/metrics.csv", {"max_ahead_s": 60}),
        ("csv:C:x", {}),
        (URL, {"signals": METRICS, "timeout_s": 0.5}),
        ("prometheus:https://[::1]:9090", {"mode": "query", "signals": {s: {"query": "up"} for s in SIGNALS}}),
        ("plant", {"base": {"risk_band": 0}, "phi": 0, "gains": {"risk_max": {"risk_band": -1}}, "seed": 7}),
        ("mock", {"seed": 0}),
    ],
)
def test_right_declarations_pass(source: str, options: dict[str, Any], tmp_path: Path) -> None:
    spec = loop_spec(source, options)
    check_source(spec)
    make_source(spec, store=RuleBook().store, home=tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("tape", {}, "source: unknown kind 'tape'; known: host, csv:PATH, prometheus:URL, plant, mock"),
        ("csv", {}, "source: 'csv' must have the form csv:PATH"),
        ("csv:", {}, "source: 'csv:' must have the form csv:PATH"),
        ("host:here", {}, "source: 'host:here' must have the form host"),
        ("prometheus:localhost:9100", {"signals": METRICS}, "source: give a URL"),
        ("prometheus:http://me:secret@h/metrics", {"signals": METRICS}, "source: give a URL without credentials"),
        ("prometheus:http://h:port/", {"signals": METRICS}, "source: give a URL"),
        ("host", {"home": "x"}, "source_options.home: unknown key; allowed: none"),
        ("plant", {"fi": 1}, "source_options.fi: unknown key; allowed: base, phi, sd, tau_s, gains, seed"),
        ("plant", {"phi": 1.0}, "source_options.phi: 1.0 is not allowed; allowed: a number from 0 to 0.999"),
        ("plant", {"phi": "0.9"}, "source_options.phi: '0.9' is not allowed; allowed: a number from 0 to 0.999"),
        ("plant", {"sd": float("nan")}, "source_options.sd: nan is not allowed"),
        ("plant", {"seed": True}, "source_options.seed: True is not allowed; allowed: a whole number from 0"),
        ("plant", {"base": {"risk": 0.1}}, "source_options.base.risk: unknown key; allowed: phase_diff,"),
        (
            "plant",
            {"base": {"risk_band": 2}},
            "source_options.base.risk_band: 2 is not allowed; allowed: a number from 0",
        ),
        ("plant", {"gains": {"risk_max": {"risk": 1}}}, "source_options.gains.risk_max.risk: unknown key; allowed: ph"),
        (
            "plant",
            {"gains": {"unheard": {}}},
            "source_options.gains.unheard: the loop declares no such rule; declared: cr",
        ),
        (URL, {}, "source_options.signals: missing"),
        (URL, {"signals": {**METRICS, "risk": {}}}, "source_options.signals.risk: unknown key; allowed: phase_diff"),
        (URL, mapping(metric="m", query="q"), "source_options.signals.risk_band: give either metric"),
        (URL, mapping(query="q"), "signals.risk_band: mode scrape needs metric"),
        (URL, mapping(metric="m", min=2), "source_options.signals.risk_band: min 2 must be below max 1"),
        (URL, mapping(metric="m", combine="median"), "combine: 'median' is not allowed; allowed: sum, mean, max, min"),
        (
            URL,
            {"mode": "push", "signals": METRICS},
            "source_options.mode: 'push' is not allowed; allowed: scrape, query",
        ),
        (URL, {"timeout_s": 60, "signals": METRICS}, "timeout_s: 60 is not allowed; allowed: a number from 0.05 to 5"),
        (URL, {"signals": 5}, "source_options.signals: 5 is not allowed; allowed: a mapping"),
    ],
)
def test_wrong_declarations_say_what_is_allowed(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_source(loop_spec(source, options))
    text = str(caught.value)
    assert message in text
    assert text.startswith("loop demo: ")
    assert "\n" not in text
    assert "secret" not in text


def test_relative_paths_stay_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "out").symlink_to(tmp_path)
    assert resolve_inside("a/../b", home, "x") == home / "b"
    assert resolve_inside("/anywhere/else", home, "x") == Path("/anywhere/else")
    for path in ("../b", "out/b"):
        with pytest.raises(ConfigError, match="leaves the home"):
            resolve_inside(path, home, "x")
        with pytest.raises(ConfigError, match="loop demo: source"):
            make_source(loop_spec(f"csv:{path}"), store=RuleBook().store, home=home)


def test_checking_imports_no_source() -> None:
    code = (
        "import sys; import lumen_workers.adapters.sources, lumen_workers.adapters.actuators;"
        "print([m for m in ('httpx', 'psutil', 'prometheus_client', 'sqlalchemy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
