"""`lumen run|stop|status|doctor|demo`: the system on this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

Regions = Annotated[str | None, typer.Option("--regions", help="Regions to run here, with commas; all, unless given.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    for command in (demo, run, stop, status, doctor):
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


def status(as_json: Json = False) -> None:
    """What runs here, how fresh the loops are, the last runs, what is owed, the alarms."""
    from lumen_workers.local.lanes import depths
    from lumen_workers.local.overview import overview

    with opened.store() as (settings, store):
        view = overview(settings, store, depths(settings, senders_clock=True))
    if as_json:
        echo_json(view)
        return
    state = f"running, pid {view['pid']}" if view["pid"] else "not running; `lumen run` starts it"
    typer.echo(f"home {view['home']}: {state}")
    for name, url in view["urls"].items():
        typer.echo(f"  {name}: {url}")
    parts = (
        (("process", "pid", "status", "restarts"), [tuple(p.values()) for p in view["processes"]], ""),
        (
            ("region", "state", "sampler", "jobs", "beat", "fired", "waiting", "last run", "last failure"),
            [_region(x) for x in view["regions"]],
            "",
        ),
        (
            ("loop", "Hz", "newest sample", "sampled by"),
            [(x["loop"], x["rate_hz"], _ago(x["newest_s_ago"]), x["sampled_by"]) for x in view["loops"]],
            "",
        ),
        (
            ("run", "status", "winner"),
            [(x["run_id"], x["status"], "winner" if x["winner"] else "") for x in view["runs"]],
            "No runs yet.",
        ),
        (("owed", "key", "to be done by", "state"), [tuple(x.values()) for x in view["owed"]], ""),
        (("alarm", "severity", "since", "detail"), [tuple(x.values()) for x in view["alarms"]], "No alarms."),
    )
    if view["paused"]:
        typer.echo("automatic rule changes are paused; `lumen resume` ends that")
    if view["letters"]:
        typer.echo(f"{view['letters']} letters wait; `lumen letters list` shows them")
    if view["in_doubt"]:
        typer.echo(f"{view['in_doubt']} sends are in doubt; `lumen outbox list --state in_doubt` shows them")
    for columns, rows, empty in parts:
        if rows or empty:
            typer.echo("")
            table(columns, rows, empty)


def _region(view: dict[str, Any]) -> tuple[object, ...]:
    """A region's line."""
    lanes = {lane["lane"]: lane for lane in view["lanes"]}
    depths = [lane["depth"] for lane in lanes.values() if lane["depth"] is not None]
    oldest = max((lane["oldest_s"] for lane in lanes.values() if lane["depth"] and lane["oldest_s"]), default=None)
    last, failure = view["last_run"], view["last_failure"]
    return (
        view["region"],
        view["state"],
        *(_ago(lanes[name]["seen_s_ago"]) for name in ("sampler", "jobs", "beat")),
        _ago(view["fired_s_ago"]),
        f"{sum(depths)}{f', oldest {_ago(oldest)}' if oldest else ''}" if depths else None,
        last["run_id"] if last else None,
        f"{failure['run_id']} ({failure['error_class']})" if failure else None,
    )


def _ago(seconds: float | None) -> str:
    """How long ago, in the unit that suits."""
    if seconds is None:
        return "none yet"
    if seconds < -1:
        return "in the future"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.1f} s ago"


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
