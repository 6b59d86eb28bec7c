"""`lumen export`, `lumen import`: the SPEC file forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, progress


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command("export")(export)
    root.command("import")(import_)


def export(
    folder: Annotated[Path, typer.Argument(help="Where to write logs/ and controls/.")],
    loop: Annotated[str, typer.Option("--loop", "-l", help="The loop.")] = "main",
    start: Annotated[
        str | None, typer.Option("--from", help="ISO time with offset; from the beginning, unless given.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="ISO time with offset (exclusive).")] = None,
    as_json: Json = False,
) -> None:
    """Write a loop's samples, rule history, effects, quotes and risks as files."""
    from lumen_workers.archive.forms import export_loop
    from lumen_workers.domain.clock import parse_ts
    from lumen_workers.domain.errors import UsageError

    since, until = parse_ts(start, "--from") if start else None, parse_ts(end, "--to") if end else None
    if since is not None and until is not None and since >= until:
        raise UsageError(f"--from {start} is not before --to {end}")
    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        rows = export_loop(store, loop, folder, start=since, end=until, upto=None)
    if as_json:
        echo_json(rows)
        return
    for path, count in rows.items():
        typer.echo(f"{folder / path}: {count} rows")


def import_(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A folder with logs/ and controls/ in the SPEC forms.")
    ],
    loop: Annotated[str, typer.Option("--loop", "-l", help="The loop; made if it is new.")] = "main",
    rate: Annotated[
        int | None, typer.Option("--rate", help="Its rate in Hz; told from the data, unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a loop's files. What is wrong is counted and kept in the quarantine; reading a folder twice adds nothing."""
    from lumen_workers.archive.forms import import_dir

    with opened.store() as (settings, store):
        report = import_dir(
            store,
            folder,
            loop,
            rate_hz=rate,
            quarantine=settings.home / "quarantine",
            progress=lambda path, rows: progress(f"{path}: {rows} rows"),
        )
    if as_json:
        echo_json(report.as_json())
        return
    typer.echo(f"loop {report.loop}, {report.rate_hz} Hz{' (new)' if report.created else ''}")
    for file in report.files:
        refused = ", ".join(f"{count} {reason}" for reason, count in file.refused.items())
        typer.echo(
            f"  {file.path}: {file.added} added, {file.known} known" + (f", refused: {refused}" if refused else "")
        )
    if report.quarantine is not None:
        typer.echo(f"  what was refused is kept in {report.quarantine}")
