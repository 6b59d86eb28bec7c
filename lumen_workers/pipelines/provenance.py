"""Where a day comes from (S21): the run manifest, and what a region attests. Both stand beside the compared root."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from lumen_workers.archive.layout import FILES, MANIFEST, FileEntry, report_path
from lumen_workers.archive.manifest import Manifest, parse_manifest
from lumen_workers.domain.clock import iso
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import StageWork
from lumen_workers.trust.audit.attested import AUDIT
from lumen_workers.trust.evidence.plain import digest_of
from lumen_workers.trust.statement import Material, Statement

BUILD_TYPE: Final = "lumen/daily-report@v1"
_SHA256_DIGITS: Final = 64


def run_manifest(work: StageWork, folder: Path, fingerprint: str) -> bytes:
    """JSON of one run, which built the snapshot in ``folder`` and signs with the key of ``fingerprint``."""
    ctx, run, seal = work.ctx, work.run, work.seal
    manifest = parse_manifest((folder / MANIFEST).read_bytes())
    data = {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "day": run.day.isoformat(),
        "revision": run.revision,
        "region": run.region,
        "executed_by": ctx.region,
        "attempt": run.attempt,
        "runner": ctx.holder,
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "code_version": ctx.code_version,
        "config_digest": ctx.config_digest,
        "git": {"sha": _git("rev-parse", "HEAD"), "branch": _git("rev-parse", "--abbrev-ref", "HEAD")},
        "trace_id": run.trace_id,
        "time_utc": iso(ctx.store.now()),
        "inputs": {
            "seal": seal.digest(),
            "watermark": dict(sorted(seal.watermark.items())),
            "materials": [material.as_json() for material in inputs_of(work, manifest)],
        },
        "outputs": {
            "root": work.outputs["freeze"]["root"],
            "snapshot": work.outputs["freeze"]["snapshot"],
            "files": [material.as_json() for material in outputs_of(folder, manifest)],
        },
        "key_fingerprint": fingerprint,
    }
    return (json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def statement_of(work: StageWork, folder: Path, identity: str) -> Statement:
    """What the region attests of the snapshot in ``folder``: manifest, bundle and report, and what they are made of."""
    ctx, run, seal = work.ctx, work.run, work.seal
    manifest = parse_manifest((folder / MANIFEST).read_bytes())
    return Statement(
        subjects=outputs_of(folder, manifest),
        build_type=BUILD_TYPE,
        external={"pipeline": run.pipeline, "day": seal.day.isoformat(), "revision": seal.revision},
        internal={
            "region": ctx.region,
            "trace_id": run.trace_id,
            "code_version": ctx.code_version,
            "config_digest": ctx.config_digest,
            "git": _git("rev-parse", "HEAD"),
        },
        materials=inputs_of(work, manifest),
        builder=identity,
        version=version("lumen-workers"),
        invocation=run.run_id,
        started=iso(run.started or run.queued_at),
        finished=iso(ctx.store.now()),
    )


def outputs_of(folder: Path, manifest: Manifest) -> list[Material]:
    """Manifest, bundle and report of the snapshot in ``folder``."""
    report = f"{FILES}/{report_path(manifest.day, 'pdf')}"
    names = [MANIFEST, *([manifest.tar.name] if manifest.tar else []), *([report] if manifest.plain_copy else [])]
    return [Material(name=name, sha256=digest_of(folder, name)) for name in names]


def code_of(ctx: Context) -> list[Material]:
    """The code that this process runs, where its digest is known."""
    known = len(ctx.code_version) == _SHA256_DIGITS
    return [Material(name="lumen-workers", sha256=ctx.code_version)] if known else []


def inputs_of(work: StageWork, manifest: Manifest) -> list[Material]:
    """What the day is made of: its exported rows, seal, configuration, code, the day before, the audit log's heads."""
    return [*_exported(manifest.files), *_sources(work)]


def _exported(files: Sequence[FileEntry]) -> list[Material]:
    """The day's exported rows; what the day makes of them, the report and the seal, is none."""
    inputs = f"{FILES}/loops/"
    return [Material(name=entry.path, sha256=entry.sha256) for entry in files if entry.path.startswith(inputs)]


def _sources(work: StageWork) -> list[Material]:
    """Seal, configuration, code, the day before, and the heads of the audit log's chains as they are now."""
    ctx, seal = work.ctx, work.seal
    found = [Material(name="seal", sha256=seal.digest()), Material(name="configuration", sha256=ctx.config_digest)]
    found += code_of(ctx)
    if seal.prev_digest is not None:
        found.append(Material(name="previous-day", sha256=seal.prev_digest))
    heads = sorted(ctx.store.audit.chains().items())
    found += [Material(name=f"{AUDIT}{chain}", sha256=head, annotations={"seq": seq}) for chain, (seq, head) in heads]
    return found


def _git(*words: str) -> str | None:
    """What git says of the checkout that this code runs from; None where there is no git or no checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
