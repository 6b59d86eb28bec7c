"""`lumen archive`: the days' snapshots. It needs neither the store nor a key: only the archive and the pins."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from datetime import date

    from lumen_workers.domain.ports import Remote

app = typer.Typer(help="Snapshots of the days.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every snapshot in the archive."""
    from lumen_workers import bootstrap, config

    names = bootstrap.remote_of(config.load()).names()
    if as_json:
        echo_json(names)
        return
    table(("snapshot",), ((name,) for name in names), "The archive is empty.")


@app.command()
def verify(
    day: Annotated[str, typer.Argument(help="today, yesterday or YYYY-MM-DD (newest revision), or YYYY-MM-DD.r2.")],
    revision: Annotated[int | None, typer.Option("--revision", min=1, help="Instead of the newest.")] = None,
    require: Annotated[
        list[str] | None, typer.Option("--require", help="A region that must have signed; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a snapshot from the archive's copy alone: signatures, root, every file, nothing extra, nothing missing."""
    from lumen_workers import bootstrap, config
    from lumen_workers.archive.layout import parse_snapshot_name, snapshot_name
    from lumen_workers.archive.verify import verify_snapshot
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.engine.seals import parse_day

    settings = config.load()
    required = [settings.check_region(region) for region in require or ()]
    if day in ("today", "yesterday"):
        day = parse_day(day, datetime.now(UTC), settings.zone).isoformat()
    wanted, named = parse_snapshot_name(day)
    remote = bootstrap.remote_of(settings)
    chosen = revision or (named if named > 1 else _newest(remote, wanted))
    name = snapshot_name(wanted, chosen)
    with tempfile.TemporaryDirectory(prefix="lumen-verify-") as scratch:
        folder = Path(scratch) / "snapshot"
        if remote.exists(name):
            remote.fetch(name, folder)
        found = verify_snapshot(
            folder, pinned=bootstrap.pins_of(settings), require=required, day=wanted, revision=chosen
        )
    if as_json:
        echo_json(found.as_json())
    elif found.ok:
        typer.echo(f"{name} holds")
        typer.echo(f"  root {found.root}")
        typer.echo(f"  signed by {', '.join(found.signed_by)}")
        typer.echo("  the root covers files/; runs/ tells who built it, and is covered by no signature")
        if found.unpinned:
            typer.echo(f"  also signed, by keys that are not pinned here: {', '.join(found.unpinned)}")
    else:
        table(("path", "reason", "detail"), ((f.path, f.reason, f.detail) for f in found.faults), "")
    if not found.ok:
        first = found.faults[0]
        more = f", and {len(found.faults) - 1} more" if len(found.faults) > 1 else ""
        raise CheckFailed(f"{name} in {settings.archive_root} does not hold: {first.path}: {first.reason}{more}")


def _newest(remote: Remote, day: date) -> int:
    """The newest revision of ``day`` in the archive; 1 where it has none."""
    from lumen_workers.archive.layout import parse_snapshot_name
    from lumen_workers.domain.errors import UsageError

    revisions = [1]
    for name in remote.names():
        try:
            found, revision = parse_snapshot_name(name)
        except UsageError:
            continue  # a folder of somebody else's
        if found == day:
            revisions.append(revision)
    return max(revisions)
