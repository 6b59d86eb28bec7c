"""`make chaos`: randomised runs, appended to build/chaos.jsonl, until CHAOS_MINUTES (10) are over.

CHAOS_SEED: the seed (by chance). CHAOS_EVENTS: which events, by the beginning of their names, with commas (all).
CHAOS_SET_UPS: in which systems, with commas: short, default, clock (all, each for its share of the time).
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from chaos.harness.campaign import Campaign, pick, say
from chaos.harness.events import EVENTS, Event
from chaos.harness.needs import cannot_mount, no_faketime
from chaos.harness.record import Record
from chaos.harness.system import SET_UPS

BUILD = Path(__file__).resolve().parents[2] / "build"
SHARES = {"short": 0.55, "default": 0.25, "clock": 0.2}
"""The share of the time that each kind of system gets."""


def main() -> int:
    minutes = float(os.environ.get("CHAOS_MINUTES") or 10)
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**31))
    chosen = _chosen(os.environ.get("CHAOS_EVENTS") or "")
    set_ups = (os.environ.get("CHAOS_SET_UPS") or ",".join(SHARES)).split(",")
    record = Record(BUILD)
    ends = time.monotonic() + minutes * 60
    say(f"{minutes:g} minutes, seed {seed}, {len(chosen)} events")
    try:
        for name in set_ups:
            events = [event for event in _possible(chosen) if name in event.set_ups]
            left = sum(SHARES[other] for other in set_ups[set_ups.index(name) :])
            share = (ends - time.monotonic()) * SHARES[name] / left
            if events and share > 0:
                _campaign(name, record, seed, events, time.monotonic() + share)
    except KeyboardInterrupt:
        say("interrupted")
    summary = record.summarize()
    say(f"{summary['runs']} runs in all, {summary['violations']} violations; build/chaos.json")
    return 1 if summary["violations"] else 0


def _campaign(name: str, record: Record, seed: int, events: list[Event], ends: float) -> None:
    """Runs on one kind of system; one that did not come to rest is replaced."""
    while time.monotonic() < ends:
        campaign = Campaign(SET_UPS[name], record, seed)
        try:
            while time.monotonic() < ends:
                lines = record.lines()
                n = 1 + max((line.get("n", 0) for line in lines), default=0)
                ready = [event for event in events if campaign.may(event)]
                if not ready:
                    time.sleep(1)
                    continue
                line = campaign.run(n, pick(ready, lines, random.Random(f"{seed}/{n}")))
                if line["violations"]:
                    break
            campaign.look_back(wait=True)
        finally:
            for fault in campaign.close():
                say(fault)


def _possible(events: list[Event]) -> list[Event]:
    """Without those for which something is missing here; what is missing is said."""
    lacking = {need: why for need, why in (("mount", cannot_mount()), ("faketime", no_faketime())) if why}
    for event in events:
        if event.needs in lacking:
            say(f"{event.name} is left out: {lacking[event.needs]}")
    return [event for event in events if event.needs not in lacking]


def _chosen(names: str) -> list[Event]:
    wanted = [name for name in names.split(",") if name]
    found = [event for event in EVENTS if not wanted or any(event.name.startswith(name) for name in wanted)]
    if not found:
        sys.exit(f"CHAOS_EVENTS={names}: no such event; there are {', '.join(event.name for event in EVENTS)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
