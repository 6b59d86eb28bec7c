"""``gateway_activation.yaml``: the keys of the specification, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lumen_workers import config
from lumen_workers.config.files import check
from lumen_workers.config.gateway import GatewayFile
from lumen_workers.config.secrets import read_phrase
from lumen_workers.domain.errors import ConfigError
from lumen_workers.loop.alignment import Limits
from lumen_workers.loop.gateway import GatewayOptions


def made(**changes: Any) -> GatewayFile:
    return check("gateway_activation.yaml", GatewayFile, changes)


def test_what_is_shipped_is_what_the_specification_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path))
    shipped = config.load().gateway
    assert (shipped.gateway.id, shipped.gateway.status) == ("lumen_field_v0_8", "initializing")
    assert (shipped.loop.loop_rate_hz, shipped.loop.sync_mode) == (5, "observer_resonance")
    assert shipped.personas == GatewayFile().personas
    assert shipped.resonance.metrics == ("phase_diff", "entropy_rate", "creative_band", "risk_band")
    assert shipped.signature.model_dump() == dict.fromkeys(
        ("phrase", "signer", "resonance_hash_sha256", "confirm_phrase")
    )
    assert shipped.handoff.next_session_restore == "session_restore_lumen_v0_8.yaml"
    assert shipped.options().limits == Limits()
    assert shipped.options().of("other") == Limits()
    assert shipped.options().of("demo").phase_diff_max > Limits().phase_diff_max


def test_an_empty_file_is_the_defaults_of_the_code() -> None:
    options = made().options()
    assert options == GatewayOptions(personas=GatewayFile().personas)


def test_a_loop_has_limits_of_its_own_where_it_names_them() -> None:
    lock = {"phase_diff_max": 0.1, "loops": {"demo": {"risk_band_below": 0.4}}}
    options = made(resonance={"phase_lock": lock}, safety={"desync_tolerance_s": 60}).options()
    assert options.of("demo") == Limits(phase_diff_max=0.1, risk_band_below=0.4, tolerance_s=60)
    assert options.of("main") == Limits(phase_diff_max=0.1, tolerance_s=60)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signature": {"phrase": "open sesame"}}, "signature.phrase: is a secret and does not stand in a file"),
        ({"signature": {"confirm_phrase": "open"}}, "signature.confirm_phrase: is a secret"),
        ({"signature": {"resonance_hash_sha256": "abc"}}, "signature.resonance_hash_sha256"),
        ({"gateway": {"status": "locked"}}, "gateway.status"),
        ({"loop": {"loop_rate_hz": 3}}, "loop.loop_rate_hz: is one of 1, 2, 4"),
        ({"loop": {"paths": {"metrics": "/etc/passwd"}}}, "loop.paths.metrics: is a path inside"),
        ({"loop": {"paths": {"metrics": "../x"}}}, "loop.paths.metrics: is a path inside"),
        ({"resonance": {"metrics": ["phase"]}}, "is one of phase_diff"),
        ({"resonance": {"alignment": "none"}}, "resonance.alignment"),
        ({"safety": {"desync_tolerance_s": 0}}, "safety.desync_tolerance_s: is a number at least 1 and at most 3600"),
        ({"safety": {"rolback_on_desync": True}}, "did you mean rollback_on_desync?"),
        ({"handoff": {"next_session_restore": "../x.yaml"}}, "handoff.next_session_restore: is a file's name"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made(**changes)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "open" not in str(raised.value).replace("sign` asks", "")


def test_a_phrase_in_a_file_is_one_line_that_nobody_else_may_read(tmp_path: Path) -> None:
    path = tmp_path / "phrase"
    path.write_text("공명하는 고리의 열쇠 문장\n", encoding="utf-8")
    path.chmod(0o600)
    assert read_phrase(path, "signing phrase") == "공명하는 고리의 열쇠 문장"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_phrase(path, "signing phrase")
    path.chmod(0o600)
    for data in (b"", b"two\nlines", b"\xff\xfe"):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match="not one line of UTF-8"):
            read_phrase(path, "signing phrase")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_phrase(tmp_path / "none", "signing phrase")
