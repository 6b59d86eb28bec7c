"""configs/impact.yaml: what is shipped, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.config.experiments.impact import ImpactFile, load
from lumen_workers.domain.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]


def test_the_shipped_file_says_the_defaults() -> None:
    file = load(ROOT / "configs" / "impact.yaml")
    assert file == ImpactFile()
    assert (file.metric, file.controls) == ("phase_diff", ("entropy_rate", "risk_band", "creative_band"))
    assert (file.pre_s, file.post_s, file.washout_s, file.ridge_lambda, file.min_samples) == (120, 120, 10, None, 150)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrik: phase_diff\n", "metrik: unknown key; did you mean metric"),
        ("metric: speed\n", "metric"),
        ("controls: [speed]\n", "controls.0"),
        ("controls: [risk_band, risk_band]\n", "risk_band stands twice"),
        ("controls: [phase_diff]\n", "phase_diff is the metric itself"),
        ("washout_s: 120\n", "washout_s 120 must be below post_s 120"),
        ("pre_s: 0\n", "pre_s: is a number above 0"),
        ("ridge_lambda: -1\n", "ridge_lambda"),
        ("ridge_lambda: .nan\n", "ridge_lambda"),
        ("min_samples: 2\n", "min_samples: is a number at least 10"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "impact.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_another_loops_signal_and_a_penalty(tmp_path: Path) -> None:
    path = tmp_path / "impact.yaml"
    path.write_text("controls: ['other-1:risk_band']\nridge_lambda: 0.1\n")
    assert (load(path).controls, load(path).ridge_lambda) == (("other-1:risk_band",), 0.1)
