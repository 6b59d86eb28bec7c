"""Where samples come from: ``make_source`` makes what a loop declares, ``check_source`` only checks it.

Checking is part of reading the configuration, so a source's module is imported only when one is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lumen_workers.adapters.options import Options, parse_options, resolve_inside, split_kind
from lumen_workers.adapters.sources.options import (
    CsvOptions,
    HostOptions,
    MockOptions,
    PlantSourceOptions,
    PrometheusOptions,
    PushOptions,
)
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports import Source, Store
from lumen_workers.domain.records import LoopSpec

PUSH = "push"


class Order(NamedTuple):
    """A checked declaration."""

    spec: LoopSpec
    argument: str
    options: Options


def _host(order: Order, _store: Store, home: Path) -> Source:
    from lumen_workers.adapters.sources.host import HostSource

    return HostSource(order.spec, home)


def _csv(order: Order, _store: Store, home: Path) -> Source:
    from lumen_workers.adapters.sources.csv_file import CsvSource
    from lumen_workers.adapters.sources.quarantine import Quarantine

    assert isinstance(order.options, CsvOptions)
    path = resolve_inside(order.argument, home, _where(order.spec, "source"))
    quarantine = Quarantine(home / "quarantine" / f"{order.spec.name}.jsonl", order.spec.source)
    return CsvSource(order.spec, path, order.options, quarantine)


def _prometheus(order: Order, _store: Store, _home: Path) -> Source:
    from lumen_workers.adapters.sources.prometheus import PrometheusSource

    assert isinstance(order.options, PrometheusOptions)
    return PrometheusSource(order.spec, order.argument, order.options)


def _plant(order: Order, store: Store, _home: Path) -> Source:
    from lumen_workers.adapters.sources.plant import PlantSource

    assert isinstance(order.options, PlantSourceOptions)
    return PlantSource(order.spec, order.options, store)


def _mock(order: Order, store: Store, _home: Path) -> Source:
    from lumen_workers.adapters.sources.mock import MockSource

    assert isinstance(order.options, MockOptions)
    return MockSource(order.spec, order.options, store)


def _push(order: Order, _store: Store, _home: Path) -> Source:
    raise ConfigError(f"{_where(order.spec, 'source')}: nobody samples it here, it sends its samples to `lumen web`")


class Kind(NamedTuple):
    """A kind of source: what stands behind its colon (empty: nothing may), its options, and how it is made."""

    argument: str
    options: type[Options]
    make: Callable[[Order, Store, Path], Source]


KINDS = {
    "host": Kind("", HostOptions, _host),
    "csv": Kind("PATH", CsvOptions, _csv),
    "prometheus": Kind("URL", PrometheusOptions, _prometheus),
    "plant": Kind("", PlantSourceOptions, _plant),
    "mock": Kind("", MockOptions, _mock),
    PUSH: Kind("", PushOptions, _push),
}


def is_sampled(spec: LoopSpec) -> bool:
    """Whether the sampler has to sample it; a loop that pushes sends its samples itself."""
    return spec.source != PUSH


def check_source(spec: LoopSpec) -> None:
    """Check kind, argument and options without opening anything. Raises ConfigError, one line."""
    _checked(spec)


def make_source(spec: LoopSpec, *, store: Store, home: Path) -> Source:
    """The source that ``spec`` declares, not opened yet. Raises ConfigError as ``check_source`` does."""
    order = _checked(spec)
    return KINDS[split_kind(spec.source)[0]].make(order, store, home)


def _checked(spec: LoopSpec) -> Order:
    name, argument = split_kind(spec.source)
    where = _where(spec, "source")
    kind = KINDS.get(name)
    if kind is None:
        raise ConfigError(f"{where}: unknown kind {name!r}; known: {', '.join(_form(*item) for item in KINDS.items())}")
    if bool(argument) != bool(kind.argument):
        raise ConfigError(f"{where}: {spec.source!r} must have the form {_form(name, kind)}")
    if kind.options is PrometheusOptions and not _is_url(argument):
        raise ConfigError(f"{where}: give a URL without credentials, such as prometheus:http://127.0.0.1:9100/metrics")
    where = _where(spec, "source_options")
    options = parse_options(kind.options, spec.source_options, where)
    if isinstance(options, PlantSourceOptions):
        for rule in options.gains or {}:
            if rule not in spec.rules:
                declared = ", ".join(spec.rules) or "none"
                raise ConfigError(f"{where}.gains.{rule}: the loop declares no such rule; declared: {declared}")
    return Order(spec, argument, options)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        return False


def _form(name: str, kind: Kind) -> str:
    return f"{name}:{kind.argument}" if kind.argument else name


def _where(spec: LoopSpec, key: str) -> str:
    return f"loop {spec.name}: {key}"
