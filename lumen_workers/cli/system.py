"""`lumen run|stop|doctor|demo`: the system on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from lumen_workers.cli.output import Json, echo_json, table

Regions = Annotated[str | None, typer.Option("--regions", help="Regions to run here, with commas; all, unless given.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    for command in (demo, run, stop, doctor):
        root.command()(command)


def demo() -> None:
    """Run everything for two minutes: sample, change a rule, measure it, seal, sign and verify the day."""
    from lumen_workers.local.demo import demo as show

    raise typer.Exit(show())


def run(
    regions: Regions = None,
    duration: Annotated[float | None, typer.Option("--duration", min=1, help="Stop after so many seconds.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Jobs at once in a region.")] = 2,
    flower: Annotated[
        int | None, typer.Option("--flower-port", min=0, max=65_535, help="Flower's port; a free one, unless given.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Logs to files only.")] = False,
) -> None:
    """Run the broker, the workers, beat and Flower until Ctrl-C or `lumen stop`."""
    from lumen_workers.local.launch import launch

    launch(regions=regions, duration_s=duration, jobs=jobs, flower_port=flower, quiet=quiet)


def stop() -> None:
    """Stop what `lumen run` started for this home."""
    from lumen_workers import config
    from lumen_workers.local.instance import stop as end

    home = config.load().home
    stopped = end(home)
    typer.echo(f"stopped pid {stopped.pid}" if stopped else f"nothing runs for {home}")


def doctor(as_json: Json = False) -> None:
    """Check what this machine may lack, and say how to mend it."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.local.checkup import checkup

    findings = checkup()
    if as_json:
        echo_json([{"name": f.name, "status": f.status, "detail": f.detail, "mend": f.mend} for f in findings])
    else:
        table(("check", "status", "detail", "to mend it"), ((f.name, f.status, f.detail, f.mend) for f in findings), "")
    if bad := [f.name for f in findings if f.status == "fail"]:
        raise CheckFailed(f"not ready: {', '.join(bad)}")
