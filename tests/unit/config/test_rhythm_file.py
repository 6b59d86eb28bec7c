"""``configs/rhythm.yaml``: what is shipped, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.config.experiments.rhythm import RhythmFile
from lumen_workers.config.files import read
from lumen_workers.domain.errors import ConfigError
from lumen_workers.loop.rhythm import RhythmOptions

SHIPPED = Path(__file__).resolve().parents[3] / "configs" / "rhythm.yaml"

REFUSED = {
    "sauce: none": "sauce: unknown key; did you mean source?",
    "source: 5": "source: ",
    "every_s: 5": "every_s: unknown key",
    "max_age_s: 0": "max_age_s: is a number at least 1",
    "weights: {light: -1}": "weights.light: is a number at least 0",
    "weights: {light: 0, temperature: 0, sound: 0}": "weights: light, temperature and sound are all 0",
    "lux: {min: 10, max: 10}": "lux: needs min < max, not 10 and 10",
    "temperature: {sigma: 0}": "temperature.sigma: is a number above 0",
    "sound_ref_db: 0": "sound_ref_db: is a number above 0",
    "utc_offset_h: 15": "utc_offset_h: is a number at least -12 and at most 14",
    "max_correction: 0.6": "max_correction: is a number at least 0",
    "max_correction: .inf": "max_correction: ",
}


@pytest.mark.parametrize(("text", "wanted"), REFUSED.items(), ids=list(REFUSED))
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "rhythm.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read(path, RhythmFile)
    assert wanted in str(error.value)
    assert "\n" not in str(error.value)


def test_the_shipped_file_says_the_defaults() -> None:
    assert read(SHIPPED, RhythmFile) == RhythmFile()
    assert RhythmFile().options() == RhythmOptions()
    assert RhythmFile().source == "none"
