"""``celery -A lumen_workers …`` finds this app."""

from lumen_workers.config import load
from lumen_workers.worker.build import build_app

app = build_app(load())
