"""`lumen audit verify|list|export`: the hash-chained log of what people and workers have done."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, progress, table

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.trust.audit.faults import AttestedHead, AuditFault, AuditReport

app = typer.Typer(help="The audit log.", no_args_is_help=True)

FILE: Final = "controls/provenance/audit.log.jsonl"
"""Where S21 has it, below the home."""


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option("--file", help="An exported audit.log.jsonl instead of the store.", dir_okay=False)
    ] = None,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Do not look for the heads that the days' evidence names.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find every line that was edited, removed, put in or moved, and what contradicts the days' evidence."""
    from dataclasses import replace

    from lumen_workers import config
    from lumen_workers.domain.errors import CheckFailed

    settings = config.load()
    heads, refused, foreign = ([], [], 0) if no_archive else _attested(settings)
    known = (*settings.regions, *settings.lumen.peers)
    if file is not None:
        from lumen_workers.trust.audit.file import verify_file

        report = verify_file(file, heads, known=known, progress=_told)
    else:
        from lumen_workers.engine.audit import verify_store

        with opened.store() as (_, store):
            report = verify_store(store.audit, heads, known=known, progress=_told)
    report = replace(report, refused=tuple(refused), foreign=foreign)
    echo_json(report.as_json()) if as_json else _show(report, archived=not no_archive)
    if not report.ok:
        first = report.faults[0]
        where = f"{first.chain} line {first.seq}" if first.seq is not None else first.chain or first.detail
        more = f", and {report.count - 1} more" if report.count > 1 else ""
        raise CheckFailed(f"the audit log does not hold: {where}: {first.reason}{more}")


@app.command("list")
def list_(
    trace: Annotated[str | None, typer.Option("--trace", help="Only what belongs to this trace id.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only what was done to this.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """What was done, by whom, oldest first. Nothing is verified here."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        rows = store.audit.rows(trace_id=trace, subject=subject, limit=limit)
    if as_json:
        echo_json(
            [
                {
                    "ts_utc": iso(row.ts),
                    "actor": row.actor,
                    "pipeline": row.pipeline,
                    "region": row.region,
                    "trace_id": row.trace_id,
                    "event": row.event,
                    "detail": dict(row.detail),
                    "chain": row.chain,
                    "seq": row.seq,
                    "subject": row.subject,
                    "prev": row.prev,
                    "hash": row.hash,
                }
                for row in rows
            ]
        )
        return
    table(
        ("when", "line", "by", "event", "of", "trace"),
        ((r.ts, f"{r.chain}/{r.seq}", r.actor, r.event, r.subject, r.trace_id) for r in rows),
        "The audit log has no such line.",
    )


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"{FILE} in the home, unless given.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the whole log as audit.log.jsonl, in one step; `lumen audit verify --file` needs nothing else."""
    from lumen_workers.engine.audit import export_audit

    with opened.store() as (settings, store):
        path = output or settings.home / FILE
        counts = export_audit(store.audit, path)
    if as_json:
        echo_json({"file": str(path), "rows": sum(counts.values()), "chains": counts})
    else:
        typer.echo(f"{path}: {_many(sum(counts.values()), 'line')} of {_many(len(counts), 'chain')}")


def _attested(settings: Settings) -> tuple[list[AttestedHead], list[AuditFault], int]:
    """What the archive's evidence says, under the roots that count here."""
    from lumen_workers import bootstrap
    from lumen_workers.archive.evidence import all_evidence
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.engine.attesting import trust_home
    from lumen_workers.trust.audit.attested import read_heads, signed_heads

    home = trust_home(settings.home)
    try:
        trust_file = home.trust_file() if home.exists else None
    except UsageError:
        trust_file = None
    reader = signed_heads(bootstrap.roots_of(settings), datetime.now(UTC), trust_file)
    return read_heads(all_evidence(settings.archive_root), reader)


def _show(report: AuditReport, *, archived: bool) -> None:
    table(
        ("chain", "lines", "last", "its hash", "attested up to", "by"),
        (
            (c.chain, c.rows, c.seq, c.sha256[:16], c.attested and c.attested.seq, c.attested and c.attested.source)
            for c in report.chains
        ),
        "The audit log is empty.",
    )
    if report.faults:
        sys.stdout.write("\n")
        table(("chain", "line", "reason", "detail"), ((f.chain, f.seq, f.reason, f.detail) for f in report.faults), "")
        if more := report.count - len(report.faults):
            typer.echo(f"and {more} more")
    if archived:
        typer.echo(f"{_many(report.heads, 'head')} named by the days' evidence")
    if report.foreign:
        typer.echo(f"{_many(report.foreign, 'evidence file')} of roots that are not pinned here: not counted")
    if report.ok and report.chains:
        typer.echo(f"{_many(report.rows, 'line')} in {_many(len(report.chains), 'chain')}: all hold")


def _told(rows: int) -> None:
    progress(f"{rows:,} lines")


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
