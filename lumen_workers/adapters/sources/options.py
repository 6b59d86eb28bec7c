"""What may stand in ``source_options``, for each kind of source. Kept free of what the sources themselves import."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lumen_workers.adapters.options import Options
from lumen_workers.loop.plant import DEFAULT_BASE, PlantOptions

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class HostOptions(Options):
    """``host`` has no options."""


class PushOptions(Options):
    """``push`` has no options: the loop sends its samples to `lumen web`."""


class CsvOptions(Options):
    """``csv:PATH``. A row whose time is further ahead of the tick than ``max_ahead_s`` is refused: it would make every
    row after it out of order."""

    max_ahead_s: float = Field(86_400.0, ge=1.0, le=31_622_400.0)


class MockOptions(Options):
    """``mock``."""

    seed: Seed = 0


class PlantBase(Options):
    """The signals at rest, with every rule at its initial value."""

    phase_diff: Unit = DEFAULT_BASE["phase_diff"]
    entropy_rate: Unit = DEFAULT_BASE["entropy_rate"]
    creative_band: Unit = DEFAULT_BASE["creative_band"]
    risk_band: Unit = DEFAULT_BASE["risk_band"]


Gain = Annotated[float, Field(ge=-1000.0, le=1000.0)]


class PlantGains(Options):
    """Change of each signal for a change of the rule by one."""

    phase_diff: Gain = 0.0
    entropy_rate: Gain = 0.0
    creative_band: Gain = 0.0
    risk_band: Gain = 0.0


class PlantSourceOptions(Options):
    """``plant``; see PlantOptions. ``gains`` replaces the default ones as a whole."""

    base: PlantBase = PlantBase()
    phi: float = Field(PlantOptions.phi, ge=0.0, le=0.999)
    sd: float = Field(PlantOptions.sd, ge=0.0, le=0.5)
    tau_s: float = Field(PlantOptions.tau_s, ge=0.01, le=3600.0)
    gains: dict[str, PlantGains] | None = None
    seed: Seed = 0


class SeriesOptions(Options):
    """One signal from a metric or a query.

    The series that match are joined by ``combine``; then v = value · scale + offset, clipped to [min, max], and
    (v - min) / (max - min) is the signal. ``rate``: the value is the increase of a counter, per second.
    """

    metric: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)
    combine: Literal["sum", "mean", "max", "min"] = "sum"
    scale: float = 1.0
    offset: float = 0.0
    min: float = 0.0
    max: float = 1.0
    rate: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be below max {self.max:g}")
        if (self.metric is None) == (self.query is None):
            raise ValueError("give either metric (mode scrape) or query (mode query)")
        if self.query is not None and (self.rate or self.labels):
            raise ValueError("rate and labels belong to metric; a query says both itself")
        return self


class SignalMap(Options):
    """All four signals."""

    phase_diff: SeriesOptions
    entropy_rate: SeriesOptions
    creative_band: SeriesOptions
    risk_band: SeriesOptions


class PrometheusOptions(Options):
    """``prometheus:URL``. ``scrape``: URL is a text exposition endpoint; ``query``: the root of a Prometheus server.

    A fetch, or one query, may take ``timeout_s``. Rates are taken over the last ``rate_window_s`` seconds.
    """

    mode: Literal["scrape", "query"] = "scrape"
    signals: SignalMap
    timeout_s: float = Field(1.0, ge=0.05, le=5.0)
    rate_window_s: float = Field(5.0, ge=0.1, le=300.0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in SignalMap.model_fields:
            series: SeriesOptions = getattr(self.signals, name)
            if (series.query is not None) != (self.mode == "query"):
                raise ValueError(
                    f"signals.{name}: mode {self.mode} needs {'query' if self.mode == 'query' else 'metric'}"
                )
        return self
