"""A day's folder as its evidence sees it: what the attested manifest lists is there, and nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from lumen_workers.archive import layout
from lumen_workers.archive.faults import printable
from lumen_workers.archive.layout import FILES, MANIFEST, SUMS, parse_snapshot_name
from lumen_workers.archive.manifest import MAX_MANIFEST_BYTES, Manifest, files_root, parse_manifest
from lumen_workers.archive.walk import Kind, Tree
from lumen_workers.domain.errors import UsageError
from lumen_workers.trust.evidence.form import MAX_BYTES
from lumen_workers.trust.evidence.plain import read_plain
from lumen_workers.trust.evidence.policy import DEFAULT, VerifyPolicy
from lumen_workers.trust.evidence.question import Fails, LogView, Question
from lumen_workers.trust.evidence.report import EvidenceReport
from lumen_workers.trust.evidence.verify import verify_evidence
from lumen_workers.trust.pki.trust_file import TrustFile
from lumen_workers.trust.statement import Said


def evidence_in(folder: Path) -> list[str]:
    """Names of the evidence files in a day's folder, sorted."""
    return sorted(item.name for item in folder.iterdir() if layout.attestor_of(item.name))


def read_evidence(path: Path) -> bytes | None:
    """An evidence file's bytes, a little more than it may have at most; None where there is no plain file."""
    try:
        return read_plain(path.parent, path.name, MAX_BYTES)
    except OSError:
        return None


def all_evidence(root: Path) -> Iterator[tuple[str, bytes | None]]:
    """Every evidence file of the days' folders below ``root``, by day: its path as seen from there, and its bytes.

    None: it cannot be read. Nothing where there is no such folder.
    """
    names = sorted(item.name for item in root.iterdir()) if root.is_dir() else []
    for name in names:
        try:
            parse_snapshot_name(name)
            found = evidence_in(root / name)
        except (UsageError, NotADirectoryError):
            continue  # something of somebody else's
        for item in found:
            yield f"{name}/{item}", read_evidence(root / name / item)


def verify_day(
    folder: Path,
    region: str,
    *,
    roots: tuple[str, ...],
    now: datetime,
    day: date | None = None,
    policy: VerifyPolicy = DEFAULT,
    trust_file: TrustFile | None = None,
    at_hand: bool = False,
    crl: bytes | None = None,
    log: LogView | None = None,
) -> EvidenceReport:
    """Verify the evidence that ``region`` has left in a day's folder, with the folder itself."""
    question = Question(
        roots=roots,
        now=now,
        folder=folder,
        whole=True,
        day=day,
        policy=policy,
        trust_file=trust_file,
        at_hand=at_hand,
        crl=crl,
        log=log,
        snapshot=check_folder,
    )
    return verify_evidence(read_evidence(folder / layout.evidence_path(region)), question)


def check_folder(folder: Path, said: Said) -> str:
    """A ``SnapshotCheck``: the folder of a manifest that the evidence has named. Returns the Merkle root."""
    try:
        data = read_plain(folder, MANIFEST, MAX_MANIFEST_BYTES)
        if hashlib.sha256(data).hexdigest() != said.subjects[MANIFEST]:  # changed since its digest was looked at
            raise ValueError("it is not what was attested")
        manifest = parse_manifest(data)
    except (OSError, ValueError) as error:
        raise Fails("manifest_malformed", str(error).splitlines()[0][:200]) from None
    named = (manifest.day.isoformat(), manifest.revision)
    if (said.external.get("day"), said.external.get("revision")) != named:
        raise Fails("day_mismatch", f"the manifest is of {named[0]}, revision {named[1]}")
    root = files_root(manifest.files)
    if root != manifest.merkle_root:
        raise Fails("merkle_root_mismatch", f"the files' root is {root}")
    _check_files(Tree(folder), manifest)
    return root


def _check_files(tree: Tree, manifest: Manifest) -> None:
    listed = {item.path: item for item in manifest.files} if manifest.plain_copy else {}
    for path, file in listed.items():
        kind = tree.kinds.get(path)
        if kind is None and path not in tree.folders:
            raise Fails("file_missing", printable(path))
        if kind is not Kind.FILE:
            raise Fails("file_not_plain", printable(path))
        try:
            with tree.open(path) as stream:
                # A file of another size, perhaps a sparse one of terabytes, is not read.
                same = os.fstat(stream.fileno()).st_size == file.size
                digest = hashlib.file_digest(stream, "sha256").hexdigest() if same else ""
        except OSError:
            raise Fails("file_not_plain", printable(path)) from None
        if digest != file.sha256:
            raise Fails("file_digest_mismatch", printable(path))
    allowed = {MANIFEST, SUMS, *((manifest.tar.name,) if manifest.tar else ())}
    for path, kind in sorted(tree.kinds.items()):
        side = layout.is_run_file(path) or layout.signer_of(path) or layout.attestor_of(path)
        if path in listed or (kind is Kind.FILE and (path in allowed or side)):
            continue
        if path in (layout.SIGNATURES, layout.RUNS, FILES) and kind is Kind.EMPTY_FOLDER:
            continue
        raise Fails("file_extra", printable(path))
    if not tree.complete:
        raise Fails("file_extra", "more entries than any snapshot has")
