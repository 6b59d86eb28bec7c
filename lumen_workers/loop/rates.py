"""Which rate a loop runs at: what `loop.set` commanded, as long as the loop is declared as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lumen_workers.domain.gateway import LoopSetting
from lumen_workers.domain.records import LoopSpec


def rate_of(spec: LoopSpec, settings: Mapping[str, LoopSetting]) -> int:
    """Hz. A declaration that was edited after the command wins over it: the file is what people read last."""
    setting = settings.get(spec.name)
    if setting is None or setting.rate_hz is None or setting.declared_hz != spec.rate_hz:
        return spec.rate_hz
    return setting.rate_hz


def at_rates(specs: Iterable[LoopSpec], settings: Mapping[str, LoopSetting]) -> tuple[LoopSpec, ...]:
    """``specs`` with the rates that they run at."""
    return tuple(replace(spec, rate_hz=rate_of(spec, settings)) for spec in specs)
