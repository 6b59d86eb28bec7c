"""`lumen archive`: the days' snapshots."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

app = typer.Typer(help="Snapshots of the days.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every snapshot in the archive."""
    with opened.context() as (ctx, _):
        names = ctx.remote.names()
    if as_json:
        echo_json(names)
        return
    table(("snapshot",), ((name,) for name in names), "The archive is empty.")


@app.command()
def verify(
    day: Annotated[str, typer.Argument(help="YYYY-MM-DD for its newest revision, or YYYY-MM-DD.r2.")],
    region: Annotated[
        list[str] | None, typer.Option("--require", help="This region must have signed; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a snapshot from the archive's copy alone: signatures, root, every file, nothing extra, nothing missing."""
    from lumen_workers.archive.layout import parse_snapshot_name
    from lumen_workers.archive.verify import verify_snapshot
    from lumen_workers.domain.errors import CheckFailed, NotFound

    with opened.context() as (ctx, _), tempfile.TemporaryDirectory(prefix="lumen-verify-") as scratch:
        wanted, revision = parse_snapshot_name(day)
        if revision == 1:
            revisions = [r for d, r in map(parse_snapshot_name, ctx.remote.names()) if d == wanted]
            if not revisions:
                raise NotFound(f"the archive has no snapshot of {wanted}; `lumen archive list` shows what it has")
            revision = max(revisions)
        name = f"{wanted}" + ("" if revision == 1 else f".r{revision}")
        folder = ctx.remote.fetch(name, Path(scratch) / "snapshot")
        found = verify_snapshot(folder, pinned=ctx.pins(), require=tuple(region or ()), day=wanted, revision=revision)
    if as_json:
        echo_json(found.as_json())
    elif found.ok:
        typer.echo(f"{name}: holds; root {found.root}, signed by {', '.join(found.signed_by)}")
    else:
        table(("path", "reason", "detail"), ((f.path, f.reason, f.detail) for f in found.faults), "")
    if not found.ok:
        raise CheckFailed(
            f"{name} does not hold: {len(found.faults)} faults, the first: "
            f"{found.faults[0].path}: {found.faults[0].reason}"
        )
