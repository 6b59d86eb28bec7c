"""The order of the rules, causes and groups, and errors whose own code raises."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.errors import (
    CheckFailed,
    ConfigError,
    EnvironmentFault,
    ExternalApiError,
    InDoubt,
    LumenError,
    NetworkError,
    StoreUnavailable,
)
from lumen_workers.domain.failures import Verdict
from lumen_workers.pipelines.failures import CLASSES, POLICIES
from lumen_workers.pipelines.verdicts import judge


class Answer:
    """What a client library holds on to."""

    def __init__(self, status: Any, headers: Any = None) -> None:
        self.status_code = status
        self.headers = headers


class Refused(Exception):
    """An error of a library that is not known, with whatever attributes."""

    def __init__(self, text: str = "", **attributes: Any) -> None:
        super().__init__(text)
        for name, value in attributes.items():
            setattr(self, name, value)


def from_(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def client_error(code: str, status: int, **headers: str) -> Refused:
    """What botocore's ClientError looks like."""
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return Refused(response={"Error": {"Code": code}, "ResponseMetadata": metadata})


@pytest.mark.parametrize(
    ("error", "error_class", "rule"),
    [
        # Ours come first, by the nearest code that is known.
        (from_(EnvironmentFault("x"), TimeoutError()), "environment", "code environment"),
        (StoreUnavailable("x"), "network", "code store_unavailable"),
        (CheckFailed("x"), "build", "code check_failed"),
        (ConfigError("x"), "environment", "code config"),
        (from_(LumenError("x"), TimeoutError()), "network", "cause: name builtins.TimeoutError"),
        # errno before the name, but not where the number is another library's.
        (TimeoutError(errno.ENOSPC, "x"), "environment", "errno ENOSPC"),
        (socket.gaierror(errno.EACCES, "x"), "network", "name socket.gaierror"),
        (ssl.SSLError(errno.EPERM, "x"), "network", "name ssl.SSLError"),
        (OSError(99_999, "x"), "environment", "name builtins.OSError"),
        # A code that AWS gives says more than its status; one that is not known leaves it to the status.
        (client_error("ExpiredToken", 400), "token_expired", "botocore code ExpiredToken"),
        (client_error("HouseRules", 400), "build", "HTTP status 400"),
        (client_error("ThrottlingOfHouse", 400), "external_api", "botocore code ThrottlingOfHouse"),
        (client_error("403", 403), "token_expired", "HTTP status 403"),
        (client_error("", 200), "unknown", "no rule"),
        # Statuses stand in many places; a bare `code` is none.
        (Refused(response=Answer(502)), "external_api", "HTTP status 502"),
        (Refused(status_code=407), "token_expired", "HTTP status 407"),
        (Refused(status=429, headers={}), "external_api", "HTTP status 429"),
        (Refused(code=503, response=object()), "external_api", "HTTP status 503"),
        (Refused(resp=Refused(status=404)), "build", "HTTP status 404"),
        (Refused(code=503), "unknown", "no rule"),
        (Refused(status_code=200), "unknown", "no rule"),
        (Refused(status_code="500"), "unknown", "no rule"),
        (Refused(response=Answer(True)), "unknown", "no rule"),
        # Mail, databases, programs.
        (Refused(smtp_code=250), "unknown", "no rule"),
        (Refused(recipients={"a": (250, b""), "b": (451, b""), "c": (550, b"")}), "external_api", "SMTP code 451"),
        (Refused(sqlstate="0A000"), "build", "SQLSTATE 0A000"),
        (Refused(sqlstate="57P03"), "network", "SQLSTATE 57P03"),
        (
            Refused(sqlstate=None, sqlite_errorname="SQLITE_IOERR_FSYNC"),
            "environment",
            "SQLite code SQLITE_IOERR_FSYNC",
        ),
        (Refused(returncode=137), "environment", "exit status 137"),
        # The name before the cause, the text and the generic names behind all causes.
        (from_(ValueError("x"), TimeoutError()), "build", "name builtins.ValueError"),
        (from_(OSError("x"), KeyError()), "build", "cause: name builtins.KeyError (builtins.LookupError)"),
        (from_(Refused("service unavailable"), KeyError()), "build", "cause: name *"),
        (from_(Refused("x"), Refused("Broken pipe")), "network", 'cause: text "broken pipe"'),
        (OSError("it timed out"), "network", 'text "timed out"'),
        (Refused("x", stderr=b"\xffsh: frob: command not found"), "dependency", 'text "command not found"'),
        (Refused("x", stderr="connection refused"), "network", 'text "connection refused"'),
        # What stands for another error.
        (Refused("x", reason=ConnectionRefusedError(errno.ECONNREFUSED, "x")), "network", "cause: errno ECONNREFUSED"),
    ],
)
def test_the_first_rule_decides(error: BaseException, error_class: str, rule: str) -> None:
    verdict = judge(error)
    assert verdict.error_class == error_class
    assert verdict.rule == rule or (rule.endswith("*") and verdict.rule.startswith(rule[:-1]))


def test_what_must_not_be_tried_again_by_itself_is_of_a_class_without_reruns() -> None:
    assert POLICIES[judge(InDoubt("x")).error_class].reruns == 0


def test_a_cause_that_was_set_hides_the_context_and_so_does_from_none() -> None:
    def chained(*, cause: BaseException | None, hide: bool) -> BaseException:
        error = Refused("x")
        error.__context__ = ConnectionResetError(errno.ECONNRESET, "x")
        error.__cause__ = cause
        error.__suppress_context__ = hide
        return error

    assert judge(chained(cause=None, hide=False)).rule == "cause: errno ECONNRESET"
    assert judge(chained(cause=None, hide=True)).rule == "no rule"
    assert judge(chained(cause=KeyError(), hide=True)).rule.startswith("cause: name builtins.KeyError")


def test_the_member_that_needs_a_person_decides_for_a_group() -> None:
    refused, full = ConnectionRefusedError(errno.ECONNREFUSED, "x"), OSError(errno.ENOSPC, "x")
    group = ExceptionGroup("x", [Refused("x"), refused, ExceptionGroup("y", [refused, full])])
    assert judge(group) == Verdict(error_class="environment", rule="member: member: errno ENOSPC")
    assert judge(ExceptionGroup("x", [Refused("a"), Refused("b")])).rule == "no rule"
    assert judge(ExceptionGroup("connection refused", [Refused("a")])).rule == 'text "connection refused"'
    assert judge(from_(ExceptionGroup("x", [Refused("a")]), full)).rule == "cause: errno ENOSPC"
    assert judge(BaseExceptionGroup("x", [KeyboardInterrupt(), refused])).error_class == "network"


def test_how_long_to_wait_is_taken_from_wherever_the_chain_tells_it() -> None:
    answer = Refused(response=Answer(503, {"Retry-After": "7"}))
    assert judge(answer) == Verdict(error_class="external_api", rule="HTTP status 503", retry_after_s=7.0)
    assert judge(from_(ExternalApiError("x"), answer)).retry_after_s == 7.0
    assert judge(ExceptionGroup("x", [Refused("x"), answer])).retry_after_s == 7.0
    assert judge(client_error("SlowDown", 503, **{"retry-after": "9"})).retry_after_s == 9.0
    own = NetworkError("x")
    own.retry_after_s = 12  # type: ignore[attr-defined]
    assert judge(own).retry_after_s == 12.0
    assert judge(NetworkError("x")).retry_after_s is None


def _raiser(*_: object) -> Any:
    raise RuntimeError("not to be asked")


class Hostile(Exception):
    """Every attribute that a rule may ask for raises, and so does its text."""

    response = smtp_code = status_code = code = headers = recipients = property(_raiser)
    sqlstate = sqlite_errorname = returncode = stderr = retry_after_s = resp = reason = library = property(_raiser)
    __str__ = __repr__ = _raiser


class HostileOurs(NetworkError):
    retry_after_s = property(_raiser)
    __str__ = _raiser


class HostileSystem(OSError):
    errno = property(_raiser)
    __str__ = _raiser


class HostileChain(Exception):
    __cause__ = property(_raiser)


class HostileMapping(dict[str, Any]):
    get = _raiser


class Endless(Exception):
    """Each look at the cause finds another one."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        return Endless()


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (Hostile(), "unknown"),
        (HostileOurs(), "network"),
        (HostileSystem(), "environment"),
        (HostileChain(), "unknown"),
        (Endless(), "unknown"),
        (Refused(response=HostileMapping()), "unknown"),
        (Refused(response=Answer(503, HostileMapping())), "external_api"),
        (from_(Hostile(), ConnectionResetError(errno.ECONNRESET, "x")), "network"),
        (ExceptionGroup("x", [Hostile(), ConnectionResetError(errno.ECONNRESET, "x")]), "network"),
        (KeyboardInterrupt(), "unknown"),
        (SystemExit(3), "unknown"),
        (GeneratorExit(), "unknown"),
    ],
)
def test_an_error_whose_own_code_raises_is_judged_by_what_is_left(error: BaseException, error_class: str) -> None:
    assert judge(error).error_class == error_class


def test_errors_that_name_each_other_end() -> None:
    one, other = Refused("a"), Refused("b")
    one.__context__, other.__context__ = other, one
    assert judge(one).rule == "no rule"
    one.__cause__ = one
    assert judge(one).rule == "no rule"
    group = ExceptionGroup("x", [one])
    one.__cause__ = group
    assert judge(group).rule == "no rule"
    assert judge(one).rule == "no rule"


def test_a_very_long_chain_and_a_very_deep_group_end() -> None:
    chain: BaseException = ConnectionResetError(errno.ECONNRESET, "x")
    group: Exception = ConnectionResetError(errno.ECONNRESET, "x")
    for _ in range(5000):
        chain = from_(Refused("x"), chain)
        group = ExceptionGroup("x", [group])
    assert judge(chain).rule == "no rule"
    assert judge(group).error_class == "unknown"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 1000),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.builds(Answer, st.integers(0, 700), st.none() | st.dictionaries(st.text(max_size=12), st.text(max_size=12))),
    st.just(client_error("SlowDown", 503).__dict__["response"]),
    st.builds(object),
)
NAMES = (
    *("response", "last_response", "status_code", "status", "code", "headers", "resp", "smtp_code", "recipients"),
    *("sqlstate", "sqlite_errorname", "returncode", "stderr", "reason", "exc", "orig", "retry_after_s", "errno"),
)


@given(attributes=st.dictionaries(st.sampled_from(NAMES), ODD, max_size=6), text=st.text(max_size=50))
def test_whatever_an_error_carries_there_is_a_verdict(attributes: dict[str, Any], text: str) -> None:
    verdict = judge(Refused(text, **attributes))
    assert verdict.error_class in CLASSES
    assert verdict.rule
    assert "\n" not in verdict.rule
    assert verdict.retry_after_s is None or 0 <= verdict.retry_after_s <= 3600


ERRORS = st.recursive(
    st.sampled_from([TimeoutError, KeyError, MemoryError, Exception, StoreUnavailable]).map(lambda cls: cls("x")),
    lambda inner: st.one_of(
        st.builds(from_, st.builds(Refused), inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: ExceptionGroup("x", members)),
    ),
    max_leaves=8,
)


@given(ERRORS)
def test_a_verdict_is_the_same_each_time_and_known_where_any_part_is(error: Exception) -> None:
    verdict = judge(error)
    assert verdict == judge(error)
    assert (verdict.error_class == "unknown") == (verdict.rule == "no rule")
