"""`lumen demo`: the whole product in two minutes, for real, on this machine."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from lumen_workers import bootstrap, config
from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.adapters.sources.options import PlantSourceOptions
from lumen_workers.adapters.sources.plant import plant_options
from lumen_workers.config import Settings
from lumen_workers.domain.clock import day_of, to_us
from lumen_workers.domain.errors import CheckFailed, LumenError
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.ports import Dispatcher, Store
from lumen_workers.domain.records import Effect, RuleEvent, SignalEffect
from lumen_workers.domain.runs import Owed, OwedState, Run, RunStatus
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.figures import bound, signed
from lumen_workers.engine.flow import CROSS_VERIFY
from lumen_workers.local.launch import assembled
from lumen_workers.local.state import read_state
from lumen_workers.local.supervisor import Supervisor
from lumen_workers.loop.coverage import coverage
from lumen_workers.loop.plant import truth
from lumen_workers.loop.rules import Rules

LOOPS: Final = ("main", "demo")
RULE: Final = "creative_min"
QUIET_S: Final = 35
"""Seconds of samples before the change: the pre window is 30 s."""

TOLERANCE: Final = 0.05
"""How far the measured Δ may lie from the truth: five standard errors of a 30 s mean difference at phi .9, sd .02."""

MISSED: Final = 2
"""How many of the four 95 % intervals may miss the truth. One does in one demo of five, by design: the plant's noise
depends on the time and cannot be chosen. Three do in one of two thousand; intervals that take samples as independent
would in half. A wider level is no way to decide: at 99.9 % they are wider than TOLERANCE allows anyway."""

MISSING_SHARE: Final = 0.01
"""Share of ticks that may be missing on a busy machine."""


@dataclass
class Story:
    """What the demo has seen so far."""

    event: RuleEvent | None = None
    effect: Effect | None = None
    truth: dict[str, float] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    owed: Owed | None = None


def demo() -> int:
    """Run it; returns the exit code. With ``DEMO_EXIT=1`` everything is stopped at the end, else at Ctrl-C."""
    settings = config.load()
    if missing := [name for name in LOOPS if name not in settings.loops]:
        raise CheckFailed(f"the demo needs the loops {', '.join(LOOPS)}; loops.yaml lacks {', '.join(missing)}")
    # Off a terminal, lines are not broken: what stands in them may be copied.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    leave = settings.env.demo_exit
    outcome: list[int] = []
    with assembled(settings, settings.regions, jobs=2, flower_port=None) as make:
        system: Supervisor

        def play() -> None:
            try:
                outcome.append(_play(settings, console))
            except LumenError as error:
                console.print(f"[red]The demo did not hold:[/] {error}")
                outcome.append(1)
            except BaseException:
                outcome.append(1)
                system.request_stop()
                raise
            if leave or outcome[0]:
                system.request_stop()
            else:
                console.print(
                    "\nEverything goes on running until Ctrl-C; `lumen status` in another terminal looks at it."
                )

        thread = threading.Thread(target=play, name="demo", daemon=True)
        system = make(quiet=True, on_started=thread.start)
        console.print(
            f"Starting a broker, {len(settings.regions)} regions and Flower; logs are in {settings.home}/logs"
        )
        system.run()
    return outcome[0] if outcome else 1


def _play(settings: Settings, console: Console) -> int:
    from lumen_workers.worker.app import app

    store = bootstrap.store_of(settings)
    try:
        began = store.now()
        director = Director(settings, store, CeleryDispatcher(app), console, began)
        return director.play()
    finally:
        store.close()


class Director:
    """Goes through the steps and waits for each to show in the store."""

    def __init__(
        self, settings: Settings, store: Store, dispatcher: Dispatcher, console: Console, began: datetime
    ) -> None:
        self._settings = settings
        self._store = store
        self._dispatcher = dispatcher
        self._console = console
        self._began = began
        self._story = Story()

    def play(self) -> int:
        """All steps; 0 when everything holds."""
        self._sampled("Both loops are being sampled", lambda: all(self._count(loop) for loop in LOOPS), 60)
        self._sampled(f"{QUIET_S} s of quiet before the change", lambda: self._seconds("demo") >= QUIET_S, QUIET_S + 60)
        self._change()
        self._sampled("The effect is measured", self._measured, 120)
        self._close_day()
        report = self._report()
        path = self._settings.home / "demo.json"
        path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        self._show(report)
        faults = problems(report)
        for fault in faults:
            self._console.print(f"[red]✗[/] {fault}")
        self._console.print(
            f"{'[red]Not everything holds' if faults else '[green]Everything holds'}[/]; {path} has it all."
        )
        return 1 if faults else 0

    def _change(self) -> None:
        spec = self._settings.loops["demo"]
        rule = spec.rules[RULE]
        rules = Rules(self._store, self._settings.loops, bootstrap.actuators(self._settings))
        present = rules.get("demo")[RULE].value
        # Whichever bound is further away: a second demo in the same home has a full step, too.
        target = rule.max if rule.max - present >= present - rule.min else rule.min
        event = rules.set("demo", RULE, target, actor="demo", note="a step whose truth is known")
        events = self._store.rules.events("demo")
        self._story.event = event
        self._story.truth = truth(
            plant_options(PlantSourceOptions.model_validate(spec.source_options), spec),
            events,
            event,
            self._settings.effect_options,
            spec.rate_hz,
        )
        self._console.print(
            f"[green]✓[/] {RULE} of demo: {event.old:g} → {event.new:g}; "
            f"the truth for creative_band is {self._story.truth['creative_band']:+.3f}"
        )

    def _measured(self) -> bool:
        assert self._story.event is not None
        rows = self._store.effects.rows(event_id=self._story.event.event_id)
        if rows:
            self._story.effect = rows[0][1]
        return bool(rows)

    def _close_day(self) -> None:
        day = day_of(self._store.now(), self._settings.zone)
        traces = {}
        for region in self._settings.regions:
            traces[region] = new_trace_id()
            self._dispatcher.send(
                "lumen.daily", region=region, lane="jobs", payload={"day": day.isoformat()}, trace_id=traces[region]
            )
        wanted = set(traces.values())
        self._sampled("Both regions have built, signed and verified today", lambda: self._ended(day, wanted), 120)
        self._sampled("Another region has verified the archived copy", self._cross_verified, 60)

    def _ended(self, day: date, traces: set[str]) -> bool:
        # Of a run that was lost and revived, the last attempt counts.
        latest: dict[str, Run] = {}
        for run in self._store.runs.rows(day=day):
            if run.trace_id in traces:
                latest.setdefault(run.region, run)
        self._story.runs = [latest[region] for region in self._settings.regions if region in latest]
        if failed := [run for run in self._story.runs if run.status is RunStatus.FAILED]:
            raise CheckFailed(f"{failed[0].run_id} failed: {failed[0].error}")
        return len(self._story.runs) == len(traces) and all(
            run.status in (RunStatus.DONE, RunStatus.SUPERSEDED) for run in self._story.runs
        )

    def _cross_verified(self) -> bool:
        winner = next((run for run in self._story.runs if run.winner), None)
        if winner is None:
            raise CheckFailed("no run has won the day")
        key = f"{winner.pipeline}/{winner.day}/r{winner.revision}"
        self._story.owed = next((row for row in self._store.owed.rows(CROSS_VERIFY) if row.key == key), None)
        return self._story.owed is not None and self._story.owed.state is not OwedState.DUE

    def _sampled(self, what: str, holds: Callable[[], bool], timeout: float) -> None:
        """Wait for ``holds`` while showing how the samples come in. Raises CheckFailed after ``timeout`` seconds."""
        began = time.monotonic()
        with self._console.status(what) as status:
            while not holds():
                waited = time.monotonic() - began
                if waited > timeout:
                    raise CheckFailed(f"{what}: not within {timeout:g} s; see {self._settings.home}/logs")
                counts = ", ".join(f"{loop} {self._count(loop)}" for loop in LOOPS)
                status.update(f"{what} … {waited:.0f} s; samples: {counts}")
                time.sleep(0.5)
        self._console.print(f"[green]✓[/] {what} ({time.monotonic() - began:.1f} s)")

    def _count(self, loop: str) -> int:
        return self._store.samples.count(loop, to_us(self._began), to_us(self._store.now()))

    def _seconds(self, loop: str) -> float:
        first = next(iter(self._store.samples.scan(loop, to_us(self._began), 2**62, chunk=1)), None)
        return 0.0 if first is None else (to_us(self._store.now()) - int(first.ts[0])) / 1e6

    def _report(self) -> dict[str, Any]:
        story, effect = self._story, self._story.effect
        assert effect is not None
        now = to_us(self._store.now())
        seen = {
            loop: coverage(self._store.samples, loop, self._settings.loops[loop].rate_hz, to_us(self._began), now)
            for loop in LOOPS
        }
        winner = next(run for run in story.runs if run.winner)
        pdf = f"report_{winner.day}.pdf"
        from lumen_workers.archive.layout import snapshot_name
        from lumen_workers.trust.pins import Pins

        snapshot = self._settings.archive_root / snapshot_name(winner.day, winner.revision)
        state = read_state(self._settings.home)
        return {
            "samples": {loop: found.present for loop, found in seen.items()},
            "missing": {loop: found.missing for loop, found in seen.items()},
            "jitter_p99_ms": {loop: self._jitter(loop) for loop in LOOPS},
            "effect": {
                name: compared(effect.signals[name], story.truth[name])
                | {"n_pre": effect.n_pre, "n_post": effect.n_post}
                for name in SIGNALS
            },
            "runs": [
                {
                    "run_id": run.run_id,
                    "region": run.region,
                    "status": run.status.value,
                    "digest": run.digest,
                    "stages": [{"name": s.name, "status": s.status.value, "seconds": s.seconds} for s in run.stages],
                }
                for run in story.runs
            ],
            "winner": winner.run_id,
            "digests_equal": len({run.digest for run in story.runs}) == 1
            and None not in {r.digest for r in story.runs},
            "cross_verified_by": story.owed.done_by if story.owed and story.owed.state is OwedState.DONE else None,
            "report_pdf": str(snapshot / "files" / "controls" / "reports" / pdf),
            "key_fingerprints": {name: own[0] for name, own in Pins(self._settings.home / "keys").all().items()},
            "evidence": self._evidence(snapshot, winner),
            "flower": state.urls.get("flower") if state else None,
        }

    def _evidence(self, snapshot: Path, winner: Run) -> dict[str, Any]:
        """What a stranger finds who has the day's folder and the root's fingerprint."""
        from lumen_workers.archive.evidence import verify_day
        from lumen_workers.archive.layout import evidence_path

        [root, *_] = roots = bootstrap.roots_of(self._settings)
        found = verify_day(snapshot, winner.region, roots=roots, now=self._store.now(), day=winner.day)
        path = snapshot / evidence_path(winner.region)
        return {
            "file": str(path),
            "ok": found.ok,
            "verdict": found.verdict.value,
            "reason": found.reason,
            "root_fingerprint": root,
            "command": f"python verify_lumen.py {path} --root {root}",
        }

    def _jitter(self, loop: str) -> float | None:
        try:
            path = self._settings.home / "run" / f"lateness-{loop}.json"
            return float(json.loads(path.read_text(encoding="utf-8"))["p99_ms"])
        except (OSError, ValueError, KeyError):
            return None

    def _show(self, report: dict[str, Any]) -> None:
        loops = _table("loop", "samples", "missing", "lateness p99")
        for loop in LOOPS:
            jitter = report["jitter_p99_ms"][loop]
            late = "–" if jitter is None else f"{jitter:.1f} ms"
            loops.add_row(loop, str(report["samples"][loop]), str(report["missing"][loop]), late)
        effect = _table("signal of demo", "Δ", "95 % interval", "truth", "in it", "verdict", "samples")
        for name, row in report["effect"].items():
            delta = "–" if row["delta"] is None else signed(row["delta"])
            ends = "–" if row["lo"] is None else f"{bound(row['lo'])} to {bound(row['hi'])}"
            inside = "yes" if row["inside"] else "no"
            samples = f"{row['n_pre']} + {row['n_post']}"
            effect.add_row(name, delta, ends, signed(row["truth"]), inside, row["verdict"] or "–", samples)
        runs = _table("run", "status", "stages (s)", "digest")
        for run in report["runs"]:
            stages = "  ".join(f"{s['name']} {s['seconds']:.2f}" for s in run["stages"])
            won = " (winner)" if run["run_id"] == report["winner"] else ""
            runs.add_row(run["run_id"], run["status"] + won, stages, (run["digest"] or "–")[:16])
        for part in (loops, effect, runs):
            self._console.print()
            self._console.print(part)
        equal = "equal" if report["digests_equal"] else "different"
        self._console.print(f"\nDigests are {equal}; cross-verified by {report['cross_verified_by'] or 'nobody'}")
        self._console.print(f"Report: {report['report_pdf']}", soft_wrap=True)
        evidence = report["evidence"]
        self._console.print(f"Evidence: {evidence['file']}: {evidence['verdict']}", soft_wrap=True)
        self._console.print(f"Verify it as a stranger would: {evidence['command']}", soft_wrap=True)
        self._console.print(f"Flower: {report['flower']}", soft_wrap=True)


def compared(signal: SignalEffect, truth: float) -> dict[str, Any]:
    """What was measured beside what is true; ``inside``: the interval holds the truth."""
    inside = signal.lo is not None and signal.hi is not None and signal.lo <= truth <= signal.hi
    return {
        "delta": signal.delta,
        "lo": signal.lo,
        "hi": signal.hi,
        "truth": truth,
        "inside": inside,
        "verdict": signal.verdict,
    }


def problems(report: dict[str, Any]) -> list[str]:
    """What does not hold in a demo's report; empty when everything does."""
    found = []
    for loop in LOOPS:
        samples, missing = report["samples"][loop], report["missing"][loop]
        if report["jitter_p99_ms"][loop] is None:
            found.append(f"{loop}: nobody noted how late its ticks were")
        if not samples:
            found.append(f"{loop}: no samples")
        elif missing > max(1, MISSING_SHARE * (samples + missing)):
            found.append(f"{loop}: {missing} ticks of {samples + missing} are missing")
    for name, row in report["effect"].items():
        if row["delta"] is None or abs(row["delta"] - row["truth"]) > TOLERANCE:
            found.append(f"effect on {name}: measured {row['delta']}, true is {row['truth']:.3f}")
        if row["lo"] is None:
            found.append(f"effect on {name}: it has no interval")
    if (missed := sum(not row["inside"] for row in report["effect"].values())) > MISSED:
        found.append(f"{missed} of {len(report['effect'])} intervals miss the truth")
    if abs(report["effect"]["creative_band"]["truth"]) < 0.08:
        found.append("the step is too small to show anything")
    found += _run_problems(report)
    if not report["evidence"]["ok"]:
        found.append(f"{report['evidence']['file']} does not hold: {report['evidence']['reason']}")
    if not Path(report["report_pdf"]).is_file():
        found.append(f"{report['report_pdf']} is not there")
    return found


def _run_problems(report: dict[str, Any]) -> list[str]:
    found = []
    runs = {run["run_id"]: run for run in report["runs"]}
    for run in runs.values():
        found += [f"{run['run_id']}: {s['name']} is {s['status']}" for s in run["stages"] if s["status"] != "done"]
        wanted = "done" if run["run_id"] == report["winner"] else "superseded"
        if run["status"] != wanted:
            found.append(f"{run['run_id']} is {run['status']}, not {wanted}")
    if report["winner"] not in runs:
        found.append("no run has won the day")
    elif report["cross_verified_by"] in (None, runs[report["winner"]]["region"]):
        found.append("no other region has verified the day")
    if not report["digests_equal"]:
        found.append("the regions' digests differ")
    if keyless := {run["region"] for run in runs.values()} - report["key_fingerprints"].keys():
        found.append(f"no key fingerprint of {', '.join(sorted(keyless))}")
    return found


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
