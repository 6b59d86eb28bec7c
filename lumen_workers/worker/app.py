"""``celery -A lumen_workers …`` finds this app. What is wrong with the set-up is one line here, as everywhere."""

import sys

from lumen_workers.config import load
from lumen_workers.domain.errors import LumenError, NoBroker
from lumen_workers.worker.build import build_app

try:
    settings = load()
    if settings.broker_url is None:
        raise NoBroker
    app = build_app(settings)
except LumenError as error:
    # Celery's own commands would wrap it in a traceback.
    sys.stderr.write(f"lumen: {error}\n")
    raise SystemExit(error.exit_code) from None
