"""`lumen pki`: this home's keys."""

from __future__ import annotations

import typer

from lumen_workers.cli.output import Json, Region, echo_json

app = typer.Typer(help="Keys and their fingerprints.", no_args_is_help=True)


@app.command()
def show(region: Region = None, as_json: Json = False) -> None:
    """The fingerprint of this home's signing key for a region; the key is made if there is none yet.

    Other machines need it under `peers` in lumen.yaml before this one's evidence and signed messages count there.
    """
    from lumen_workers import bootstrap, config

    settings = config.load()
    if region is not None:
        settings = config.load(region=settings.check_region(region))
    bootstrap.open_home(settings)
    name, fingerprint = settings.region, bootstrap.signer_of(settings).fingerprint
    if as_json:
        echo_json({"region": name, "fingerprint": fingerprint})
    else:
        typer.echo(f"{name}: {fingerprint}")
