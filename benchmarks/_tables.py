"""Put measured figures into the pages: every block between ``<!-- figures:NAME -->`` and ``<!-- /figures -->``,
and the pictures of those benchmarks that have one.

Usage: _tables.py FIGURES.json      (what ``make bench`` prints; a benchmark that it lacks leaves its block as it is)
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _markdown import prose, table
from _tables_evidence import EVIDENCE
from _tables_experiments import EXPERIMENTS

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"(<!-- figures:(\w+) -->\n).*?(<!-- /figures -->)", re.S)


def day(found: Mapping[str, Any]) -> str:
    """The day's pipeline, by stage."""
    made, prepared, run = found["sqlite"]["made"], found["sqlite"]["prepared"], found["sqlite"]["median"]
    rows = [(f"`{stage}`", f"{seconds:.2f} s") for stage, seconds in run["stages"].items()]
    rows += [
        ("all stages", f"**{run['seconds']:.1f} s**"),
        ("the command, from its start to its end", f"{run['process_s']:.1f} s ({run['cpu_s']:.1f} s of processor)"),
        ("highest resident memory", f"**{run['peak_mib']:.0f} MiB**"),
    ]
    about = (
        f"`lumen daily` on {prepared['samples']:,} samples, {prepared['events']} events and effects, "
        f"{prepared['quotes']} quotes and {prepared['risks']} risks in SQLite ({prepared['store_mib']:.0f} MiB); it "
        f"makes a bundle of {made['bundle_mib']:.1f} MiB and a PDF of {made['pdf_kib']} KiB. "
        f"The middle one of {len(found['sqlite']['runs'])} runs."
    )
    return f"{prose(about)}\n\n{table(('', 'figure'), rows)}"


def startup(found: Mapping[str, Any]) -> str:
    """`lumen --help`, and the kinds of processes."""
    about = (
        f"`lumen --help` takes **{found['help_s']:.2f} s** (an interpreter that does nothing: "
        f"{found['bare_python_s']:.3f} s). From the first import until a process is ready for work, medians of "
        f"{found['runs']} starts:"
    )
    rows = [
        (
            name,
            f"{kind['seconds']:.2f} s",
            kind["modules"],
            f"{kind['peak_mib']:.0f} MiB",
            ", ".join(kind["big_packages"]),
        )
        for name, kind in found["processes"].items()
    ]
    return (
        f"{prose(about)}\n\n{table(('process', 'ready after', 'modules', 'memory', 'big packages among them'), rows)}"
    )


def sampler(found: Mapping[str, Any]) -> str:
    """Missing ticks and lateness around hand-overs."""
    run = found["sampler"]
    main, demo = run["main"], run["demo"]
    about = (
        f"Two loops at 5 Hz for {run['seconds']:.0f} s, {run['cores_busy']} cores kept busy by endless loops at the "
        f"sampler's priority, leases of {run['lease_s']} s ({run['lease_s'] * 5} ticks)."
    )
    happened = {
        "sigterm": "a worker gets SIGTERM, another one is there",
        "sigkill": "a worker gets SIGKILL, another one is there",
        "sigkill_restart": "the only worker gets SIGKILL and is started again after 1 s",
        "elsewhere": "all the rest of the time",
    }
    missed = [(text, main["missing"][name], demo["missing"][name]) for name, text in happened.items()]
    missed.append(("of ticks in all", f"{main['ticks']:,}", f"{demo['ticks']:,}"))
    late = [
        (name, found["n"], *(f"{found[key]:.1f} ms" for key in ("p50", "p99", "max")))
        for name, found in (
            ("the whole time", main["lateness_ms"]),
            ("without 30 s after each event and start", main["lateness_quiet_ms"]),
        )
    ]
    return (
        f"{prose(about)}\n\n{table(('missing ticks', '`main`', '`demo`'), missed)}\n\n"
        f"{table(('lateness of `main`', 'ticks', 'p50', 'p99', 'largest'), late)}"
    )


def store(found: Mapping[str, Any]) -> str:
    """Samples in and out, both databases."""
    kinds = {name: found[name] for name in ("sqlite", "postgresql") if found[name] is not None}
    names = next(iter(kinds.values()))
    rows = [(name.replace("_", " "), *(f"{kind[name]:,}" for kind in kinds.values())) for name in names]
    return table(("", *kinds), rows)


def audit(found: Mapping[str, Any]) -> str:
    """The audit log: verified, written as a file, appended to."""
    kinds = {name: found[name] for name in ("sqlite", "postgresql") if found[name] is not None}
    first = next(iter(kinds.values()))
    about = (
        f"A chain of {first['rows']:,} lines ({first['file_mib']:.0f} MiB as a file). Python's allocator holds "
        + " and ".join(f"{mib:.1f} MiB at most for {int(rows):,} lines" for rows, mib in first["allocated_mib"].items())
        + "."
    )
    told = {
        "verify_rows_per_s": "verified in the store",
        "verify_file_rows_per_s": "verified in the file",
        "export_rows_per_s": "exported",
        "append_rows_per_s": "appended, each in a transaction",
    }
    rows = [(text, *(f"{kind[name]:,}" for kind in kinds.values())) for name, text in told.items()]
    return f"{prose(about)}\n\n{table(('lines a second', *kinds), rows)}"


def coverage(found: Mapping[str, Any]) -> str:
    """How often intervals hold the truth; what may be called a finding."""
    head = ("noise", "effect", "ours", "independent samples", "after the filters", "median width, ours", "independent")

    def lines(cells: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
        return [
            (
                cell["name"],
                f"{cell['effect']:g}",
                f"**{cell['ours']['covered']:.1%}**",
                *(f"{cell[way]['covered']:.1%}" for way in ("naive", "filtered")),
                *(f"{cell[way]['width']:.3f}" for way in ("ours", "naive")),
            )
            for cell in cells
        ]

    seconds = sorted(cell["seconds"] for cell in found["core"])
    about = (
        f"Share of {found['level']:.0%} intervals that hold the true difference. Each row: {found['events']:,} events, "
        f"{found['signals']} independent signals each, 150 samples a side at 5 Hz where nothing else is said, "
        f"stationary deviation 0.05. Our intervals of a row take {seconds[len(seconds) // 2]:.2f} s (median)."
    )
    found_by = [
        (
            f"{row['phi']:g}",
            f"{row['effect']:g}",
            f"{row['false_discoveries']:.1%}",
            f"{row['found']:.1%}" if row["effect"] else "–",
        )
        for row in found["discoveries"]
    ]
    day = (
        f"A day of 40 changes every 30 s on signals that go together, a fifth of them with an effect on one signal: "
        f"share of false ones among what q ≤ {found['q']:g} calls a finding, and share of the effects that are found."
    )
    alarms = [(f"{row['phi']:g}", f"{row['alarms']:.1%}") for row in found["placebo"]]
    minutes = found["quiet_s"] / 60
    placebo = (
        f"Placebo ranks with p ≤ {found['alpha']:g} at changes that did nothing, beside the {minutes:g} minutes before "
        f"them:"
    )
    return "\n\n".join(
        [
            prose(about),
            table(head, lines([*found["core"], *found["further"]])),
            "And where they do not hold what they say:",
            table(head, lines(found["beyond"])),
            prose(day),
            table(("phi", "effect", "false discovery rate", "effects found"), found_by),
            prose(placebo),
            table(("phi", "false alarms"), alarms),
        ]
    )


def effects(found: Mapping[str, Any]) -> str:
    """The tracker beside a mask loop."""
    rows = [
        (
            f"{size['samples']:,}",
            f"{size['lumen']['seconds']:.2f} s",
            f"{size['lumen']['intervals_seconds']:.2f} s",
            f"{size['lumen']['peak_mib']:.0f} MiB",
            f"{size['pandas_mask']['seconds']:,.1f} s",
            f"{size['pandas_mask']['peak_mib']:,.0f} MiB",
            f"{size['times_faster']:,.0f}",
        )
        for size in found["effects"]
    ]
    return table(
        ("samples stored", "1,000 effects", "of that, intervals", "memory", "mask loop", "its memory", "times faster"),
        rows,
    )


def failures(found: Mapping[str, Any]) -> str:
    """What is done about each class of failures, and how well they are told apart."""
    corpus, policies = found["corpus"], found["policies"]
    done = [
        (
            f"`{name}`",
            policy["reruns"],
            ", ".join(f"{seconds:g} s" for seconds in policy["backoff_s"][: policy["reruns"]]) or "–",
            policy["severity"] if policy["ticket"] else "–",
            policy["budget"] if policy["reruns"] else "–",
        )
        for name, policy in policies.items()
    ]
    about = (
        f"{corpus['cases']} failures of {corpus['errors']} exception classes, provoked in the real libraries against "
        f"servers that refuse, hang up, are silent or full "
        f"({', '.join(f'{group} {count}' for group, count in corpus['groups'].items())}). "
        f"**{corpus['right']}** get the class that whoever knows the cause gives them; by the exception's name alone "
        f"{corpus['right_by_name']} would. A verdict takes {found['verdict_us']:.0f} µs (median). "
        f"Down: the true class; across: the verdict."
    )
    names = list(policies)
    matrix = [
        (f"`{truth}`", *(row[verdict] or "" for verdict in names), sum(row.values()))
        for truth, row in corpus["matrix"].items()
    ]
    return (
        f"{table(('class', 'reruns', 'after', 'then', 'reruns a day'), done)}\n\n{prose(about)}\n\n"
        f"{table(('', *(f'`{name}`' for name in names), 'cases'), matrix)}"
    )


def scale(found: Mapping[str, Any]) -> str:
    """A long history of many regions."""
    kinds = {name: found[name] for name in ("sqlite", "postgresql") if found[name] is not None}
    rows = next(iter(kinds.values()))["rows"]
    about = (
        f"{found['regions']} regions and {found['days']} days in the store: {rows['runs']:,} runs, {rows['stages']:,} "
        f"stages. The middle one of {found['rounds']}:"
    )
    names = {"a scrape": "scrape_ms", "what `lumen status` shows": "status_ms", "a reconciler's tick": "reconcile_ms"}
    lines = [(text, *(f"{kind[name]:.0f} ms" for kind in kinds.values())) for text, name in names.items()]
    return f"{prose(about)}\n\n{table(('', *kinds), lines)}"


def tasks(found: Mapping[str, Any]) -> str:
    """A task of ours beside a bare Celery task."""
    kinds = [name for name in ("sqlite", "postgresql") if name in found["stage_0"]]
    what = {
        "benchdone": "a tick whose slot has run",
        "benchfresh": "a tick in a fresh slot, with nothing to do",
        "stage_0": "a stage with an empty body",
        "stage_20": "a stage of 20 ms",
        "stage_100": "a stage of 100 ms",
    }
    rows = [
        (
            text,
            kind,
            *(f"{found[name]['bare'][unit]['median']:.2f} ms" for unit in ("cpu_ms", "wall_ms")),
            *(f"+{found[name][kind][unit]['median']:.2f} ms" for unit in ("cpu_over_ms", "wall_over_ms")),
            *(f"{found[name][kind][unit]['median']:.2f}" for unit in ("cpu_ratio", "wall_ratio")),
        )
        for name, text in what.items()
        for kind in kinds
    ]
    about = (
        f"Beside a bare Celery task with the same options and the same body: claim, lease, trace, record, audit and "
        f"counters included. Medians of {found['rounds']} rounds in which both had a block in turn; ratios are made "
        f"within a round."
    )
    head = ("task", "store", "bare, processor", "bare, wall", "ours, processor", "ours, wall", "ratio", "ratio, wall")
    return f"{prose(about)}\n\n{table(head, rows)}"


def latency(found: Mapping[str, Any]) -> str:
    """From sending to the start of work."""
    ways = {"near": "on the same machine", "far": f"{found['rtt_ms']:.0f} ms away (round trip)"}
    kinds = {"ours": "a tick of ours", "bare": "a bare Celery task", "handover": "a stage, from the one before"}
    rows = [
        (text, ways[way], one["count"], *(f"{one[cut]:.1f} ms" for cut in ("p50_ms", "p99_ms", "max_ms")))
        for way in ways
        for kind, text in kinds.items()
        for one in [found[way][kind]]
    ]
    about = (
        "From a message's sending to the first line of its work, one message at a time into an idle lane; a stage "
        "counts from the end of the body before it. The store is near."
    )
    return f"{prose(about)}\n\n{table(('work', 'the broker is', 'messages', 'p50', 'p99', 'largest'), rows)}"


def chaos(found: Mapping[str, Any]) -> str:
    """What was provoked, and what it cost."""

    def seconds(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f} s"

    rows = [
        (f"`{name}`", row["runs"], row["violations"], *(seconds(row["recovery_s"][cut]) for cut in ("p50", "p95")))
        for name, row in found["events"].items()
    ]
    rows.append(("**all**", found["runs"], found["violations"], "", ""))
    return table(("event", "runs", "violations", "recovery p50", "p95"), rows)


def evidence(found: Mapping[str, Any]) -> str:
    """What a stranger waits for."""
    verify = found["verify"]
    about = (
        f"One day of {verify['files']} files and {verify['mib']:.0f} MiB, its evidence of "
        f"{verify['evidence_kib']:.0f} KiB, verified from start to exit; medians of {found['runs']} processes."
    )
    rows = [(f"`{name}`", f"{seconds:.2f} s") for name, seconds in verify["verify_s"].items()]
    return f"{prose(about)}\n\n{table(('', 'start to exit'), rows)}"


RENDER: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    **EVIDENCE,
    **EXPERIMENTS,
    "audit": audit,
    "chaos": chaos,
    "coverage": coverage,
    "day": day,
    "effects": effects,
    "evidence": evidence,
    "failures": failures,
    "latency": latency,
    "sampler": sampler,
    "scale": scale,
    "startup": startup,
    "store": store,
    "tasks": tasks,
}


def origin(name: str, started: str, machine: Mapping[str, Any]) -> str:
    """When, where and how a benchmark was run."""
    kernel = re.sub(r"(\d+\.\d+).*", r"\1", str(machine["system"]))
    return prose(
        f'Measured {started[:10]} with `make bench ARGS="{name}"` on {machine["cpu"]}, {machine["cores"]} cores, '
        f"{machine['memory_gib']:.0f} GiB, {kernel}, Python {machine['python']}, SQLite {machine['sqlite']}."
    )


def fill(page: str, figures: Mapping[str, Any]) -> str:
    """The page with each block renewed whose benchmark is among the figures."""

    def renewed(match: re.Match[str]) -> str:
        name = match[2]
        found = figures["results"].get(name)
        if found is None:
            return match[0]
        return f"{match[1]}{RENDER[name](found)}\n\n{origin(name, figures['started'], found['machine'])}\n{match[3]}"

    return BLOCK.sub(renewed, page)


def main(arguments: Sequence[str]) -> int:
    from _plot import PICTURES

    if len(arguments) != 1:
        sys.stderr.write((__doc__ or "").strip() + "\n")
        return 2
    figures = json.loads(Path(arguments[0]).read_text("utf-8"))
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text("utf-8")
        after = fill(before, figures)
        if after != before:
            path.write_text(after, "utf-8", newline="\n")
            sys.stderr.write(f"{path.name} renewed\n")
    for name, draw in PICTURES.items():
        if figures["results"].get(name) is not None:
            (DOCS / f"{name}.svg").write_text(draw(figures["results"][name]), "utf-8", newline="\n")
            sys.stderr.write(f"{name}.svg drawn\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
