"""The archive remote in a local (or mounted) directory."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lumen_workers.domain.errors import BuildError, EnvironmentFault, NotFound, UsageError
from lumen_workers.trust.files import sync_folder, write_once

_NAME_RE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STALE_S: Final = 24 * 3600


class LocalRemote:
    """A ``Remote``: one folder below ``root`` for each snapshot, named by one path component.

    What is being written has a hidden name (``.….tmp``) in ``root`` until one rename or link makes it appear whole and
    on disk. What a crash left behind goes with the first publish a day later.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def publish(self, name: str, folder: Path) -> bool:
        """Copy ``folder`` to ``name`` in one step. False: it is there already (nothing was written).

        Raises UsageError for a bad name, BuildError for a folder that is empty or holds anything but plain files and
        folders, EnvironmentFault where the machine does not let us.
        """
        place = self._place(name)
        with self._faults(f"publish {name}"):
            if self.exists(name):
                return False
            self._root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            temp = self._root / f".{name}.{secrets.token_hex(8)}.tmp"
            try:
                if not _copy_plain(folder, temp):
                    raise BuildError(f"{folder} is empty; there is nothing to publish")
                return self._reveal(temp, place)
            finally:
                shutil.rmtree(temp, ignore_errors=True)

    def attach(self, name: str, relative: str, data: bytes) -> bool:
        """Add the side file ``relative`` to a published folder, atomically. False: it is there already.

        Raises NotFound without the folder, UsageError for a bad name, EnvironmentFault.
        """
        place = self._published(name)
        parts = relative.split("/")
        if not all(_NAME_RE.fullmatch(part) for part in parts):
            raise UsageError(f"{relative!r} cannot be attached: use a relative path of plain names")
        with self._faults(f"attach {relative} to {name}"):
            for part in parts[:-1]:
                place /= part
                place.mkdir(exist_ok=True)
                if place.is_symlink():
                    raise EnvironmentFault(f"cannot attach {relative} to {name}: {place} is a link")
            return write_once(place / parts[-1], data, scratch=self._root)

    def fetch(self, name: str, target: Path) -> Path:
        """Copy the folder to ``target`` (which must not exist) and return it.

        Links are copied as links, never followed, so that a verifier can name them; devices and pipes are left out.
        Raises NotFound, UsageError where ``target`` exists, EnvironmentFault.
        """
        place = self._published(name)
        if os.path.lexists(target):
            raise UsageError(f"{target} exists already; fetch into a new folder")
        with self._faults(f"fetch {name}"):
            try:
                shutil.copytree(place, target, symlinks=True, ignore=_special, copy_function=_copy_file)
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise
        return target

    def exists(self, name: str) -> bool:
        """Whether the folder is published."""
        place = self._place(name)
        with self._faults(f"look for {name}"):
            return place.is_dir() and not place.is_symlink()

    def names(self) -> list[str]:
        """Published folders, sorted; none where there is no archive yet."""
        with self._faults("list the archive"):
            if not self._root.exists():
                return []
            with os.scandir(self._root) as items:
                return sorted(
                    item.name for item in items if _NAME_RE.fullmatch(item.name) and item.is_dir(follow_symlinks=False)
                )

    def note(self, name: str, data: bytes) -> None:
        """Write the file ``name`` beside the folders, whole; one that is there is replaced atomically.

        Raises UsageError for a bad name, EnvironmentFault.
        """
        place = self._place(name)
        temp = self._root / f".{name}.{secrets.token_hex(8)}.tmp"
        with self._faults(f"write {name}"):
            self._root.mkdir(parents=True, exist_ok=True)
            try:
                with temp.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temp.replace(place)
            finally:
                temp.unlink(missing_ok=True)
            sync_folder(self._root)

    def _place(self, name: str) -> Path:
        if not _NAME_RE.fullmatch(name):
            raise UsageError(f"{name!r} is not a snapshot's name: use letters, digits, '.', '_' and '-'")
        return self._root / name

    def _published(self, name: str) -> Path:
        if not self.exists(name):
            raise NotFound(f"the archive {self._root} has no {name}")
        return self._place(name)

    def _reveal(self, temp: Path, place: Path) -> bool:
        """One rename: it fails where a folder with something in it is."""
        try:
            temp.rename(place)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        sync_folder(self._root)
        return True

    def _sweep(self) -> None:
        """Remove what crashed writers left; one that still writes is younger by far."""
        for leftover in self._root.glob(".*.tmp"):
            try:
                if time.time() - leftover.lstat().st_mtime < _STALE_S:
                    continue
                if leftover.is_dir() and not leftover.is_symlink():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink()
            except FileNotFoundError:
                continue  # another process sweeps too

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        try:
            yield
        except shutil.Error as error:  # copytree's list of (source, target, why)
            number = re.match(r"\[Errno (\d+)\]", str(error.args[0][0][2]))
            raise self._fault(doing, int(number[1]) if number else None, str(error.args[0][0][2])) from None
        except OSError as error:
            raise self._fault(doing, error.errno, str(error)) from None

    def _fault(self, doing: str, number: int | None, text: str) -> EnvironmentFault:
        why = text if number is None else os.strerror(number)
        hint = "; free some space" if number in (errno.ENOSPC, errno.EDQUOT) else ""
        return EnvironmentFault(f"cannot {doing} ({self._root}): {why}{hint}")


def _copy_plain(source: Path, target: Path) -> int:
    """Copy a tree of plain files and make it durable; returns how many files. Raises BuildError, OSError."""
    target.mkdir()
    count = 0
    with os.scandir(source) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False):
                count += _copy_plain(Path(item.path), target / item.name)
            elif item.is_file(follow_symlinks=False):
                _copy_file(item.path, str(target / item.name), durable=True)
                count += 1
            else:
                raise BuildError(f"cannot publish {item.path}: it is a link or a special file")
    sync_folder(target)
    return count


def _copy_file(source: str, target: str, *, follow_symlinks: bool = False, durable: bool = False) -> str:
    """Copy the bytes of a plain file; the mode is the umask's. Raises OSError."""
    shutil.copyfile(source, target, follow_symlinks=follow_symlinks)
    if durable:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return target


def _special(folder: str, names: list[str]) -> list[str]:
    """Names of what is neither a plain file, a folder nor a link."""
    plain = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    modes = ((name, (Path(folder) / name).lstat().st_mode) for name in names)
    return [name for name, mode in modes if not any(is_kind(mode) for is_kind in plain)]
