"""`lumen status`: the whole system at a glance."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(status)


def status(
    live: Annotated[bool, typer.Option("--live", "-L", help="Stay, and show it anew until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="With --live: seconds between two looks.")] = 2.0,
    as_json: Json = False,
) -> None:
    """What runs here, the regions and their lanes, how fresh the loops are, leases, runs, what is owed, the alarms."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.local.lanes import depths
    from lumen_workers.local.overview import overview

    if live and (as_json or not sys.stdout.isatty()):
        raise UsageError("--live needs a terminal; for programs: `lumen status --json`, as often as it is needed")
    with opened.store() as (settings, store):
        waiting = depths(settings, senders_clock=True)
        if live:
            _stay(lambda: _tell(overview(settings, store, waiting)), every)
        elif as_json:
            echo_json(overview(settings, store, waiting))
        else:
            _tell(overview(settings, store, waiting))


def _stay(tell: Callable[[], None], every: float) -> None:
    """Draw over and over: each frame is written at once, so that nothing flickers."""
    try:
        while True:
            began = time.monotonic()
            frame = _Terminal()
            with redirect_stdout(frame):
                tell()
            lines = frame.getvalue().splitlines()
            sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
            sys.stdout.flush()
            time.sleep(max(0.0, every - (time.monotonic() - began)))
    except KeyboardInterrupt:
        return


class _Terminal(io.StringIO):
    """Collects what is meant for the terminal, with its width and colours."""

    def isatty(self) -> bool:
        return True


def _tell(view: dict[str, Any]) -> None:
    state = f"running, pid {view['pid']}" if view["pid"] else "not running; `lumen run` starts it"
    typer.echo(f"home {view['home']}: {state}")
    for name, url in view["urls"].items():
        typer.echo(f"  {name}: {url}")
    if view["paused"]:
        typer.echo("automatic rule changes are paused; `lumen resume` ends that")
    if view["letters"]:
        typer.echo(f"{view['letters']} letters wait; `lumen letters list` shows them")
    if view["in_doubt"]:
        typer.echo(f"{view['in_doubt']} sends are in doubt; `lumen outbox list --state in_doubt` shows them")
    for columns, rows, empty in _parts(view):
        if rows or empty:
            typer.echo("")
            table(columns, rows, empty)


def _parts(view: dict[str, Any]) -> list[tuple[tuple[str, ...], list[tuple[object, ...]], str]]:
    """Columns, rows, and what is said where there are none."""
    regions = ("region", "state", "sampler", "jobs", "beat", "fired", "waiting", "last run", "last failure")
    loops = [(x["loop"], x["rate_hz"], _ago(x["newest_s_ago"]), x["sampled_by"]) for x in view["loops"]]
    experiments = [
        (x["experiment"], x["loop"], x["rule"], x["kind"], f"{x['periods_ended']} of {x['periods_planned']}", x["held"])
        for x in view["experiments"]
    ]
    leases = [(x["lease"], x["holder"], x["epoch"], f"{x['ends_in_s']:.1f} s") for x in view["leases"]]
    runs = [(x["run_id"], x["status"], "winner" if x["winner"] else "") for x in view["runs"]]
    return [
        (("process", "pid", "status", "restarts"), [tuple(p.values()) for p in view["processes"]], ""),
        (regions, [_region(x) for x in view["regions"]], ""),
        (("loop", "Hz", "newest sample", "sampled by"), loops, ""),
        (("experiment", "loop", "rule", "kind", "periods", "held"), experiments, ""),
        (("lease", "holder", "epoch", "ends in"), leases, ""),
        (("run", "status", "winner"), runs, "No runs yet."),
        (("owed", "key", "to be done by", "state"), [tuple(x.values()) for x in view["owed"]], ""),
        (("alarm", "severity", "since", "detail"), [tuple(x.values()) for x in view["alarms"]], "No alarms."),
    ]


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
