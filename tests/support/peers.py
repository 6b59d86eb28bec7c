"""Peers of channels: an HTTP receiver, a mail server, and servers that break off wherever a test wants."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lumen_workers.domain.notices import Telling

WHEN = datetime(2026, 1, 31, 0, 5, tzinfo=UTC)
SLOW_S = 0.4
"""A time limit that a silent peer outlasts."""


def telling(**changes: Any) -> Telling:
    """One telling; ``changes`` win."""
    values: dict[str, Any] = {
        "message_id": "m-0123456789abcdef",
        "title": "Lumen Daily FAIL",
        "text": "stage upload failed",
        "severity": "page",
        "ts": WHEN,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "facts": {"run": "20260131-us-west-2-01234567", "loss": 0.5},
    }
    return Telling(**(values | changes))


def unused_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Post:
    """What an HTTP receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it answers, and what it has got."""

    url: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """An HTTP server on a free loopback port that keeps what is posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            peer.posts.append(Post(self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(peer.status)
            for key, value in {"Content-Length": "2", **peer.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def scripted(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A TCP server on a free loopback port, yielded; ``serve`` does one connection after the other."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    if stop.is_set():
                        return
                    connection.settimeout(20)
                    serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stop.set()
            socket.create_connection(server.getsockname(), 5).close()
            thread.join()


def reset(connection: socket.socket) -> None:
    """End it with a RST: what the peer has not read is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hold(connection: socket.socket) -> None:
    """Say nothing until the peer goes."""
    while connection.recv(65_536):
        pass


def drip(connection: socket.socket, piece: bytes) -> None:
    """A piece every now and then, until the peer goes."""
    pause = threading.Event()
    while not pause.wait(0.05):
        connection.sendall(piece)


@dataclass
class Mail:
    """What a mail server took."""

    sender: str
    to: list[str]
    message: EmailMessage
    raw: bytes
    tls: bool
    user: str | None


class Postbox:
    """aiosmtpd's handler: keeps every mail."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.port = 0

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content
        assert isinstance(raw, bytes)
        parsed = message_from_bytes(raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        login: Any = session.auth_data
        user = login.login.decode() if session.authenticated else None
        self.mails.append(
            Mail(envelope.mail_from or "", list(envelope.rcpt_tos), parsed, raw, session.ssl is not None, user)
        )
        return "250 OK"


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None, **options: Any
) -> Iterator[Postbox]:
    """A mail server on a free loopback port; with ``tls`` nothing but STARTTLS goes before it."""
    box = Postbox()

    def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == login, handled=False, auth_data=data)

    def protocol() -> SMTP:
        return SMTP(
            box,
            loop=loop,
            hostname="mail.example.org",
            ident="test",
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=login is not None and tls is not None,  # without TLS it would warn; the login is offered
            authenticator=authenticate if login is not None else None,
            auth_require_tls=tls is not None,
            **options,
        )

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def end() -> None:
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for ``host``, and the file with the certificate that makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
