"""``configs/impact.yaml``: what `lumen impact` looks at and how, unless told otherwise (S13)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from lumen_workers.config.files import Number, Strict, read, unique
from lumen_workers.domain.ids import NAME_RE

Signal = Literal["phase_diff", "entropy_rate", "creative_band", "risk_band"]
Control = Annotated[
    str,
    Field(pattern=rf"^({NAME_RE.pattern.strip('^$')}:)?(phase_diff|entropy_rate|creative_band|risk_band)$"),
]
Window = Annotated[Number, Field(gt=0, le=31_536_000)]


class ImpactFile(Strict):
    """The file. Windows are seconds before and after the event; ``ridge_lambda`` null is chosen on the pre-period."""

    metric: Signal = "phase_diff"
    controls: Annotated[tuple[Control, ...], Field(strict=False), AfterValidator(unique)] = (
        "entropy_rate",
        "risk_band",
        "creative_band",
    )
    pre_s: Window = 120.0
    post_s: Window = 120.0
    washout_s: Annotated[Number, Field(ge=0, le=86_400)] = 10.0
    ridge_lambda: Annotated[Number | None, Field(ge=0, le=1e9)] = None
    min_samples: Annotated[int, Field(ge=10, le=1_000_000)] = 150

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.washout_s >= self.post_s:
            raise ValueError(f"washout_s {self.washout_s:g} must be below post_s {self.post_s:g}")
        if self.metric in self.controls:
            raise ValueError(f"controls: {self.metric} is the metric itself")
        return self


def load(path: Path) -> ImpactFile:
    """The file at ``path``. Raises ConfigError."""
    return read(path, ImpactFile)
