"""A launcher that lets no process outlive the one that started it, however that one ends.

Two mechanisms. ``signal`` (Linux): the kernel sends SIGKILL when the parent thread ends (``PR_SET_PDEATHSIG``), and the
launcher replaces itself by the command. ``pipe`` (elsewhere): the launcher stays, holds the read end of a pipe whose
write end only the parent has, and ends the command when that pipe closes.

The file runs by itself, with the standard library only: it is started once for every process, before anything else.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

LIFELINE_ENV: Final = "LUMEN_LIFELINE_FD"
"""Names the inherited read end of the lifeline pipe, for ``pipe``."""

GRACE_S: Final = 5.0
"""``pipe``: seconds between SIGTERM and SIGKILL once the parent is gone."""

MODES: Final = ("signal", "pipe")

_PR_SET_PDEATHSIG: Final = 1
_FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def default_mode() -> str:
    """``signal`` on Linux, ``pipe`` elsewhere."""
    return "signal" if sys.platform == "linux" else "pipe"


def launch_argv(command: Sequence[str], *, mode: str, parent: int, nice: int = 0) -> list[str]:
    """The command line that runs ``command`` guarded; ``parent`` is the pid of the process that will start it."""
    # -I -S: the file needs the standard library only, and no folder or variable of the user's may get in between.
    head = [sys.executable, "-I", "-S", __file__]
    return [*head, f"--mode={mode}", f"--parent={parent}", f"--nice={nice}", "--", *command]


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process (SIGKILL) when the thread that forked it ends. Linux; elsewhere nothing.

    The request is lost on fork, so each forked child makes its own. ``parent`` is the pid it was forked by, if it is
    known: with it, a parent that ended before this call is noticed too. Raises OSError when the kernel refuses.
    """
    if sys.platform != "linux":
        return
    import ctypes

    expected = os.getppid() if parent is None else parent
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl(PR_SET_PDEATHSIG): {os.strerror(code)}")
    if os.getppid() != expected:
        os.kill(os.getpid(), signal.SIGKILL)


def main(argv: Sequence[str]) -> int:
    """``--mode=signal|pipe [--parent=PID] [--nice=N] -- COMMAND…``.

    Exit code: the command's (128 + n when signal n ended it), 126 or 127 if it cannot be run.
    """
    split = list(argv).index("--")
    options = dict(item.removeprefix("--").split("=", 1) for item in argv[:split])
    command = list(argv[split + 1 :])
    if os.getpgrp() != os.getpid():
        os.setsid()  # a group of its own: Ctrl-C in the terminal reaches the supervisor only
    if (nice := int(options.get("nice", "0"))) != 0:
        os.nice(nice)
    if options["mode"] == "pipe":
        return _watch(command)
    die_with_parent(int(options["parent"]) if "parent" in options else None)
    # An ignored signal stays ignored across exec: a shell's background job starts with SIGINT ignored, Python
    # ignores SIGPIPE.
    for number in (*_FORWARDED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 — no shell is wanted
    except OSError as fault:
        return _cannot_run(command[0], fault)


def _cannot_run(program: str, fault: OSError) -> int:
    sys.stderr.write(f"cannot run {program}: {fault.strerror}\n")
    return 127 if isinstance(fault, FileNotFoundError) else 126


def _watch(command: Sequence[str]) -> int:
    """Run ``command``, pass signals on to it, end it and its group when the lifeline closes."""
    lifeline = int(os.environ.pop(LIFELINE_ENV))
    os.set_inheritable(lifeline, False)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (*_FORWARDED, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        child = os.posix_spawnp(
            command[0], list(command), os.environ, setsigdef=(*_FORWARDED, signal.SIGPIPE, signal.SIGXFSZ)
        )
    except OSError as fault:
        return _cannot_run(command[0], fault)

    watched = [lifeline, wake]
    deadline: float | None = None
    while True:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(watched, [], [], timeout)
        if wake in ready:
            arrived = os.read(wake, 4096)
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            for byte in arrived:
                if byte != signal.SIGCHLD:
                    os.kill(child, byte)
        if lifeline in ready and not os.read(lifeline, 4096):
            watched.remove(lifeline)
            deadline = time.monotonic() + GRACE_S
            os.kill(child, signal.SIGTERM)
        if deadline is not None and time.monotonic() >= deadline:
            os.killpg(0, signal.SIGKILL)  # the group, and this launcher with it
    if deadline is not None:
        os.killpg(0, signal.SIGKILL)  # nobody is left to clean up what the command leaves behind
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
