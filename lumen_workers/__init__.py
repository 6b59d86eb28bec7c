"""Lumen Workers: watch a running loop, change its rules safely, prove what each change did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `celery -A lumen_workers` looks for `app` or `celery` here; nothing else pays for importing Celery.
    if name in {"app", "celery"}:
        from lumen_workers.worker.app import app

        instance: Celery = app
        return instance
    raise AttributeError(name)
