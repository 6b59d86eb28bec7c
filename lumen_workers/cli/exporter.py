"""`lumen exporter`: metrics for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(exporter)


def exporter(
    target: Annotated[
        str | None,
        typer.Argument(
            help="With --textfile the folder (else LUMEN_TEXTFILE_DIR), with --push the URL (else PUSHGATEWAY_URL)."
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65_535, help="0: any free one; LUMEN_EXPORTER_PORT or 9108, unless given."),
    ] = None,
    textfile: Annotated[bool, typer.Option("--textfile", help="Write node exporter's lumen.prom and end.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Push to a Pushgateway and end.")] = False,
    every: Annotated[
        float | None, typer.Option("--every", min=1, help="Again every so many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """Serve /metrics and /rhythm_metrics for Prometheus, and /api/runs; or write or push the metrics."""
    from lumen_workers import config
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.local import exporter as source

    if textfile and push:
        raise UsageError("give one of --textfile and --push")
    if not (textfile or push) and (target is not None or every is not None):
        raise UsageError("a target and --every go with --textfile or --push")
    settings = config.load()
    if textfile:
        folder = Path(target) if target else settings.env.textfile_dir
        if folder is None:
            raise UsageError("--textfile needs a folder; name it or set LUMEN_TEXTFILE_DIR")
        source.write(settings, folder, every)
    elif push:
        url = target or (settings.env.pushgateway_url.get_secret_value() if settings.env.pushgateway_url else None)
        if url is None:
            raise UsageError("--push needs the Pushgateway's URL; name it or set PUSHGATEWAY_URL")
        source.send(settings, url, every)
    else:
        wanted = port if port is not None else settings.env.exporter_port
        source.serve(settings, host=host, port=source.DEFAULT_PORT if wanted is None else wanted)
