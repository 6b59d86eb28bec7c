"""Sessions on PKCS#11 tokens: one for each token and process, whoever asks.

A token knows one login for each process, so two signers of one token share it. A fork takes no session along: the
child sets the library up anew (PKCS#11 2.40, 6.7.1) and opens its own. Calls go one after the other: the library is set
up without locks of its own. So do the processes of a home when they open: SoftHSM 2.6.1 does not find its token when
two load it at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lumen_workers.domain.errors import (
    ConfigError,
    DependencyError,
    EnvironmentFault,
    ExternalApiError,
    NetworkError,
    NotFound,
    TokenExpired,
)
from lumen_workers.trust.files import alone

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Token:
    """The token labelled ``label`` of the library ``module``, opened with ``pin`` under the lock ``lock``."""

    module: str
    label: str
    pin: str = field(repr=False)
    lock: Path


@dataclass
class _Process:
    """What one process has open."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: set[str] = field(default_factory=set)
    sessions: dict[tuple[str, str], Any] = field(default_factory=dict)


_processes: dict[int, _Process] = {}
_loaded: set[str] = set()
_refused: dict[Token, str] = {}  # children inherit it: after some refusals in a row a token locks itself


def use(token: Token, work: Callable[[Any], T]) -> T:
    """``work`` of an open session: if that fails, of a new one, and then of one of a library that is set up anew.

    Raises DependencyError without the package or the library, or for a token that cannot do what is asked, NotFound
    without the token, TokenExpired for a refused PIN (which is not tried again until the process is started anew),
    NetworkError for a token that is gone, ExternalApiError for one that fails, EnvironmentFault without the lock.
    """
    pkcs11 = package()
    here = _processes.setdefault(os.getpid(), _Process())
    with here.lock:
        for cure in (_drop_session, _drop_library):
            try:
                return work(_session(here, token))
            except pkcs11.PKCS11Error as error:
                cure(here, token)
                if isinstance(error, _not_cured(pkcs11)):
                    _explain(token, error)
        try:
            return work(_session(here, token))
        except pkcs11.PKCS11Error as error:
            _drop_library(here, token)
            _explain(token, error)


def package() -> Any:
    """The package ``pkcs11``. Raises DependencyError."""
    try:
        import pkcs11
    except ImportError:
        raise DependencyError("PKCS#11 needs a package; install it with: pip install lumen-workers[pkcs11]") from None
    return pkcs11


def _session(here: _Process, token: Token) -> Any:
    place = (token.module, token.label)
    if place not in here.sessions:
        if token in _refused:
            raise TokenExpired(f"{_refused[token]}; it is not tried again before the process is started anew")
        try:
            with alone(token.lock):
                here.sessions[place] = _open(here, token)
        except OSError as error:
            raise EnvironmentFault(f"cannot lock {token.lock}: {error.strerror}") from None
    return here.sessions[place]


def _open(here: _Process, token: Token) -> Any:
    pkcs11 = package()
    found = _library(here, token.module).get_token(token_label=token.label)
    try:
        return found.open(user_pin=token.pin)
    except pkcs11.UserAlreadyLoggedIn:  # this process is, by a session whose end we have not seen
        return found.open()


def _library(here: _Process, module: str) -> Any:
    """The library, set up in this process. Raises DependencyError where it is none."""
    pkcs11 = package()
    fresh = module not in _loaded
    try:
        library = pkcs11.lib(module)
    except RuntimeError as error:
        raise DependencyError(f"the PKCS#11 library {module} cannot be loaded: {error}") from None
    if module not in here.ready and not fresh:  # set up before a fork, or not in order
        with suppress(pkcs11.PKCS11Error):  # some libraries notice a fork themselves, and have nothing to end
            library.finalize()
        library.initialize()
    _loaded.add(module)
    here.ready.add(module)
    return library


def _drop_session(here: _Process, token: Token) -> None:
    session = here.sessions.pop((token.module, token.label), None)
    if session is not None:
        with suppress(RuntimeError):
            session.close()


def _drop_library(here: _Process, token: Token) -> None:
    """With it go the sessions of all its tokens."""
    here.ready.discard(token.module)
    for place in [place for place in here.sessions if place[0] == token.module]:
        del here.sessions[place]


def _refusals(pkcs11: Any) -> tuple[type[Exception], ...]:
    return (
        pkcs11.PinIncorrect,
        pkcs11.PinInvalid,
        pkcs11.PinLenRange,
        pkcs11.PinLocked,
        pkcs11.PinExpired,
        pkcs11.exceptions.UserPinNotInitialized,
    )


def _not_cured(pkcs11: Any) -> tuple[type[Exception], ...]:
    """What a new session changes nothing of."""
    return (*_refusals(pkcs11), pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned, *_unable(pkcs11))


def _unable(pkcs11: Any) -> tuple[type[Exception], ...]:
    return pkcs11.MechanismInvalid, pkcs11.FunctionNotSupported


def _explain(token: Token, error: Exception) -> NoReturn:
    pkcs11, name = package(), f"the token {token.label}"
    said = type(error).__name__ + (f" ({error})" if str(error) else "")
    if isinstance(error, _refusals(pkcs11)):
        _refused[token] = f"{name} refuses the PIN: {said}"
        raise TokenExpired(_refused[token]) from None
    if isinstance(error, pkcs11.UserNotLoggedIn):
        raise TokenExpired(f"{name} asks for a login that the PIN does not give: {said}") from None
    if isinstance(error, pkcs11.NoSuchToken):
        raise NotFound(f"there is no token {token.label} behind {token.module}") from None
    if isinstance(error, pkcs11.MultipleTokensReturned):
        raise ConfigError(f"several tokens behind {token.module} are called {token.label}; rename one") from None
    if isinstance(error, _unable(pkcs11)):
        raise DependencyError(f"{name} cannot sign like this: {said}") from None
    if isinstance(error, pkcs11.DeviceRemoved | pkcs11.TokenNotPresent):
        raise NetworkError(f"{name} is gone: {said}") from None
    raise ExternalApiError(f"{name} failed: {said}") from None
