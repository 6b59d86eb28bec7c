"""The run manifest (S21): who built a day, where, from which code. It stands beside the compared root, not under it."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
from pathlib import Path

from lumen_workers.domain.clock import iso
from lumen_workers.engine.declare import StageWork


def run_manifest(work: StageWork, fingerprint: str) -> bytes:
    """Canonical JSON of one run."""
    ctx, run, seal = work.ctx, work.run, work.seal
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
        "inputs": {"seal": seal.digest(), "watermark": dict(sorted(seal.watermark.items()))},
        "outputs": {"root": work.outputs["freeze"]["root"], "snapshot": work.outputs["freeze"]["snapshot"]},
        "key_fingerprint": fingerprint,
    }
    return (json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _git(*words: str) -> str | None:
    """What git says of the checkout that this code runs from; None where there is no git or no checkout."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
