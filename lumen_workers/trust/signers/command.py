"""A signer that is a command: what is to be signed on its standard input, the signature on its standard output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Final

from lumen_workers.domain.errors import (
    CheckFailed,
    DependencyError,
    EnvironmentFault,
    ExternalApiError,
    LumenError,
    NetworkError,
    TokenExpired,
)

LIMIT_S: Final = 20.0
_MOST: Final = 4096
_MOST_SAID: Final = 64 * 1024
_CHUNK: Final = 64 * 1024

_CODES: Final[Mapping[int, type[LumenError]]] = {
    3: NetworkError,
    4: TokenExpired,
    6: DependencyError,
    8: EnvironmentFault,
    # What a shell answers for a program that is not there, or that it may not run.
    127: DependencyError,
    126: EnvironmentFault,
}


class CommandDevice:
    """Runs ``command`` for each signature, for ``limit_s`` seconds at most, with the variables of ``env`` only.

    ``command[0]`` is an absolute path, or looked for on the PATH of ``env``.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], limit_s: float = LIMIT_S) -> None:
        self.name = f"the signer {command[0]}"
        self._command = tuple(command)
        self._env = dict(env)
        self._limit = limit_s

    def sign(self, data: bytes) -> bytes:
        """What the command writes, at most 4 KiB.

        Raises DependencyError without the program, NetworkError for none in time, CheckFailed for nothing or too much.
        A command that fails says by its exit code what it failed of (that of our own commands: 3 network, 4 credentials
        refused, 6 a program is missing, 8 the machine); any other code raises ExternalApiError.
        """
        try:
            # A group of its own: what the command has started ends with it, and Ctrl-C here does not reach it.
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._env,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise DependencyError(f"{self.name} is not there; see signers in lumen.yaml") from None
        except OSError as error:
            raise EnvironmentFault(f"{self.name} cannot be run: {error.strerror}") from None
        with process:
            try:
                answer, said = _converse(process, data, time.monotonic() + self._limit)
            except TimeoutError:
                raise NetworkError(f"{self.name} has not signed within {self._limit:g} s") from None
            finally:
                _end(process)
        if len(answer) > _MOST:
            raise CheckFailed(f"{self.name} answered with more than {_MOST} bytes; a signature was asked for")
        if process.returncode:
            failed = f"{self.name} ended with {process.returncode}: {_last_line(said, data)}"
            raise _CODES.get(process.returncode, ExternalApiError)(failed)
        if not answer:
            raise CheckFailed(f"{self.name} answered with 0 bytes: {_last_line(said, data)}")
        return answer


def _converse(process: subprocess.Popen[bytes], data: bytes, until: float) -> tuple[bytes, bytes]:
    """Hand ``data`` in; what is answered, until it is too much, and the end of what is said. Raises TimeoutError."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    left, answer, said = memoryview(data), bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ, answer)
        selector.register(process.stderr, selectors.EVENT_READ, said)
        reading = 2
        while reading and len(answer) <= _MOST:
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.data is None:
                    left = _hand_in(key.fd, left)
                    if not left:
                        selector.unregister(key.fileobj)
                        process.stdin.close()
                elif chunk := os.read(key.fd, _CHUNK):
                    key.data.extend(chunk)
                else:
                    selector.unregister(key.fileobj)
                    reading -= 1
            del said[:-_MOST_SAID]
    if not reading:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
    return bytes(answer), bytes(said)


def _hand_in(stream: int, left: memoryview) -> memoryview:
    """What is left after a write. A command that reads no more has its reasons: its answer and exit code tell them."""
    try:
        return left[os.write(stream, left[:_CHUNK]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return left[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command, and what it has started, if it has not ended by itself."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(said: bytes, data: bytes) -> str:
    """The last line of standard error, unless it repeats what was to be signed."""
    lines = [line for line in said.splitlines() if line.strip()]
    if not lines or lines[-1] in data:
        return "it said nothing"
    text = lines[-1].decode("utf-8", "replace").strip()
    return "".join(char if char.isprintable() else "?" for char in text)[:200]
