"""One error tree. Each class has a stable ``code``, says whether it is transient, and names its exit code."""

from __future__ import annotations

from typing import ClassVar


class LumenError(Exception):
    """Base of everything this project raises on purpose. The message is one line: what is wrong, and what to do."""

    code: ClassVar[str] = "error"
    transient: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class CheckFailed(LumenError):
    """A check or a job ran and its answer is no."""

    code = "check_failed"


class LogRefused(CheckFailed):
    """The transparency log cannot go on from what it signed last, or has not what it must have; a person looks."""


class UsageError(LumenError):
    """The caller asked for something that cannot be: unknown loop, rule, region, task, bad value."""

    code = "usage"
    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or variable is wrong. The message names file, key and what is allowed."""

    code = "config"


class NotFound(UsageError):
    """A named thing does not exist."""

    code = "not_found"


class Paused(LumenError):
    """Automatic rule changes are paused, by a person."""

    code = "paused"


class NetworkError(LumenError):
    """A peer could not be reached in time."""

    code = "network"
    transient = True
    exit_code = 3


class StoreUnavailable(NetworkError):
    """The store did not answer; what was to be written is still owed."""

    code = "store_unavailable"


class TokenExpired(LumenError):
    """Credentials are missing, expired or refused."""

    code = "token_expired"
    exit_code = 4


class ExternalApiError(LumenError):
    """A peer answered that it failed."""

    code = "external_api"
    transient = True
    exit_code = 5


class InDoubt(LumenError):
    """Something was begun whose end is unknown: the peer may have it. It must not be tried again by itself."""

    code = "in_doubt"


class DependencyError(LumenError):
    """A program or library that is needed is not there."""

    code = "dependency"
    exit_code = 6


class NoBroker(DependencyError):
    """Nothing carries messages."""

    code = "no_broker"

    def __init__(self) -> None:
        super().__init__("there is no broker; start one with `lumen run`, or set LUMEN_BROKER_URL")


class BuildError(LumenError):
    """Code or data of ours cannot produce the artifact."""

    code = "build"
    exit_code = 7


class EnvironmentFault(LumenError):
    """The machine does not let us: disk full, no permission, port taken, home in use."""

    code = "environment"
    exit_code = 8


class SchemaTooNew(EnvironmentFault):
    """The store was written by a newer version of this code."""

    code = "schema_too_new"


class LeaseLost(LumenError):
    """Another holder has a higher epoch: whatever this one was about to write must not be written."""

    code = "lease_lost"
    exit_code = 10
