"""Which rate a loop runs at: what `loop.set` commanded, as long as the loop is declared as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.gateway import LoopSetting, Status
from lumen_workers.domain.ids import check_name
from lumen_workers.domain.journal import JournalEntry
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import RATES_HZ


def rate_of(spec: LoopSpec, settings: Mapping[str, LoopSetting]) -> int:
    """Hz. A declaration that was edited after the command wins over it: the file is what people read last."""
    setting = settings.get(spec.name)
    if setting is None or setting.rate_hz is None or setting.declared_hz != spec.rate_hz:
        return spec.rate_hz
    return setting.rate_hz


def at_rates(specs: Iterable[LoopSpec], settings: Mapping[str, LoopSetting]) -> tuple[LoopSpec, ...]:
    """``specs`` with the rates that they run at."""
    return tuple(replace(spec, rate_hz=rate_of(spec, settings)) for spec in specs)


def command(
    store: Store, spec: LoopSpec, *, by: str, note: str = "", rate_hz: int | None = None, sync_mode: str | None = None
) -> JournalEntry:
    """``loop.set`` for a declared loop. Raises UsageError: nothing asked, no such rate, or the gateway is locked."""
    if rate_hz is None and sync_mode is None:
        raise UsageError("nothing is to be set: give --rate-hz or --sync-mode")
    if rate_hz is not None and rate_hz not in RATES_HZ:
        raise UsageError(f"rate {rate_hz} Hz: use one of {', '.join(map(str, RATES_HZ))}")
    if sync_mode is not None:
        check_name(sync_mode, "sync mode")
    gateway = store.gateways.get(spec.name)
    if gateway is not None and gateway.status is Status.LOCKED:
        raise UsageError(f"loop {spec.name!r} is locked in; `lumen gateway unlock` lets it be set")
    return store.loops.command(
        spec.name, by=by, note=note, rate_hz=rate_hz, declared_hz=spec.rate_hz, sync_mode=sync_mode
    )
