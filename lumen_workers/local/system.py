"""The processes of ``lumen run``: a broker, each region's sampler, jobs worker and beat, Flower, exporter, web."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lumen_workers.local.broker import Broker, EmbeddedBroker
from lumen_workers.local.ports import LOOPBACK
from lumen_workers.local.process import USAGE_CODES, ProcessSpec, StopStep

# SIGINT tells a worker to finish what it has begun and to hand nothing over: everything stops here.
_WORKER_STOP: Final[Sequence[StopStep]] = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))
_JOBS_NICE: Final = 10
_FLOWER_TASKS: Final = 2000

_WATCHER_DELAY_S: Final = 10.0
"""Flower asks the workers for their queues once, at its start; and their own start needs the processor."""

_WEB_DELAY_S: Final = 2.0
"""Loops wait for it, so it comes sooner."""

# Libraries that start a thread for each core at import would disturb the sampler's deadlines.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Celery warns a root user of messages that carry code (pickle); ours are JSON only, and this is a person's own machine.
_NO_ROOT_WARNING: Final = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


def system_specs(
    *,
    home: Path,
    regions: Sequence[str],
    broker: Broker,
    env: Mapping[str, str],
    flower_port: int | None,
    exporter_port: int | None = None,
    web_port: int | None = None,
    jobs: int = 1,
    loglevel: str = "INFO",
) -> list[ProcessSpec]:
    """What to run for ``regions``, in the order of starting.

    ``env`` is added to every process's environment, and must carry whatever settings do not come from the supervisor's
    own. ``flower_port`` None: no Flower; ``exporter_port`` None: no exporter; ``web_port`` None: no web interface.
    ``jobs`` is how many jobs a region runs at once (1 or more).
    """
    common = {
        **_ONE_THREAD,
        **_NO_ROOT_WARNING,
        **env,
        "LUMEN_HOME": str(home.absolute()),
        "LUMEN_BROKER_URL": broker.url,
        "PYTHONUNBUFFERED": "1",
    }
    specs: list[ProcessSpec] = []
    after: tuple[str, ...] = ()
    if isinstance(broker, EmbeddedBroker):
        specs.append(broker.spec())
        after = ("broker",)

    def worker(region: str, lane: str, *options: str, nice: int = 0) -> ProcessSpec:
        listen = ("-Q", f"{region}.{lane}", "-n", f"lumen-{lane}@{region}-%h")
        # Events are for Flower; mingle and gossip would only make workers wait for each other.
        quiet = ("--without-mingle", "--without-gossip", "--task-events")
        return ProcessSpec(
            name=f"{region}/{lane}",
            argv=_celery("worker", *listen, *options, *quiet, "--loglevel", loglevel),
            env={**common, "LUMEN_REGION": region, "LUMEN_LANE": lane},
            after=after,
            stop=_WORKER_STOP,
            stop_phase=1,
            nice=nice,
        )

    for region in regions:
        specs.append(worker(region, "sampler", "--pool", "threads", "--concurrency", "2"))
        specs.append(worker(region, "jobs", "--pool", "prefork", "--concurrency", str(jobs), nice=_JOBS_NICE))
        specs.append(
            ProcessSpec(
                name=f"{region}/beat",
                argv=_celery("beat", "--loglevel", loglevel),
                env={**common, "LUMEN_REGION": region, "LUMEN_LANE": "beat"},
                after=after,
            )
        )

    def watcher(
        name: str, argv: Sequence[str], fatal: frozenset[int], *, delay_s: float = _WATCHER_DELAY_S
    ) -> ProcessSpec:
        """Something beside the work: the system does without it if it must."""
        return ProcessSpec(
            name=name,
            argv=argv,
            env={**common, "LUMEN_REGION": regions[0], "LUMEN_LANE": name},
            after=after,
            stop=((signal.SIGTERM, 5.0),),
            stop_phase=2,
            nice=_JOBS_NICE,
            delay_s=delay_s,
            essential=False,
            fatal_codes=fatal,
        )

    if flower_port is not None:
        address = (f"--address={LOOPBACK}", f"--port={flower_port}")
        argv = _celery("flower", *address, f"--max_tasks={_FLOWER_TASKS}", "--logging=warning")
        specs.append(watcher("flower", argv, USAGE_CODES | {1}))
    if exporter_port is not None:
        argv = (sys.executable, "-m", "lumen_workers", "exporter", f"--host={LOOPBACK}", f"--port={exporter_port}")
        specs.append(watcher("exporter", argv, USAGE_CODES))
    if web_port is not None:
        argv = (sys.executable, "-m", "lumen_workers", "web", f"--bind={LOOPBACK}", f"--port={web_port}")
        specs.append(watcher("web", argv, USAGE_CODES, delay_s=_WEB_DELAY_S))
    return specs


def system_urls(
    broker: Broker, flower_port: int | None, exporter_port: int | None = None, web_port: int | None = None
) -> dict[str, str]:
    """What to show, and to keep in the state file; no password in it."""
    urls = {"broker": broker.shown_url}
    if flower_port is not None:
        urls["flower"] = f"http://{LOOPBACK}:{flower_port}"
    if exporter_port is not None:
        urls["metrics"] = f"http://{LOOPBACK}:{exporter_port}/metrics"
    if web_port is not None:
        urls["web"] = f"http://{LOOPBACK}:{web_port}"
    return urls


def _celery(command: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "lumen_workers", "--quiet", command, *options)
