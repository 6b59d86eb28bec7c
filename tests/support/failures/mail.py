"""smtplib against a mail server that follows a script."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial

from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer, silent

USUAL = {
    "": "220 mail.example",
    "EHLO": "250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250-STARTTLS\r\n250 SIZE 1000000",
    "HELO": "250 mail.example",
    "AUTH": "235 in",
    "STARTTLS": "220 go",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


def talk(script: Mapping[str, str], connection: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Answer each verb by the script, ``""`` being the greeting and ``.`` the end of data; an empty answer hangs up."""
    answers = USUAL | dict(script)
    with connection.makefile("rwb") as file:

        def say(verb: str) -> bool:
            file.write(answers[verb].encode() + b"\r\n" if answers[verb] else b"")
            file.flush()
            return bool(answers[verb])

        on = say("")
        while on and (line := file.readline()):
            verb = line.split()[0].decode().upper()
            on = say(verb)
            if verb == "DATA" and answers["DATA"].startswith("354"):
                while line.rstrip() != b".":
                    line = file.readline()
                on = say(".")
            if verb == "STARTTLS" and context is not None:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
                return


def send(script: Mapping[str, str], step: Callable[[smtplib.SMTP], object] | None = None) -> None:
    """Log in and send one letter, or do ``step``."""
    with Peer(partial(talk, script)) as peer:
        client = smtplib.SMTP(HOST, peer.port, timeout=5)
        try:
            if step is not None:
                step(client)
            else:
                client.login("lumen", "secret")
                client.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nbody\r\n")
        finally:
            client.close()


def _bad_certificate(peers: Peers) -> None:
    context = peers.certificates.server("expired")

    def server(connection: socket.socket) -> None:
        talk({}, connection, context)

    with Peer(server) as peer:
        client = smtplib.SMTP(HOST, peer.port, timeout=5)
        try:
            client.starttls(context=peers.certificates.client())
        finally:
            client.close()


def _mute(_: Peers) -> None:
    with Peer(silent) as peer:
        smtplib.SMTP(HOST, peer.port, timeout=0.1)


def _said(name: str, truth: str, code: int, **script: str) -> Case:
    where = {"greeting": "", "end": "."}
    verbs = {where.get(verb, verb): said for verb, said in script.items()}
    return case(f"SMTP {name}", truth, f"SMTP code {code}", lambda _: send(verbs))


CASES: list[Case] = [
    _said("535, bad password", "token_expired", 535, AUTH="535 5.7.8 bad credentials"),
    _said("534, mechanism too weak", "token_expired", 534, AUTH="534 5.7.9 too weak"),
    _said("538, encryption needed", "token_expired", 538, AUTH="538 5.7.11 encrypt"),
    _said("530, log in first", "token_expired", 530, MAIL="530 5.7.0 authentication required"),
    _said("454, cannot log in now", "external_api", 454, AUTH="454 4.7.0 later"),
    _said("421, greeting", "external_api", 421, greeting="421 too busy"),
    _said("421, sender", "external_api", 421, MAIL="421 closing"),
    _said("450, recipient", "external_api", 450, RCPT="450 mailbox busy"),
    _said("451, data", "external_api", 451, end="451 local error"),
    _said("452, recipient", "external_api", 452, RCPT="452 too many recipients"),
    _said("550, recipient", "build", 550, RCPT="550 no such user"),
    _said("552, data", "build", 552, end="552 too large"),
    _said("553, sender", "build", 553, MAIL="553 not allowed"),
    _said("554, greeting", "build", 554, greeting="554 no service"),
    _said("554, data", "build", 554, DATA="554 no valid recipients"),
    case(
        "SMTP 454, STARTTLS",
        "external_api",
        "SMTP code 454",
        lambda _: send({"STARTTLS": "454 not now"}, lambda client: client.starttls()),
    ),
    case("SMTP 504, HELO", "build", "SMTP code 504", lambda _: send({"EHLO": "502 no", "HELO": "504 no"})),
    case("SMTP hangs up, greeting", "network", "name smtplib.SMTPServerDisconnected", lambda _: send({"": ""})),
    case("SMTP hangs up, data", "network", "name smtplib.SMTPServerDisconnected", lambda _: send({".": ""})),
    case("SMTP hangs up, login", "network", "name smtplib.SMTPServerDisconnected", lambda _: send({"AUTH": ""})),
    case(
        "SMTP no login",
        "build",
        "name smtplib.SMTPNotSupportedError (smtplib.SMTPException)",
        lambda _: send({"EHLO": "250 x"}),
    ),
    case(
        "SMTP no way to log in",
        "build",
        "name smtplib.SMTPException",
        lambda _: send({"EHLO": "250-x\r\n250 AUTH XYZ"}),
    ),
    case(
        "SMTP no STARTTLS",
        "build",
        "name smtplib.SMTPNotSupportedError (smtplib.SMTPException)",
        lambda _: send({"EHLO": "250 x"}, lambda client: client.starttls()),
    ),
    case("SMTP not SMTP", "external_api", "name smtplib.SMTPConnectError", lambda _: send({"": "HTTP/1.1 400"})),
    case("SMTP bad certificate", "network", "name ssl.SSLCertVerificationError", _bad_certificate),
    case("SMTP refused", "network", "errno ECONNREFUSED", lambda p: smtplib.SMTP(HOST, p.closed, timeout=1)),
    case("SMTP timeout", "network", "name smtplib.SMTPServerDisconnected", _mute),
    case(
        "SMTP unknown host", "network", "name socket.gaierror", lambda _: smtplib.SMTP("lumen.invalid", 25, timeout=5)
    ),
]
