"""The rules of a verdict, each over one exception: ``(class, rule)``, or None where it has nothing to say.

They look at attributes by shape, so that no SDK is imported. An attribute may be a property that raises: whoever asks
a rule takes that for nothing to say.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lumen_workers.domain.errors import LumenError
from lumen_workers.pipelines.failures import CLASSES
from lumen_workers.pipelines.verdicts.answers import answer_of
from lumen_workers.pipelines.verdicts.codes import (
    AWS,
    ERRNO,
    EXIT_STATUS,
    OURS,
    SQLITE,
    SQLSTATE,
    TLS_LIBRARIES,
    http_class,
    smtp_class,
)
from lumen_workers.pipelines.verdicts.names import GENERIC, NAMES, STOPPED
from lumen_workers.pipelines.verdicts.texts import TEXTS

Found = tuple[str, str] | None
Rule = Callable[[BaseException], Found]

_MAX_TEXT = 4000


def ours(error: BaseException) -> Found:
    """Our own errors, by the first code of their classes that is known."""
    if not isinstance(error, LumenError):
        return None
    for cls in type(error).__mro__:
        code = cls.__dict__.get("code")
        if isinstance(code, str) and (code in CLASSES or code in OURS):
            return OURS.get(code, code), f"code {type(error).code}"
    return None


def system(error: BaseException) -> Found:
    """``errno``. A resolver's and a TLS library's numbers share the attribute and mean something else."""
    if not isinstance(error, OSError) or {"socket.gaierror", "socket.herror", "ssl.SSLError"} & set(_names(error)):
        return None
    number = error.errno
    if number is None or number not in ERRNO:
        return None
    return ERRNO[number], f"errno {errno.errorcode[number]}"


def tls(error: BaseException) -> Found:
    """OpenSSL's complaints about a certificate or a key of this machine."""
    library = getattr(error, "library", None)
    if "ssl.SSLError" in _names(error) and library in TLS_LIBRARIES:
        return "environment", f"TLS library {library}"
    return None


def aws(error: BaseException) -> Found:
    """botocore's ClientError: the code in the answer's body."""
    answer = answer_of(error)
    if not isinstance(answer, Mapping) or not isinstance(answer.get("Error"), Mapping):
        return None
    code = str(answer["Error"].get("Code", ""))
    found = "external_api" if code.startswith("Throttl") else AWS.get(code)
    return (found, f"botocore code {code}") if found else None


def http(error: BaseException) -> Found:
    """The HTTP status."""
    status = next(filter(_is_failure, _statuses(error)), None)
    return None if status is None else (http_class(status), f"HTTP status {status}")


def smtp(error: BaseException) -> Found:
    """The mail server's code; the first of those that it gave for several recipients."""
    codes = [getattr(error, "smtp_code", None)]
    recipients = getattr(error, "recipients", None)
    if isinstance(recipients, Mapping):
        codes += [answer[0] for answer in recipients.values()]
    for code in codes:
        if isinstance(code, int) and (found := smtp_class(code)):
            return found, f"SMTP code {code}"
    return None


def database(error: BaseException) -> Found:
    """SQLSTATE or SQLite's code."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        known = (state[:length] for length in range(len(state), 1, -1))
        return next((SQLSTATE[part] for part in known if part in SQLSTATE), "build"), f"SQLSTATE {state}"
    name = getattr(error, "sqlite_errorname", None)
    primary = "_".join(name.split("_")[:2]) if isinstance(name, str) else ""
    return (SQLITE[primary], f"SQLite code {name}") if primary in SQLITE else None


def program(error: BaseException) -> Found:
    """How a program ended that we had started."""
    status = getattr(error, "returncode", None)
    if isinstance(status, int) and status in EXIT_STATUS:
        return EXIT_STATUS[status], f"exit status {status}"
    return None


def stopped(error: BaseException) -> Found:
    """A time limit, or a process that is gone."""
    rule = next((STOPPED[name] for name in _names(error) if name in STOPPED), None)
    return ("unknown", rule) if rule else None


def name(error: BaseException) -> Found:
    """The first class of the method resolution order that stands in the table."""
    return _named(error, NAMES)


def generic(error: BaseException) -> Found:
    """The same for classes that wrap anything."""
    return _named(error, GENERIC)


def text(error: BaseException) -> Found:
    """A phrase in the message, or in what a program wrote on standard error."""
    said = f"{error}\n{_written(error)}"[:_MAX_TEXT].lower()
    for error_class, phrases in TEXTS:
        for phrase in phrases:
            if phrase in said:
                return error_class, f'text "{phrase}"'
    return None


RULES: Final[tuple[Rule, ...]] = (ours, system, tls, aws, http, smtp, database, program, stopped, name)
"""In this order, on the error and then on each of its causes. Behind all of them come ``text``, then ``generic``."""


def _names(error: BaseException) -> list[str]:
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]


def _named(error: BaseException, table: Mapping[str, str]) -> Found:
    names = _names(error)
    found = next((known for known in names if known in table), None)
    if found is None:
        return None
    return table[found], f"name {found}" if found == names[0] else f"name {names[0]} ({found})"


def _statuses(error: BaseException) -> Iterator[Any]:
    answer = answer_of(error)
    if isinstance(answer, Mapping):  # botocore
        metadata = answer.get("ResponseMetadata")
        yield metadata.get("HTTPStatusCode") if isinstance(metadata, Mapping) else None
    yield getattr(answer, "status_code", None)  # httpx, requests
    yield getattr(error, "status_code", None)  # starlette, dropbox
    if hasattr(error, "headers") or answer is not None:  # a bare `code` is many things
        yield getattr(error, "code", None)  # urllib, tornado
        yield getattr(error, "status", None)  # aiohttp
    yield getattr(getattr(error, "resp", None), "status", None)  # googleapiclient


def _is_failure(status: object) -> bool:
    return isinstance(status, int) and 300 <= status < 600


def _written(error: BaseException) -> str:
    written = getattr(error, "stderr", None)
    return (
        written.decode(errors="replace") if isinstance(written, bytes) else written if isinstance(written, str) else ""
    )
