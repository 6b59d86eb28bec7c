"""One mail over SMTP by a session that knows whether its server may have taken it."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from typing import Any

from lumen_workers.adapters.channels.text import one_line
from lumen_workers.adapters.deadline import Deadline
from lumen_workers.domain.errors import ConfigError, InDoubt, NetworkError, TokenExpired
from lumen_workers.domain.recipients import MailServer

_END = b"\r\n.\r\n"
_GOODBYE_S = 2.0


class Refused(smtplib.SMTPResponseException):
    """The server answered that it does not take it. ``smtp_code``: 4xx for now, 5xx for good."""

    def __init__(self, where: str, status: int, reply: bytes | str) -> None:
        text = one_line(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply)[:200]
        super().__init__(status, text)
        self._line = f"{where}: the mail server answered {status} {text}".rstrip()

    def __str__(self) -> str:
        return self._line


class _Session(smtplib.SMTP):
    """smtplib's client, aware of the moment when the whole message has left."""

    left = False

    def __init__(self, host: str, timeout_s: float) -> None:
        super().__init__(local_hostname=_own_name(), timeout=timeout_s)
        self._host = host  # whose name the certificate must bear: smtplib keeps it only if it connects at once

    def send(self, s: Any) -> None:
        # An error of the socket says that bytes are left over: a message without its end is none. Anything else that
        # breaks in (a task's time limit) may do so behind the last byte.
        self.left = isinstance(s, bytes) and s.endswith(_END)
        try:
            super().send(s)
        except (OSError, smtplib.SMTPException):
            self.left = False
            raise


def send(server: MailServer, to: str, message: bytes, *, timeout_s: float, limit_s: float) -> None:
    """Returns once the server has taken it. ``timeout_s`` is for each step, ``limit_s`` for the whole.

    Raises InDoubt where the whole message left and no answer came. What surely was not taken: NetworkError (no
    connection, or it broke before), Refused, TokenExpired (the login), ConfigError (no STARTTLS or no login there).
    """
    where = f"{server.host}:{server.port}"
    session = _Session(server.host, timeout_s)
    with Deadline(limit_s, lambda: session.sock) as deadline:
        try:
            _greet(session, server)
            _log_in(session, server)
            options = [f"size={len(message)}"] if session.has_extn("size") else []
            _expect(where, *session.mail(server.sender.address, options))
            _expect(where, *session.rcpt(to))
            status, reply = session.data(message)
        except Exception as error:
            late = _late(deadline) if deadline.passed else None
            if session.left:
                raise InDoubt(
                    f"{where} may have taken it: the message left, then: {late or _why(error)}; "
                    "look there before it is sent again"
                ) from error
            if isinstance(error, Refused) or not isinstance(error, OSError):  # smtplib's are OSErrors
                raise
            raise _named(where, error, late) from error
        else:
            # Answered: whatever comes now changes nothing.
            with suppress(Exception):
                if session.sock is not None:
                    session.sock.settimeout(min(timeout_s, _GOODBYE_S))
                session.quit()
        finally:
            session.close()
    if deadline.passed:  # smtplib takes a reply that was cut off for one
        raise InDoubt(f"{where} may have taken it: {_late(deadline)}, in its last reply; look there first")
    if 400 <= status <= 599:
        raise Refused(where, status, reply)
    if not 200 <= status <= 299:
        raise InDoubt(f"{where} may have taken it: it answered {status}, which says neither; look there first")


def _greet(session: _Session, server: MailServer) -> None:
    where = f"{server.host}:{server.port}"
    _expect(where, *session.connect(server.host, server.port))
    session.ehlo_or_helo_if_needed()
    if server.loopback:
        return
    if not session.has_extn("starttls"):
        raise ConfigError(
            f"{where} offers no STARTTLS; nothing was sent, use a server that does (SMTP_HOST, SMTP_PORT)"
        )
    session.starttls(context=ssl.create_default_context())
    session.ehlo_or_helo_if_needed()


def _log_in(session: _Session, server: MailServer) -> None:
    where = f"{server.host}:{server.port}"
    if server.user is None or server.password is None:
        return
    try:
        session.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError as error:
        if 400 <= error.smtp_code <= 499:
            raise Refused(where, error.smtp_code, "at the login") from None
        # Its words stay out: some servers repeat what they were given.
        raise TokenExpired(f"{where} refuses the login ({error.smtp_code}); correct SMTP_USER and SMTP_PASS") from None
    except smtplib.SMTPException as error:
        if type(error) not in (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
            raise
        # None is offered, or none that smtplib knows.
        raise ConfigError(f"{where} offers no login; unset SMTP_USER and SMTP_PASS, or use another server") from None


def _expect(where: str, status: int, reply: bytes) -> None:
    if not 200 <= status <= 299:
        raise Refused(where, status, reply)


def _named(where: str, error: OSError, late: str | None) -> Refused | NetworkError:
    if isinstance(error, smtplib.SMTPResponseException) and not late:
        return Refused(where, error.smtp_code, error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return NetworkError(f"{where}: {error.verify_message}; SSL_CERT_FILE names the authorities that are trusted")
    return NetworkError(f"{where}: {late or _why(error)}; see that it runs and that SMTP_HOST and SMTP_PORT are right")


def _late(deadline: Deadline) -> str:
    return f"not done within {deadline.seconds:g} s"


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        error = error.__context__  # smtplib says no more than that the connection is gone
    return one_line(str(error)) or type(error).__name__


def _own_name() -> str:
    """What we call ourselves in EHLO: a full name, or an address literal. Nothing is looked up: that can take long."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
