"""`lumen web`: the interface on a socket, until it is told to stop."""

from __future__ import annotations

import os
from typing import Final

from lumen_workers import bootstrap
from lumen_workers.config import Settings
from lumen_workers.config.secrets import read_secret
from lumen_workers.domain.errors import ConfigError
from lumen_workers.loop.rules import Rules
from lumen_workers.web.app import make_app
from lumen_workers.web.desk import Desk
from lumen_workers.web.guard import check_bind
from lumen_workers.web.listen import bind, run

LEAST_TOKEN: Final = 16


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Answer until SIGINT or SIGTERM. Raises ConfigError, EnvironmentFault, StoreUnavailable."""
    token = token_of(settings)
    check_bind(host, token)
    listener = bind(host, port)
    with listener:
        store = bootstrap.store_of(settings)
        try:
            holder = f"{settings.region}/{settings.env.host}/{os.getpid()}"
            rules = Rules(store, settings.loops, bootstrap.actuators(settings), refused=bootstrap.refused, by=holder)
            app = make_app(Desk(store=store, loops=settings.loops, rules=rules), token=token)
            run("web", app, host, listener)
        finally:
            store.close()


def token_of(settings: Settings) -> str | None:
    """``LUMEN_WEB_TOKEN``, else the line of the file that ``LUMEN_WEB_TOKEN_FILE`` names. Raises ConfigError."""
    env = settings.env
    if env.web_token is not None:
        return env.web_token.get_secret_value()
    if env.web_token_file is None:
        return None
    token = read_secret(env.web_token_file, "LUMEN_WEB_TOKEN_FILE")
    if len(token) < LEAST_TOKEN:
        raise ConfigError(f"LUMEN_WEB_TOKEN_FILE: {env.web_token_file} needs {LEAST_TOKEN} characters at least")
    return token
