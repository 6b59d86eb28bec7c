"""The system's refusals, really provoked, and programs that end badly."""

from __future__ import annotations

import concurrent.futures
import fcntl
import locale
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psutil
from support.failures.case import Case, case
from support.failures.peers import Peers

NOBODY = 65534


@contextmanager
def _not_root() -> Iterator[None]:
    """Root may do everything; without it this process has the rights of nobody."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def _limit(kind: int, value: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def _full(_: Peers) -> None:
    with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123
        file.write(b"x")


def _no_permission(peers: Peers) -> None:
    path = peers.folder() / "secret"
    path.write_text("x")
    path.chmod(0)
    with _not_root():
        path.read_text()


def _not_owner(_: Peers) -> None:
    with _not_root():
        os.chown("/tmp", 0, 0)


def open_too_many() -> None:
    """Runs in a child: a poll in another thread would fail too."""
    # Free numbers below the limit would still be given out.
    with _limit(resource.RLIMIT_NOFILE, 0):
        os.open("/dev/null", os.O_RDONLY)


def _file_too_large(peers: Peers) -> None:
    path = peers.folder() / "large"
    with _limit(resource.RLIMIT_FSIZE, 100), path.open("wb", buffering=0) as file:
        file.write(b"x" * 100)
        file.write(b"y")


def _loop(peers: Peers) -> None:
    path = peers.folder() / "loop"
    path.symlink_to(path)
    path.read_text()


def _not_empty(peers: Peers) -> None:
    folder = peers.folder()
    (folder / "x").touch()
    folder.rmdir()


def _held(peers: Peers) -> None:
    path = peers.folder() / "lock"
    with path.open("w") as one, path.open("w") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _below_a_file(peers: Peers) -> None:
    path = peers.folder() / "file"
    path.touch()
    (path / "x").read_text()


def _across(peers: Peers) -> None:
    path = peers.folder() / "x"
    path.touch()
    path.rename("/proc/lumen")


def _exists(peers: Peers) -> None:
    folder = peers.folder()
    folder.mkdir()


def _ended(_: Peers) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    os.kill(process.pid, 0)


def _process_gone(_: Peers) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    psutil.Process(process.pid)


def _copy_onto_itself(peers: Peers) -> None:
    path = peers.folder() / "x"
    path.touch()
    shutil.copyfile(path, path)


def _copy_tree(peers: Peers) -> None:
    folder = peers.folder()
    (folder / "gone").symlink_to(folder / "nowhere")
    shutil.copytree(folder, peers.folder() / "copy")


def _seek_in_a_pipe(_: Peers) -> None:
    one, other = os.pipe()
    try:
        os.lseek(one, 0, os.SEEK_SET)
    finally:
        os.close(one)
        os.close(other)


def _write_to_a_reader(peers: Peers) -> None:
    path = peers.folder() / "x"
    path.touch()
    with path.open() as file:
        file.write("x")


def _sh(script: str, _: Peers) -> None:
    subprocess.run(["sh", "-c", script], check=True, capture_output=True)


def _not_executable(peers: Peers) -> None:
    path = peers.folder() / "program"
    path.write_text("#!/bin/sh\n")
    subprocess.run([path], check=True)


def _not_a_program(peers: Peers) -> None:
    path = peers.folder() / "program"
    path.write_bytes(b"\x00\x01")
    path.chmod(0o755)
    subprocess.run([path], check=True)


def _pool(work: Callable[[], object]) -> None:
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(work).result()


def die() -> None:
    """Runs in a child."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill() -> None:
    """Runs in a child: what it raises comes back pickled, with its cause as text."""
    Path("/dev/full").write_text("x")


CASES: list[Case] = [
    case("disk full", "environment", "errno ENOSPC", _full),
    case("disk full in a child", "environment", "errno ENOSPC", lambda _: _pool(fill)),
    case("no permission", "environment", "errno EACCES", _no_permission),
    case("not permitted", "environment", "errno EPERM", _not_owner),
    case("no such file", "environment", "errno ENOENT", lambda p: (p.folder() / "x").read_text()),
    case("is a folder", "environment", "errno EISDIR", lambda p: p.folder().read_text()),
    case("below a file", "environment", "errno ENOTDIR", _below_a_file),
    case("links in a circle", "environment", "errno ELOOP", _loop),
    case("name too long", "environment", "errno ENAMETOOLONG", lambda p: (p.folder() / ("x" * 300)).touch()),
    case("folder is there", "environment", "errno EEXIST", _exists),
    case("folder not empty", "environment", "errno ENOTEMPTY", _not_empty),
    case("across file systems", "environment", "errno EXDEV", _across),
    case("too many open files", "environment", "errno EMFILE", lambda _: _pool(open_too_many)),
    case("file too large", "environment", "errno EFBIG", _file_too_large),
    case("no memory to map", "environment", "errno ENOMEM", lambda _: mmap.mmap(-1, 1 << 47)),
    case("no memory", "environment", "name builtins.MemoryError", lambda _: bytearray(1 << 62)),
    case("lock held", "environment", "errno EAGAIN", _held),
    case("no such process", "environment", "errno ESRCH", _ended),
    case("no child", "environment", "errno ECHILD", lambda _: os.waitpid(1, 0)),
    case("copy onto itself", "environment", "name shutil.SameFileError (shutil.Error)", _copy_onto_itself),
    case("copy of a tree", "environment", "name shutil.Error", _copy_tree),
    case("bad descriptor", "build", "errno EBADF", lambda _: os.close(10_000)),
    case("seek in a pipe", "build", "errno ESPIPE", _seek_in_a_pipe),
    case("written to a reader", "build", "name io.UnsupportedOperation (builtins.ValueError)", _write_to_a_reader),
    case("program not there", "environment", "errno ENOENT", lambda _: subprocess.run(["lumen-no-such"], check=True)),
    case("program not executable", "environment", "errno EACCES", _not_executable),
    case("program of no kind", "environment", "errno ENOEXEC", _not_a_program),
    case("shell: not found", "dependency", "exit status 127", partial(_sh, "lumen-no-such")),
    case("shell: not executable", "environment", "exit status 126", partial(_sh, "/dev/null")),
    case("shell: killed", "environment", "exit status -9", partial(_sh, "kill -9 $$")),
    case(
        "shell: disk full",
        "environment",
        'text "no space left on device"',
        partial(_sh, "LC_ALL=C dd if=/dev/zero of=/dev/full count=1"),
    ),
    case(
        "shell: refused",
        "network",
        'text "connection refused"',
        partial(_sh, "echo connect: Connection refused >&2; exit 1"),
    ),
    case("shell: says nothing", "unknown", "no rule", partial(_sh, "exit 3")),
    case(
        "program too slow",
        "unknown",
        "name subprocess.TimeoutExpired",
        lambda _: subprocess.run(["sleep", "5"], timeout=0.05),
    ),
    case("process pool broken", "unknown", "worker lost", lambda _: _pool(die)),
    case(
        "tar: no such file",
        "environment",
        'text "no such file or directory"',
        partial(_sh, "LC_ALL=C tar xf /nowhere/x.tar"),
    ),
    case("psutil no such process", "environment", "name psutil.NoSuchProcess (psutil.Error)", _process_gone),
    case("locale not there", "environment", "name locale.Error", lambda _: locale.setlocale(locale.LC_ALL, "xx_YY")),
]
