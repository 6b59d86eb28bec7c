"""A signer that is a command: what is to be signed on its standard input, the signature on its standard output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from lumen_workers.domain.errors import CheckFailed, DependencyError, EnvironmentFault, NetworkError

LIMIT_S: Final = 20.0
_MOST: Final = 4096
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


class CommandDevice:
    """Runs ``command`` for each signature, for ``limit_s`` seconds at most, with none of our variables but ``keep``."""

    def __init__(self, command: Sequence[str], *, keep: Sequence[str] = (), limit_s: float = LIMIT_S) -> None:
        self.name = command[0]
        self._command = tuple(command)
        self._keep = (*_KEPT, *keep)
        self._limit = limit_s

    def sign(self, data: bytes) -> bytes:
        """Raises DependencyError without the program, NetworkError for none in time, CheckFailed for one that fails."""
        env = {name: os.environ[name] for name in self._keep if name in os.environ}
        try:
            ran = subprocess.run(
                self._command, input=data, capture_output=True, timeout=self._limit, check=False, env=env
            )
        except FileNotFoundError:
            raise DependencyError(f"the signer {self.name} is not there; see signer in lumen.yaml") from None
        except subprocess.TimeoutExpired:
            raise NetworkError(f"the signer {self.name} has not signed within {self._limit:g} s") from None
        except OSError as error:
            raise EnvironmentFault(f"the signer {self.name} cannot be run: {error.strerror}") from None
        if ran.returncode or not 0 < len(ran.stdout) <= _MOST:
            said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
            raise CheckFailed(
                f"the signer {self.name} ended with {ran.returncode} and {len(ran.stdout)} bytes: "
                f"{said[-1][:200] if said else 'it said nothing'}"
            )
        return ran.stdout
