"""`lumen broker`: who may do what at the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The broker's access list.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def broker() -> None:
    """The broker's access list."""


@app.command()
def acl(
    regions: Annotated[
        str | None, typer.Option("--regions", help="Regions to have a user, with commas; all, unless given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder for users.acl and the passwords, which are made where there are none."),
    ] = None,
    redis: Annotated[str, typer.Option("--redis", help="The server's version: 7 (or newer), or 6.2.")] = "7",
) -> None:
    """Print users.acl: one Redis user for each region, passwords as SHA-256; the user `default` is off."""
    from lumen_workers import config
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.local.acl import FILE, Dialect, password_of, users, write
    from lumen_workers.local.launch import chosen

    settings = config.load()
    if redis not in list(Dialect):
        raise UsageError(f"--redis {redis!r} is not one of {', '.join(Dialect)}")
    passwords = {region: password_of(region, out, settings.env.broker_url) for region in chosen(settings, regions)}
    text = users(passwords, settings.regions, Dialect(redis), settings.broker_database)
    if out is not None:
        write(out / FILE, text)
    typer.echo(text, nl=False)
