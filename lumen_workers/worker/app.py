"""``celery -A lumen_workers …`` finds this app. What is wrong with the set-up is one line here, as everywhere."""

import sys

from lumen_workers.config import load
from lumen_workers.domain.errors import LumenError
from lumen_workers.worker.build import build_app

try:
    app = build_app(load())
except LumenError as error:
    # Celery's own commands would wrap it in a traceback.
    sys.stderr.write(f"lumen: {error}\n")
    raise SystemExit(error.exit_code) from None
