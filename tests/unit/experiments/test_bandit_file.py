"""``configs/bandit_rules.yaml``: what is shipped, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.config.experiments.bandit import BanditFile
from lumen_workers.config.files import read
from lumen_workers.domain.errors import ConfigError
from lumen_workers.experiments.bandit.options import BanditOptions

SHIPPED = Path(__file__).resolve().parents[3] / "configs" / "bandit_rules.yaml"

REFUSED = {
    "arms: [0.34]": "arms: needs at least 2, not 1",
    "arms: []": "arms: needs at least 2, not 0",
    "arms: [0.34, 0.30, 0.34]": "arms: 0.34 stands twice; every arm is another value",
    "arms: [0.34, .nan]": "arms.1: ",
    "arms: 0.3": "arms: ",
    "{period_s: 20, washout_s: 20}": "washout_s must be shorter than period_s, not 20 of 20 s",
    "weights: {phase_diff: -0.5}": "weights.phase_diff: is a number at least 0 and at most 1000, not -0.5",
    "weights: {phase_diff: 0, risk_band: 0, creative_band: 0}": "weights: are all 0",
    "weights: {entropy_rate: 1}": "weights.entropy_rate: unknown key",
    "rounds: 0": "rounds: is a number at least 1",
    "floor: 0.4": "floor: 3 arms with 0.4 each are more than 1; at most 0.333333",
    "floor: -0.1": "floor: is a number at least 0",
    "discount: 0": "discount: is a number above 0 and at most 1",
    "discount: 1.01": "discount: is a number above 0 and at most 1",
    "stop_probability: 1": "stop_probability: ",
    "prior: {sigma0: 0}": "prior.sigma0: is a number above 0",
    "prior: {type: beta}": "prior.type: ",
    "prior: {noise_df: 2}": "prior.noise_df: is a number above 2",
    "seed: -1": "seed: ",
    "armz: [1, 2]": "armz: unknown key; did you mean arms?",
}


@pytest.mark.parametrize(("text", "wanted"), REFUSED.items(), ids=list(REFUSED))
def test_what_cannot_be_run_is_refused_in_one_line(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "bandit_rules.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read(path, BanditFile)
    assert wanted in str(error.value)
    assert "\n" not in str(error.value)


def test_the_shipped_file_says_the_defaults() -> None:
    assert read(SHIPPED, BanditFile) == BanditFile()
    assert BanditFile().options(seed=5) == BanditOptions(rule="risk_max", arms=(0.34, 0.32, 0.30), seed=5)
    assert BanditFile(seed=9).options(seed=5).seed == 9
