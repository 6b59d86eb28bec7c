"""Reads ``beat_schedule.py``, for beat, the reconciler and the shell."""

from __future__ import annotations

import importlib
from typing import Any

from lumen_workers.config import Settings
from lumen_workers.domain.errors import ConfigError
from lumen_workers.engine.schedule import Entry, parse
from lumen_workers.pipelines.tasks import SCHEDULABLE

ORIGIN = "beat_schedule.py"


def entries(settings: Settings) -> dict[str, Entry]:
    """The schedule, checked. Raises ConfigError naming the file, the entry and what is allowed."""
    return parse(_data(), known=SCHEDULABLE, regions=settings.regions, zone=settings.zone, origin=ORIGIN)


def _data() -> Any:
    """``SCHEDULE`` as it stands. People edit the file, so running it may raise anything."""
    try:
        return importlib.import_module("beat_schedule").SCHEDULE
    except AttributeError as error:
        raise ConfigError(f"{ORIGIN}: {error}") from None
    except SyntaxError as error:
        raise ConfigError(f"{ORIGIN} line {error.lineno}: {error.msg}") from None
    except Exception as error:  # noqa: BLE001
        raise ConfigError(f"{ORIGIN}: {type(error).__name__}: {error}") from None
