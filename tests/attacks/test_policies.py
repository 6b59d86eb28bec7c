"""Both verifiers read a policy of one's own alike, and refuse the same ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from attacks.both import verify_lumen

from lumen_workers.trust.evidence.policy import DEFAULT, STRICT, VerifyPolicy, read_policy


def as_json(policy: VerifyPolicy) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(policy)))


def test_the_named_ones_are_the_same() -> None:
    for ours, theirs in ((DEFAULT, verify_lumen.POLICY), (STRICT, verify_lumen.STRICT)):
        assert as_json(ours) == json.loads(json.dumps(theirs))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"accept": ["VALID"]},
        {"accept": []},
        {"builders": ["urn:lumen:region:us-west-2"], "threshold": 2},
        {"quorum_required": True, "development": False, "crl_current": True, "threshold": 16},
    ],
)
def test_what_is_left_out_is_as_in_default(tmp_path: Path, value: dict[str, Any]) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(value))
    want = {**as_json(DEFAULT), **value}
    assert as_json(read_policy(path.read_bytes())) == want
    assert json.loads(json.dumps(verify_lumen.policy(str(path)))) == want


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"treshold": 2}',
        '{"threshold": 1, "threshold": 2}',
        '{"threshold": 0}',
        '{"threshold": 17}',
        '{"threshold": true}',
        '{"threshold": 1.5}',
        '{"threshold": "1"}',
        '{"threshold": null}',
        '{"accept": "VALID"}',
        '{"accept": ["INVALID"]}',
        '{"accept": ["REVOKED_BEFORE"]}',
        '{"accept": ["valid"]}',
        '{"accept": [["VALID"]]}',
        '{"builders": "x"}',
        '{"builders": [1]}',
        '{"builders": [{}]}',
        '{"development": 0}',
        '{"quorum_required": null}',
        '{"crl_current": "no"}',
    ],
)
def test_what_is_no_policy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\S"):
        read_policy(text.encode())
    with pytest.raises(ValueError, match=r"\S"):
        verify_lumen.policy(str(path))
