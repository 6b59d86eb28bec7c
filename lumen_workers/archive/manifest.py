"""``snapshot.manifest.json``: what was frozen, from which seal. Its bytes follow from the seal and the files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lumen_workers.archive.bundle import tar_size
from lumen_workers.archive.layout import BUNDLES, MAX_BYTES, MAX_FILES, FileEntry, Sha256
from lumen_workers.domain.runs import Seal
from lumen_workers.trust import canonical, merkle

SCHEMA_VERSION: Final = 1
MAX_MANIFEST_BYTES: Final = 16 * 1024**2
MAX_PARTS: Final = 100_000
"""Braces, brackets and commas, counted before they are parsed: 16 MiB of small values would take half a gigabyte.
That of MAX_FILES files has half as many."""

_STRICT: Final = ConfigDict(extra="forbid", strict=True, frozen=True)


class UnknownVersion(ValueError):
    """The manifest is of a schema version that this code does not know."""


class Digests(BaseModel):
    """S15's ``hash``: path → digest, the same as in ``files``."""

    model_config = _STRICT

    algo: Literal["sha256"]
    values: dict[str, Sha256]


class Tar(BaseModel):
    """The bundle: SHA-256 and size in bytes of the tar *before* compression, which depends on the library's build."""

    model_config = _STRICT

    compression: Literal["gz", "xz"]
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]

    @property
    def name(self) -> str:
        """The bundle's name in the snapshot."""
        return BUNDLES[self.compression]


class Manifest(BaseModel):
    """S15's keys and ours. ``tar`` is None without a bundle; ``plain_copy`` says whether ``files/`` is there."""

    model_config = _STRICT

    schema_version: Literal[1]
    label: str
    created_at: str
    sources: list[str]
    highlights: list[Any]
    hash: Digests
    seal: dict[str, Any]
    merkle_root: Sha256
    files: Annotated[list[FileEntry], Field(min_length=1, max_length=MAX_FILES)]
    plain_copy: bool
    tar: Tar | None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if any(a.path >= b.path for a, b in pairwise(self.files)):
            raise ValueError("files are not sorted, or one is named twice")
        if sum(entry.size for entry in self.files) > MAX_BYTES:
            raise ValueError("files are too large together")
        if self.hash.values != {entry.path: entry.sha256 for entry in self.files}:
            raise ValueError("hash.values and files differ")
        if self.tar is None and not self.plain_copy:
            raise ValueError("neither a bundle nor plain files")
        if self.tar is not None and self.tar.size != tar_size(entry.size for entry in self.files):
            raise ValueError("tar.size does not follow from files")
        if not isinstance(self.seal.get("pipeline"), str) or self.seal.get("sealed_at") != self.created_at:
            raise ValueError("seal lacks its pipeline, or created_at is not its sealed_at")
        if type(self.seal.get("revision")) is not int or self.seal["revision"] < 1:
            raise ValueError("seal.revision is not a number from 1")
        if (
            not isinstance(self.seal.get("day"), str)
            or date.fromisoformat(self.seal["day"]).isoformat() != (self.seal["day"])
        ):
            raise ValueError("seal.day is not YYYY-MM-DD")
        return self

    @property
    def day(self) -> date:
        """The sealed day."""
        return date.fromisoformat(self.seal["day"])

    @property
    def revision(self) -> int:
        """The sealed revision, from 1."""
        return int(self.seal["revision"])

    def dump(self) -> bytes:
        """The file's bytes: canonical JSON and a newline."""
        return canonical.dumps(self.model_dump()) + b"\n"


def files_root(files: Sequence[FileEntry]) -> str:
    """Merkle root over the files, in the order of their paths, as hex: the day's compared digest."""
    return merkle.root(entry.leaf() for entry in sorted(files, key=lambda entry: entry.path)).hex()


def make_manifest(
    seal: Seal,
    files: Sequence[FileEntry],
    *,
    label: str,
    sources: Sequence[str],
    highlights: Sequence[Any],
    plain_copy: bool,
    tar: Tar | None,
) -> Manifest:
    """The manifest of sorted ``files``. Raises ValueError for what is not JSON or does not agree."""
    sealed = seal.as_json()
    return Manifest(
        schema_version=SCHEMA_VERSION,
        label=label,
        created_at=sealed["sealed_at"],
        sources=list(sources),
        highlights=list(highlights),
        hash=Digests(algo="sha256", values={entry.path: entry.sha256 for entry in files}),
        seal=sealed,
        merkle_root=files_root(files),
        files=list(files),
        plain_copy=plain_copy,
        tar=tar,
    )


def parse_manifest(data: bytes) -> Manifest:
    """Read manifest bytes that may be hostile. Raises ValueError for anything but what ``dump`` writes."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise ValueError("the manifest is too large")
    if sum(map(data.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise ValueError("the manifest has too many parts")
    value = canonical.loads(data)
    version = value.get("schema_version") if isinstance(value, dict) else None
    if type(version) is int and version != SCHEMA_VERSION:
        raise UnknownVersion(f"schema version {version} is not {SCHEMA_VERSION}")
    manifest = Manifest.model_validate(value)
    if manifest.dump() != data:
        raise ValueError("the manifest is not in canonical form")
    return manifest
