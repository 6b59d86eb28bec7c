"""The day: build → pdf → freeze → sign → attest → verify. What each stage builds depends on the seal only."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.archive.evidence import verify_day
from lumen_workers.archive.forms import export_loop
from lumen_workers.archive.freeze import freeze
from lumen_workers.archive.layout import (
    FILES,
    MANIFEST,
    evidence_path,
    report_path,
    run_path,
    signature_path,
    snapshot_name,
)
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.domain.errors import BuildError, CheckFailed, LogRefused
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import DAILY
from lumen_workers.domain.runs import Seal
from lumen_workers.engine.declare import Outputs, Pipeline, Stage, StageWork
from lumen_workers.pipelines.index import write_index
from lumen_workers.pipelines.provenance import run_manifest, statement_of
from lumen_workers.reports import collect, render_markdown, render_pdf
from lumen_workers.trust import signatures

SNAPSHOT = "snapshot"


def name_of(seal: Seal) -> str:
    """The snapshot's folder in the archive."""
    return snapshot_name(seal.day, seal.revision)


def build(work: StageWork) -> Outputs:
    """The SPEC file forms of every loop, the seal and the report in Markdown."""
    seal, files = work.seal, work.folder / FILES
    rows = {
        loop: export_loop(work.ctx.store, loop, files / "loops" / loop, start=seal.start, end=seal.cutoff, upto=upto)
        for loop, upto in sorted(seal.watermark.items())
    }
    report = collect(work.ctx.store, seal)
    markdown = files / report_path(seal.day, "md")
    markdown.parent.mkdir(parents=True, exist_ok=True)
    markdown.write_text(render_markdown(report), encoding="utf-8", newline="\n")
    seal_text = json.dumps(seal.as_json(), sort_keys=True, indent=2, ensure_ascii=False)
    (files / "controls" / "seal.json").write_text(seal_text + "\n", encoding="utf-8", newline="\n")
    return {"rows": rows, "highlights": [quote.quote for quote in report.highlights]}


def pdf(work: StageWork) -> Outputs:
    """The same report as PDF."""
    target = work.folder / report_path(work.seal.day, "pdf").name
    render_pdf(collect(work.ctx.store, work.seal), target)
    return {"bytes": target.stat().st_size}


def freeze_day(work: StageWork) -> Outputs:
    """The snapshot, published to the archive. A folder that is there already must have the same root."""
    seal, ctx = work.seal, work.ctx
    files = work.folder / FILES
    shutil.copytree(work.published["build"] / FILES, files, copy_function=os.link)
    report = report_path(seal.day, "pdf")
    os.link(work.published["pdf"] / report.name, files / report)
    snapshot = freeze(
        files,
        work.folder / SNAPSHOT,
        seal=seal,
        label=ctx.archive_label,
        sources=sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()),
        highlights=work.outputs["build"]["highlights"],
        options=ctx.archive_options,
    )
    published = ctx.remote.publish(name_of(seal), work.folder / SNAPSHOT)
    if not published:
        _check_same(work, (work.folder / SNAPSHOT / MANIFEST).read_bytes())
    return {"root": snapshot.root, "snapshot": name_of(seal), "published": published}


def _check_same(work: StageWork, manifest: bytes) -> None:
    """Another region published first: what it published must be what was built here, byte for byte."""
    with tempfile.TemporaryDirectory(dir=work.folder) as scratch:
        archived = work.ctx.remote.fetch(name_of(work.seal), Path(scratch) / "archived") / MANIFEST
        if not archived.is_file() or archived.read_bytes() != manifest:
            raise BuildError(
                f"the archive holds another {name_of(work.seal)} than was built here from seal "
                f"{work.seal.digest()[:16]}…; compare the two with `lumen archive verify {name_of(work.seal)}`"
            )


def sign(work: StageWork) -> Outputs:
    """This region's signature over the manifest, and its run manifest, beside the snapshot."""
    ctx, name = work.ctx, name_of(work.seal)
    signer = ctx.signer()
    folder = work.published["freeze"] / SNAPSHOT
    manifest = (folder / MANIFEST).read_bytes()
    home, standing = ctx.attestor().trust()
    signature = signatures.sign_bytes(
        manifest,
        signer,
        region=ctx.region,
        certificate_pem=standing.certificate.public_bytes(Encoding.PEM).decode(),
        root_fingerprint=home.root_fingerprint,
    )
    ctx.remote.attach(name, signature_path(ctx.region), signature)
    ctx.remote.attach(name, run_path(work.run.run_id), run_manifest(work, folder, signer.fingerprint))
    return {"fingerprint": signer.fingerprint}


def attest(work: StageWork) -> Outputs:
    """This region's evidence beside the snapshot: one file with all that a stranger needs to verify the day."""
    ctx, name = work.ctx, name_of(work.seal)
    attestor = ctx.attestor()
    with tempfile.TemporaryDirectory(dir=work.folder) as scratch:
        # Where another region published first, its bundle is the archive's: a compressor's output may differ.
        folder = work.published["freeze"] / SNAPSHOT
        if not work.outputs["freeze"]["published"]:
            folder = ctx.remote.fetch(name, Path(scratch) / "archived")
        statement = statement_of(work, folder, attestor.identity)
    try:
        # The same of the same day is logged once, whichever attempt it is.
        key = f"{name}/{ctx.region}/{statement.subjects_digest()[:16]}"
        made = attestor.attest(statement, key=key, trace_id=work.run.trace_id)
    except LogRefused as error:
        log = attestor.sequencer.origin
        ctx.store.notices.raise_alarm(
            f"log/{log}", "log_refuses", AlarmSeverity.PAGE, str(error), trace_id=work.run.trace_id
        )
        raise
    ctx.remote.attach(name, evidence_path(ctx.region), made.evidence)
    return {"log": made.origin, "index": made.index, "envelope": made.envelope_sha256, "by": made.root_fingerprint}


def verify(work: StageWork) -> Outputs:
    """From the archive's copy alone, never the workspace. Raises CheckFailed with the faults."""
    seal, ctx = work.seal, work.ctx
    with tempfile.TemporaryDirectory(dir=work.folder) as scratch:
        folder = ctx.remote.fetch(name_of(seal), Path(scratch) / "snapshot")
        verification = verify_snapshot(
            folder, pinned=ctx.pins(), require=(ctx.region,), day=seal.day, revision=seal.revision
        )
        log = ctx.attestor().sequencer.folder
        evidence = verify_day(folder, ctx.region, roots=ctx.roots(), now=ctx.store.now(), day=seal.day, log=log)
    faults = [f"{fault.path}: {fault.reason}" for fault in verification.faults]
    if not evidence.ok:
        faults.append(f"{evidence_path(ctx.region)}: {evidence.reason}")
    if verification.root != work.outputs["freeze"]["root"]:
        faults.append(f"root {verification.root} is not the one that was built")
    if faults:
        raise CheckFailed(f"{name_of(seal)} in the archive: " + "; ".join(faults[:5]))
    return {"verified": verification.root, "verdict": evidence.verdict.value}


DAILY_PIPELINE = Pipeline(
    name=DAILY,
    stages=(
        Stage(name="build", run=build, limit_s=1200),
        Stage(name="pdf", run=pdf, needs=("build",), limit_s=600),
        Stage(name="freeze", run=freeze_day, needs=("build", "pdf"), limit_s=1200),
        Stage(name="sign", run=sign, needs=("freeze",), limit_s=120),
        Stage(name="attest", run=attest, needs=("freeze",), limit_s=300),
        Stage(name="verify", run=verify, needs=("freeze", "sign", "attest"), limit_s=1200),
    ),
    elected=write_index,
)
