"""Where things lie in a snapshot, and which names may occur in one."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import REGION_RE
from lumen_workers.trust import merkle

MANIFEST: Final = "snapshot.manifest.json"
SUMS: Final = "SHA256SUMS.txt"
FILES: Final = "files"
SEAL: Final = "files/controls/seal.json"
SIGNATURES: Final = "signatures"
RUNS: Final = "runs"
EVIDENCE_SUFFIX: Final = ".lumen.json"
BUNDLES: Final = {"gz": "bundle.tar.gz", "xz": "bundle.tar.xz"}

MAX_FILES: Final = 10_000
MAX_BYTES: Final = 4 * 1024**3
"""Of all files together."""

_NAME_RE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.r([1-9][0-9]{0,5}))?")
_RUN_RE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,120}")


def snapshot_name(day: date, revision: int) -> str:
    """The folder's name: ``YYYY-MM-DD`` for revision 1, ``YYYY-MM-DD.r<n>`` for later ones."""
    if revision < 1:
        raise ValueError("revisions count from 1")
    return day.isoformat() + ("" if revision == 1 else f".r{revision}")


def parse_snapshot_name(name: str) -> tuple[date, int]:
    """Day and revision of a folder's name. Raises UsageError."""
    match = _NAME_RE.fullmatch(name)
    try:
        if match and match[2] != "1":
            return date.fromisoformat(match[1]), int(match[2] or 1)
    except ValueError:
        pass
    raise UsageError(f"{name!r} is not a snapshot: use YYYY-MM-DD, or YYYY-MM-DD.r2 for a later revision")


def report_path(day: date | str, suffix: str) -> Path:
    """The report's place in a snapshot's files."""
    return Path("controls/reports") / f"report_{day}.{suffix}"


def signature_path(region: str) -> str:
    """Side file of a region's signature over the manifest."""
    return f"{SIGNATURES}/{region}.sig"


def run_path(run_id: str) -> str:
    """Side file of a run's manifest (S21)."""
    return f"{RUNS}/{run_id}.json"


def signer_of(path: str) -> str | None:
    """The region whose signature file ``path`` is; None for any other path."""
    folder, _, name = path.partition("/")
    region = name.removesuffix(".sig")
    return region if folder == SIGNATURES and region != name and REGION_RE.fullmatch(region) else None


def is_run_file(path: str) -> bool:
    """Whether ``path`` names a run manifest."""
    folder, _, name = path.partition("/")
    return folder == RUNS and name.endswith(".json") and _RUN_RE.fullmatch(name.removesuffix(".json")) is not None


def evidence_path(region: str) -> str:
    """Side file of a region's evidence: the attestation with all that is needed to verify it."""
    return f"{region}{EVIDENCE_SUFFIX}"


def attestor_of(path: str) -> str | None:
    """The region whose evidence file ``path`` is; None for any other path."""
    region = path.removesuffix(EVIDENCE_SUFFIX)
    return region if region != path and REGION_RE.fullmatch(region) else None


def check_file_path(path: str) -> str:
    """``path`` if it may name a frozen file, else ValueError.

    POSIX, below ``files/``, no empty, ``.`` or ``..`` part, no control character or backslash (the checksum file would
    have to escape them), and at most 255 bytes of UTF-8.
    """
    parts = path.split("/")
    if len(parts) < 2 or parts[0] != FILES or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} does not lie below {FILES}/")
    if not path.isprintable() or "\\" in path:
        raise ValueError(f"{path!r} has a character that a file's name may not have here")
    if len(path.encode()) > 255:
        raise ValueError(f"{path!r} is longer than 255 bytes")
    return path


Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class FileEntry(BaseModel):
    """A frozen file: POSIX path in the snapshot, size in bytes, SHA-256 as lower-case hex."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    path: Annotated[str, AfterValidator(check_file_path)]
    size: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    sha256: Sha256

    def leaf(self) -> bytes:
        """Its leaf hash in the day's tree."""
        return merkle.leaf_hash(merkle.file_leaf(self.path, self.size, self.sha256))
