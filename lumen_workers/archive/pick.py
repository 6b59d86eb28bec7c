"""Takes one file out of a snapshot, whether it has a plain copy or a bundle only."""

from __future__ import annotations

from pathlib import Path

from lumen_workers.archive import bundle
from lumen_workers.archive.layout import BUNDLES, FILES, MAX_BYTES
from lumen_workers.domain.errors import NotFound


def pick(snapshot: Path, relative: Path, target: Path) -> Path:
    """The file ``relative`` (below ``files/``) of a fetched snapshot; one from the bundle is written to ``target``.

    Nothing is verified here. Raises NotFound, BundleError, OSError.
    """
    plain = snapshot / FILES / relative
    if plain.is_file() and not plain.is_symlink():
        return plain
    for compression, name in BUNDLES.items():
        if not (snapshot / name).is_file():
            continue
        with (snapshot / name).open("rb") as file:
            reader = bundle.TarReader(file, compression, MAX_BYTES)
            for member in reader.members():
                if member.name == f"{FILES}/{relative.as_posix()}":
                    with target.open("wb") as out:
                        out.writelines(reader.content())
                    return target
    raise NotFound(f"the snapshot {snapshot.name} has no {relative}")
