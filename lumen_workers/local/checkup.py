"""`lumen doctor`: the doctor's look at this home's settings."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import lumen_workers
from lumen_workers import config
from lumen_workers.adapters.store import inspect_store
from lumen_workers.config import Settings
from lumen_workers.config.settings import variables
from lumen_workers.local.doctor import Finding, Health, StoreView, examine
from lumen_workers.worker.guard import LIFELINE_ENV

FONTS = Path(lumen_workers.__file__).parent / "reports" / "fonts"


def checkup() -> Sequence[Finding]:
    """Every finding. Raises ConfigError when the settings cannot be read at all."""
    settings = config.load()
    return [
        *_variables(os.environ, [file.pkcs11.pin_env for file in settings.lumen.signers.values() if file.pkcs11]),
        *examine(
            home=settings.home,
            broker_url=settings.env.broker_url,
            broker_tls=lambda: settings.broker_tls,
            store=lambda: _look(settings),
            ports={
                name: port
                for name, port in (
                    ("LUMEN_FLOWER_PORT", settings.env.flower_port),
                    ("LUMEN_EXPORTER_PORT", settings.env.exporter_port),
                    ("LUMEN_WEB_PORT", settings.env.web_port),
                )
                if port
            },
            zones=(settings.zone.key,),
            fonts=FONTS,
        ),
    ]


def _variables(environ: Mapping[str, str], named: Sequence[str]) -> list[Finding]:
    """A warning for each ``LUMEN_…`` variable that nobody reads: most likely a typing error. Files name ``named``."""
    known = (*variables(), *named)
    findings = []
    for name in sorted(name for name in environ if name.startswith("LUMEN_") and name not in {*known, LIFELINE_ENV}):
        close = difflib.get_close_matches(name, known, 1, cutoff=0.8)
        mend = f"did you mean {close[0]}?" if close else "unset it; docs/operations.md lists the variables"
        findings.append(Finding(name=name, status=Health.WARN, detail="nobody reads this variable", mend=mend))
    return findings


def _look(settings: Settings) -> StoreView:
    seen = inspect_store(settings.store_url)
    return StoreView(location=seen.location, schema=seen.schema, current=seen.current, now=seen.now)
