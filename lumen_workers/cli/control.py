"""`lumen pause|resume|drain`: what a person switches on and off, everywhere at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, progress

if TYPE_CHECKING:
    from lumen_workers.domain.ports import Store

Note = Annotated[str, typer.Option("--note", "-m", help="Why; kept in the audit log.")]

_LOOK_S = 0.5


def register(root: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume, drain):
        root.command()(command)


def pause(note: Note = "", as_json: Json = False) -> None:
    """No automatic rule change from now on, in any region; people's changes still work."""
    from lumen_workers.domain.regions import PAUSE

    with opened.store() as (settings, store):
        changed = store.switches.turn_on(PAUSE, opened.person(settings), note)
    _say(as_json, PAUSE, on=True, changed=changed, text="automatic rule changes are paused everywhere")


def resume(
    region: Annotated[str | None, typer.Argument(help="End the draining of this region.")] = None,
    as_json: Json = False,
) -> None:
    """End the pause, or the draining of a region."""
    from lumen_workers.domain.regions import PAUSE, drain_switch

    with opened.store() as (settings, store):
        name = PAUSE if region is None else drain_switch(settings.check_region(region))
        changed = store.switches.turn_off(name, opened.person(settings))
    what = "automatic rule changes go on" if region is None else f"{region} takes new work"
    _say(as_json, name, on=False, changed=changed, text=what)


def drain(
    region: Annotated[str, typer.Argument(help="The region.")],
    note: Note = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it has finished what it began.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="With --wait: seconds at most.")] = 900,
    as_json: Json = False,
) -> None:
    """Let a region finish what it has begun and take nothing new, until `lumen resume REGION`."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.domain.regions import drain_switch

    with opened.store() as (settings, store):
        name = drain_switch(settings.check_region(region))
        changed = store.switches.turn_on(name, opened.person(settings), note)
        ends = time.monotonic() + timeout
        told: list[str] = []
        while wait and (left := _left(store, region)):
            if left != told:
                progress(f"{region} still works on {', '.join(left)}")
                told = left
            if time.monotonic() > ends:
                raise CheckFailed(f"{region} is drained, but still works on {', '.join(left)} after {timeout:g} s")
            time.sleep(_LOOK_S)
    text = f"{region} takes nothing new" + ("; it has finished what it began" if wait else "")
    _say(as_json, name, on=True, changed=changed, text=text)


def _left(store: Store, region: str) -> list[str]:
    """What a region has begun: its runs under way, and loops that it samples."""
    from lumen_workers.domain.runs import RunStatus
    from lumen_workers.loop.claim import Holder, lease_name

    runs = [r.run_id for r in store.runs.open() if r.lane_region == region and r.status is RunStatus.RUNNING]
    loops = [lease.name for lease in store.leases.live() if Holder.place(lease.holder)[0] == region]
    return runs + [name for name in loops if name.startswith(lease_name(""))]


def _say(as_json: bool, name: str, *, on: bool, changed: bool, text: str) -> None:
    if as_json:
        echo_json({"switch": name, "on": on, "changed": changed})
    else:
        typer.echo(text if changed else f"{text} (it was so already)")
