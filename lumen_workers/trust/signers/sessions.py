"""Sessions on PKCS#11 tokens: one for each token and process, whoever asks.

A token knows one login for each process, so two signers of one token share it. A fork takes no session along: the
child sets the library up anew (PKCS#11 2.40, 6.7.1) and opens its own. Calls go one after the other: the library is set
up without locks of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from lumen_workers.domain.errors import (
    ConfigError,
    DependencyError,
    ExternalApiError,
    NetworkError,
    NotFound,
    TokenExpired,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Token:
    """The token labelled ``label`` of the library ``module``, opened with ``pin``."""

    module: str
    label: str
    pin: str = field(repr=False)


@dataclass
class _Process:
    """What one process has open."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ready: set[str] = field(default_factory=set)
    sessions: dict[tuple[str, str], Any] = field(default_factory=dict)


_processes: dict[int, _Process] = {}
_refused: dict[Token, str] = {}  # children inherit it: after some refusals in a row a token locks itself


def use(token: Token, work: Callable[[Any], T]) -> T:
    """``work`` of an open session; once more of a new one, if the session that was there no longer serves.

    Raises DependencyError without the package or the library, or for a token that cannot do what is asked, NotFound
    without the token, TokenExpired for a refused PIN (which is not tried again until the process is started anew),
    NetworkError for a token that is gone, ExternalApiError for one that fails.
    """
    pkcs11 = package()
    here = _processes.setdefault(os.getpid(), _Process())
    place = (token.module, token.label)
    with here.lock:
        known = place in here.sessions
        try:
            return work(_session(here, token))
        except pkcs11.PKCS11Error as error:
            _forget(here, place)
            if not known or isinstance(error, _not_cured(pkcs11)):
                _explain(token, error)
        try:
            return work(_session(here, token))
        except pkcs11.PKCS11Error as error:
            _forget(here, place)
            _explain(token, error)


def package() -> Any:
    """The package ``pkcs11``. Raises DependencyError."""
    try:
        import pkcs11
    except ImportError:
        raise DependencyError("PKCS#11 needs a package; install it with: pip install lumen-workers[pkcs11]") from None
    return pkcs11


def _session(here: _Process, token: Token) -> Any:
    pkcs11, place = package(), (token.module, token.label)
    if place in here.sessions:
        return here.sessions[place]
    if token in _refused:
        raise TokenExpired(f"{_refused[token]}; it is not tried again before the process is started anew")
    library = _library(here, token.module)
    found = library.get_token(token_label=token.label)
    try:
        session = found.open(user_pin=token.pin)
    except pkcs11.UserAlreadyLoggedIn:  # this process is, by a session whose end we have not seen
        session = found.open()
    here.sessions[place] = session
    return session


def _library(here: _Process, module: str) -> Any:
    pkcs11 = package()
    try:
        library = pkcs11.lib(module)
        if module not in here.ready and any(module in other.ready for other in _processes.values()):
            with suppress(pkcs11.PKCS11Error):  # some libraries notice a fork themselves, and have nothing to end
                library.finalize()
            library.initialize()
    except (RuntimeError, OSError) as error:
        raise DependencyError(f"the PKCS#11 library {module} cannot be loaded: {error}") from None
    here.ready.add(module)
    return library


def _forget(here: _Process, place: tuple[str, str]) -> None:
    session = here.sessions.pop(place, None)
    if session is not None:
        with suppress(RuntimeError):
            session.close()


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
