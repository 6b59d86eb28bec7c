"""Verify a snapshot from itself alone: never from the store, the workspace or anything that is not pinned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tarfile import TarInfo

from lumen_workers.archive import bundle, layout
from lumen_workers.archive.faults import Fault, Reason, Verification, printable
from lumen_workers.archive.layout import MANIFEST, RUNS, SEAL, SIGNATURES, SUMS, FileEntry
from lumen_workers.archive.manifest import MAX_MANIFEST_BYTES, Manifest, Tar, UnknownVersion, files_root, parse_manifest
from lumen_workers.archive.sums import parse_sums
from lumen_workers.archive.walk import Kind, Tree
from lumen_workers.trust import canonical, signatures
from lumen_workers.trust.signatures import Pinned, SignatureState

_SIGNATURE_FAULTS = {
    SignatureState.MALFORMED: Reason.SIGNATURE_MALFORMED,
    SignatureState.KEY_MISMATCH: Reason.SIGNER_KEY_MISMATCH,
    SignatureState.INVALID: Reason.SIGNATURE_INVALID,
}
_KIND_FAULTS: dict[Kind | None, Reason] = {
    Kind.SYMLINK: Reason.SYMLINK,
    Kind.SPECIAL: Reason.NOT_A_FILE,
    Kind.UNREADABLE: Reason.FILE_UNREADABLE,
}
_BUNDLE_FAULTS = {
    bundle.Truncated: Reason.BUNDLE_TRUNCATED,
    bundle.Corrupt: Reason.BUNDLE_CORRUPT,
    bundle.TooLarge: Reason.BUNDLE_TOO_LARGE,
}
_MAX_SUMS_BYTES = 4 * 1024**2
_MAX_SEAL_BYTES = 1024**2


def verify_snapshot(
    folder: Path,
    *,
    pinned: Mapping[str, Pinned],
    require: Sequence[str] = (),
    day: date | None = None,
    revision: int | None = None,
) -> Verification:
    """Check everything about the snapshot in ``folder`` and name every fault. Never raises for what lies there.

    ``pinned`` is region → fingerprint (or several), ``require`` the regions whose signature must be there (one valid
    signature is always needed); ``day`` and ``revision`` are what the snapshot must be of, if the caller knows.

    1. Walk the folder without following links: only plain files count.
    2. Read the manifest's bytes once. What is signed, parsed and compared below are these bytes.
    3. Every signature is over these bytes, by a key that is pinned for its region. The signature file
       chooses neither algorithm nor key. One by a region without a pin proves nothing: it counts for nothing beside
       a valid one, and is a fault where it is all there is, or where it is required.
    4. Parse strictly: known version, canonical form, lists that agree with each other and with the limits.
    5. Day and revision are those asked for.
    6. Recompute the Merkle root over the listed files.
    7. Every plain file has its listed size and SHA-256, and the frozen seal is the manifest's.
    8. Unpack the bundle as a stream, never beyond the listed size: plain members only, exactly the listed ones with
       their sizes and digests, and the tar's digest.
    9. ``SHA256SUMS.txt`` says the same of exactly the files that are there.
    10. Nothing else lies there, but signatures, evidence files and run manifests. (An evidence file has a verifier of
        its own. A run manifest tells of a region's run; it is no part of the evidence and not authenticated.)
    """
    return _Check(folder, pinned, require).run(day, revision)


class _Check:
    def __init__(self, folder: Path, pinned: Mapping[str, Pinned], require: Sequence[str]) -> None:
        self._tree = Tree(folder)
        self._pinned = pinned
        self._require = require
        self._faults: list[Fault] = []
        self._signed_by: list[str] = []
        self._unpinned: list[str] = []
        self._expected: set[str] = set()

    def run(self, day: date | None, revision: int | None) -> Verification:
        if not self._tree.exists:
            self._fault(".", Reason.SNAPSHOT_MISSING)
            return self._answer(None, None)
        if not self._tree.complete:
            self._fault(".", Reason.FILE_EXTRA, "more entries than any snapshot has")
            return self._answer(None, None)
        data = self._read(MANIFEST, MAX_MANIFEST_BYTES, Reason.MANIFEST_MALFORMED)
        self._check_signatures(data)
        manifest = self._parse(data) if data is not None else None
        if data is None or manifest is None:
            return self._answer(None, None)
        if day not in (None, manifest.day) or revision not in (None, manifest.revision):
            self._fault(MANIFEST, Reason.DAY_MISMATCH, f"it is of {manifest.day}, revision {manifest.revision}")
        root = files_root(manifest.files)
        if root != manifest.merkle_root:
            self._fault(MANIFEST, Reason.ROOT_MISMATCH, f"the files' root is {root}")
        if manifest.plain_copy:
            for entry in manifest.files:
                self._check_file(entry)
            self._check_seal(manifest)
        if manifest.tar:
            self._check_bundle(manifest.tar, manifest.files)
        self._check_sums(manifest, hashlib.sha256(data).hexdigest())
        self._check_extra()
        return self._answer(manifest, root)

    def _answer(self, manifest: Manifest | None, root: str | None) -> Verification:
        return Verification(
            day=manifest.day if manifest else None,
            revision=manifest.revision if manifest else None,
            root=root,
            faults=tuple(self._faults),
            signed_by=tuple(sorted(self._signed_by)),
            unpinned=tuple(sorted(self._unpinned)),
        )

    def _fault(self, path: str, reason: Reason, detail: str = "") -> None:
        self._faults.append(Fault(path=printable(path), reason=reason, detail=printable(detail)))

    def _there(self, path: str) -> bool:
        """Whether a plain file is there; names the fault otherwise."""
        self._expected.add(path)
        kind = self._tree.kinds.get(path)
        if kind is Kind.FILE:
            return True
        if kind is None and path not in self._tree.folders:
            self._fault(path, Reason.FILE_MISSING)
        else:
            self._fault(path, _KIND_FAULTS.get(kind, Reason.NOT_A_FILE))
        return False

    def _read(self, path: str, limit: int, too_large: Reason) -> bytes | None:
        """The bytes of a small file that must be there; names the fault and returns None otherwise."""
        if not self._there(path):
            return None
        try:
            with self._tree.open(path) as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            self._fault(path, Reason.FILE_UNREADABLE, str(error.strerror))
            return None
        if len(data) > limit:
            self._fault(path, too_large, f"more than {limit} bytes")
            return None
        return data

    def _check_signatures(self, manifest: bytes | None) -> None:
        regions = {layout.signer_of(path): path for path in sorted(self._tree.kinds)}
        for region, path in regions.items():
            if region is None:
                continue
            data = self._read(path, signatures.MAX_BYTES, Reason.SIGNATURE_MALFORMED)
            if data is None or manifest is None:
                continue
            state = signatures.verify(data, manifest, region=region, pinned=self._pinned.get(region))
            if state is SignatureState.VALID:
                self._signed_by.append(region)
            elif state is SignatureState.NOT_PINNED:
                self._unpinned.append(region)
            else:
                self._fault(path, _SIGNATURE_FAULTS[state])
        for region in self._unpinned:
            if region in self._require or not self._signed_by:
                self._fault(layout.signature_path(region), Reason.SIGNER_NOT_PINNED)
        for region in self._require:
            if region not in regions:
                self._fault(layout.signature_path(region), Reason.SIGNATURE_MISSING)
        if not self._require and not any(regions):
            self._fault(SIGNATURES, Reason.SIGNATURE_MISSING)

    def _parse(self, data: bytes) -> Manifest | None:
        try:
            return parse_manifest(data)
        except UnknownVersion as error:
            self._fault(MANIFEST, Reason.MANIFEST_VERSION_UNKNOWN, str(error))
        except ValueError as error:
            self._fault(MANIFEST, Reason.MANIFEST_MALFORMED, " ".join(str(error).split())[:300])
        return None

    def _check_file(self, entry: FileEntry) -> None:
        if not self._there(entry.path):
            return
        try:
            with self._tree.open(entry.path) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size != entry.size:
                    self._fault(entry.path, Reason.SIZE_MISMATCH, f"{size} bytes, not {entry.size}")
                elif hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
                    self._fault(entry.path, Reason.DIGEST_MISMATCH)
        except OSError as error:
            self._fault(entry.path, Reason.FILE_UNREADABLE, str(error.strerror))

    def _check_seal(self, manifest: Manifest) -> None:
        """A day that freezes its seal freezes the one it was built from."""
        if SEAL not in manifest.hash.values or any(fault.path == SEAL for fault in self._faults):
            return
        data = self._read(SEAL, _MAX_SEAL_BYTES, Reason.SEAL_MISMATCH)
        try:
            same = data is None or canonical.loads(data) == manifest.seal
        except ValueError:
            same = False
        if not same:
            self._fault(SEAL, Reason.SEAL_MISMATCH)

    def _check_bundle(self, tar: Tar, files: Sequence[FileEntry]) -> None:
        if not self._there(tar.name):
            return
        missing = {entry.path: entry for entry in files}
        try:
            with self._tree.open(tar.name) as stream:
                reader = bundle.TarReader(stream, tar.compression, tar.size)
                for info in reader.members():
                    self._check_member(tar.name, info, missing.pop(info.name, None), reader)
        except bundle.BundleError as error:
            self._fault(tar.name, _BUNDLE_FAULTS[type(error)], str(error))
            return
        except OSError as error:
            self._fault(tar.name, Reason.FILE_UNREADABLE, str(error.strerror))
            return
        for path in missing:
            self._fault(f"{tar.name}:{path}", Reason.BUNDLE_MEMBER_MISSING)
        if reader.digest() != tar.sha256:
            self._fault(tar.name, Reason.BUNDLE_DIGEST_MISMATCH)

    def _check_member(self, name: str, info: TarInfo, entry: FileEntry | None, reader: bundle.TarReader) -> None:
        path = f"{name}:{info.name}"
        if not info.isreg() or info.name.startswith("/") or ".." in info.name.split("/"):
            self._fault(path, Reason.BUNDLE_MEMBER_UNSAFE)
        elif entry is None:
            self._fault(path, Reason.BUNDLE_MEMBER_EXTRA)
        else:
            digest = hashlib.sha256()
            for piece in reader.content():
                digest.update(piece)
            if info.size != entry.size or digest.hexdigest() != entry.sha256:
                self._fault(path, Reason.BUNDLE_MEMBER_MISMATCH)

    def _check_sums(self, manifest: Manifest, manifest_sha256: str) -> None:
        data = self._read(SUMS, _MAX_SUMS_BYTES, Reason.SUMS_MALFORMED)
        if data is None:
            return
        try:
            said = parse_sums(data)
        except ValueError as error:
            self._fault(SUMS, Reason.SUMS_MALFORMED, str(error))
            return
        actual = {MANIFEST: manifest_sha256}
        if manifest.plain_copy:
            actual |= manifest.hash.values
        if manifest.tar:
            actual[manifest.tar.name] = self._digest(manifest.tar.name)
        for path in sorted(said.keys() | actual.keys()):
            if said.get(path) != actual.get(path):
                self._fault(f"{SUMS}:{path}", Reason.SUMS_MISMATCH)

    def _digest(self, path: str) -> str:
        try:
            with self._tree.open(path) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return ""  # it is missing or no plain file, which has been named

    def _check_extra(self) -> None:
        for path, kind in sorted(self._tree.kinds.items()):
            if path in self._expected or (path in (SIGNATURES, RUNS) and kind is Kind.EMPTY_FOLDER):
                continue
            if kind in _KIND_FAULTS:
                self._fault(path, _KIND_FAULTS[kind])
            elif kind is Kind.EMPTY_FOLDER or not (layout.is_run_file(path) or layout.attestor_of(path)):
                self._fault(path, Reason.FILE_EXTRA)
