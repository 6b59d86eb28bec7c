"""`lumen run`: everything on this machine, for one home."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lumen_workers import bootstrap, config
from lumen_workers.config import Settings
from lumen_workers.domain.errors import UsageError
from lumen_workers.local.broker import Broker, EmbeddedBroker, ExternalBroker, resolve_broker
from lumen_workers.local.instance import hold
from lumen_workers.local.ports import choose_port, free_port, is_free
from lumen_workers.local.supervisor import Supervisor
from lumen_workers.local.system import system_specs, system_urls
from lumen_workers.schedule import entries
from lumen_workers.web import DEFAULT_PORT


def launch(
    *,
    regions: str | None = None,
    duration_s: float | None = None,
    jobs: int = 2,
    flower_port: int | None = None,
    quiet: bool = False,
) -> None:
    """Run until stopped. Everything that can be wrong in configuration or schedule is said before a process starts."""
    settings = config.load()
    with assembled(settings, chosen(settings, regions), jobs=jobs, flower_port=flower_port) as assemble:
        assemble(duration_s=duration_s, quiet=quiet).run()


def chosen(settings: Settings, regions: str | None) -> tuple[str, ...]:
    """The regions to run here. Raises UsageError."""
    if regions is None:
        return settings.regions
    names = tuple(dict.fromkeys(name.strip() for name in regions.split(",") if name.strip()))
    if not names:
        raise UsageError(f"--regions {regions!r} names none; the regions are {', '.join(settings.regions)}")
    return tuple(settings.check_region(name) for name in names)


@contextmanager
def assembled(
    settings: Settings, regions: tuple[str, ...], *, jobs: int, flower_port: int | None
) -> Iterator[Callable[..., Supervisor]]:
    """Hold the home, migrate the store and note the broker; yields what makes the supervisor."""
    entries(settings)
    home = bootstrap.open_home(settings)
    with hold(home):
        bootstrap.store_of(settings).close()
        broker = resolve_broker(settings.env.broker_url, home, tls=settings.broker_tls)
        if isinstance(broker, ExternalBroker):
            broker.check()
        port = choose_port(flower_port or settings.env.flower_port, "--flower-port or LUMEN_FLOWER_PORT")
        metrics = choose_port(settings.env.exporter_port, "LUMEN_EXPORTER_PORT")
        web = choose_web_port(settings)
        specs = system_specs(
            home=home,
            regions=regions,
            broker=broker,
            env=environment(settings),
            flower_port=port,
            exporter_port=metrics,
            web_port=web,
            jobs=jobs,
        )

        def make(
            *, duration_s: float | None = None, quiet: bool = False, on_started: Callable[[], None] | None = None
        ) -> Supervisor:
            return Supervisor(
                specs,
                home=home,
                urls=system_urls(broker, port, metrics, web),
                duration_s=duration_s,
                stream=None if quiet else sys.stdout,
                colour=sys.stdout.isatty(),
                on_started=on_started,
            )

        with _noted(settings.broker_file, broker):
            yield make


def choose_web_port(settings: Settings) -> int:
    """``LUMEN_WEB_PORT``; without it 8700, or a free port where another program has that."""
    if settings.env.web_port is not None:
        return choose_port(settings.env.web_port, "LUMEN_WEB_PORT")
    return DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()


def environment(settings: Settings) -> dict[str, str]:
    """What a child must be told beyond its home: paths made absolute, since it may start elsewhere."""
    env = {"LUMEN_REGIONS": ",".join(settings.regions)}
    if settings.env.configs is not None:
        env["LUMEN_CONFIGS"] = str(settings.env.configs.absolute())
    for name in ("archive", "broker_ca", "broker_cert", "broker_key", "web_token_file"):
        if (path := getattr(settings.env, name)) is not None:
            env[f"LUMEN_{name.upper()}"] = str(path.absolute())
    return env


@contextmanager
def _noted(path: Path, broker: Broker) -> Iterator[None]:
    """Let other commands for this home find the private broker, while it is there."""
    if isinstance(broker, EmbeddedBroker):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(broker.url + "\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
