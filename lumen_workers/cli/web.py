"""`lumen web`: rules for loops that ask, samples from loops that send."""

from __future__ import annotations

from typing import Annotated

import typer


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(web)


def web(
    bind: Annotated[
        str, typer.Option("--bind", help="The address to listen on; another than the loopback needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65_535, help="0: any free one; LUMEN_WEB_PORT or 8700, unless given."),
    ] = None,
) -> None:
    """Serve rules to loops that poll, and take samples from loops that push."""
    from lumen_workers import config
    from lumen_workers.web import DEFAULT_PORT
    from lumen_workers.web.serve import serve

    settings = config.load()
    wanted = port if port is not None else settings.env.web_port
    serve(settings, host=bind, port=DEFAULT_PORT if wanted is None else wanted)
