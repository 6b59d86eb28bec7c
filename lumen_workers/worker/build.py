"""Builds the Celery app from settings."""

from __future__ import annotations

import functools
from typing import Any

from celery import Celery
from celery.schedules import schedule

from lumen_workers.config import Settings
from lumen_workers.engine.schedule import Entry
from lumen_workers.pipelines.tasks import TASKS, task_of
from lumen_workers.schedule import entries
from lumen_workers.worker import process, signals, signed, tasks, transport
from lumen_workers.worker.beat import CronSchedule
from lumen_workers.worker.signed import Codec, SignedAMQP

VISIBILITY_S = 12 * 3600
"""Far above every hard time limit: recovery comes from leases; an early redelivery would repeat a task for ever."""


def build_app(settings: Settings) -> Celery:
    """The app of one process.

    Raises ConfigError for a schedule that names what does not exist, and what is wrong with TLS files or signing keys.
    """
    transport.install()
    if settings.signed:
        Codec(settings, functools.partial(process.now, settings)).install()
    app = Celery("lumen_workers", set_as_current=False, amqp=SignedAMQP if settings.signed else None)
    app.conf.update(options(settings))
    app.conf.beat_schedule = beat_entries(entries(settings), settings.region)
    tasks.register(app, settings)
    signals.connect(app, settings)
    return app


def options(settings: Settings) -> dict[str, Any]:
    """Celery's settings; the reasons stand in docs/architecture.md. Raises ConfigError, EnvironmentFault."""
    serializer = signed.NAME if settings.signed else "json"
    return {
        "broker_url": settings.broker_url,
        "broker_use_ssl": settings.broker_tls or None,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_S,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 15,
            **transport.unacknowledged(settings.region, settings.env.lane),
        },
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": serializer,
        "accept_content": [serializer],
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_default_queue": f"{settings.region}.jobs",
        "task_routes": [_route(settings.region)],
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_consumer": "lumen_workers.worker.consumer:LaneConsumer",
        "worker_prefetch_multiplier": 1,
        # A niced child on a busy machine needs more than the four seconds after which it would be replaced.
        "worker_proc_alive_timeout": 60,
        "worker_soft_shutdown_timeout": 5,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "enable_utc": True,
        "timezone": settings.zone.key,
        "beat_scheduler": "lumen_workers.worker.beat:LaneScheduler",
        "beat_max_loop_interval": 5,
    }


def _route(region: str) -> Any:
    """A task that is called without a queue goes to its lane in this process's region."""

    def route(name: str, *_: Any, **__: Any) -> dict[str, str] | None:
        return {"queue": f"{region}.{TASKS[name].lane}"} if name in TASKS else None

    return route


def beat_entries(found: dict[str, Entry], region: str) -> dict[str, dict[str, Any]]:
    """The schedule in Celery's form, for one region."""
    return {
        entry.name: {
            "task": task_of(entry.run).name,
            "schedule": CronSchedule(entry) if entry.cron else schedule(entry.every_s),
            "options": {"queue": f"{region}.{task_of(entry.run).lane}", "retry": False},
        }
        for entry in found.values()
        if region in entry.regions
    }
