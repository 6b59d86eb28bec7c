"""Certificates of every kind that a client refuses, and servers that show them."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.failures.tcp import HOST, Peer

DAY = dt.timedelta(days=1)


class Certificates:
    """An authority, and what it has issued: ``good``, ``expired``, ``future``, ``elsewhere``; not ``self_signed``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Failures CA")])
        self.root = folder / "root.pem"
        self.root.write_bytes(
            self._certificate(self._name, self._key, self._key, authority=True).public_bytes(serialization.Encoding.PEM)
        )

    def client(self, **versions: ssl.TLSVersion) -> ssl.SSLContext:
        """What a client needs that trusts the authority."""
        context = ssl.create_default_context(cafile=str(self.root))
        for name, version in versions.items():
            setattr(context, name, version)
        return context

    def server(self, kind: str) -> ssl.SSLContext:
        """What a server of that kind needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "old":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(
            self._pem(kind if kind in ("expired", "future", "elsewhere", "self_signed") else "good")
        )
        return context

    def issued(self, kind: str) -> bytes:
        """The certificate of that kind, or the authority's own (``root``), in PEM form."""
        return (self.root if kind == "root" else self._pem(kind)).read_bytes()

    def _pem(self, kind: str) -> Path:
        path = self._folder / f"{kind}.pem"
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kind)])
            made = self._certificate(
                name,
                key,
                key if kind == "self_signed" else self._key,
                shift={"expired": -30 * DAY, "future": 30 * DAY}.get(kind, 0 * DAY),
                address="192.0.2.1" if kind == "elsewhere" else HOST,
            )
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                + made.public_bytes(serialization.Encoding.PEM)
            )
        return path

    def _certificate(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        by: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        shift: dt.timedelta = 0 * DAY,
        address: str = HOST,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if by is key else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY + shift)
            .not_valid_after(now + DAY + shift)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .sign(by, hashes.SHA256())
        )


class TlsServer(Peer):
    """Shakes hands, answers one request with 200; ``torn`` hangs up instead, ``plain`` speaks no TLS."""

    def __init__(self, certificates: Certificates, kind: str) -> None:
        talk: Callable[[socket.socket], object] = self._shake
        if kind == "torn":
            talk = self._tear
        if kind == "plain":
            talk = self._plain
        super().__init__(talk)
        self.url = f"https://{HOST}:{self.port}"
        self._context = certificates.server(kind)

    def _shake(self, connection: socket.socket) -> None:
        with suppress(ssl.SSLError), self._context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def _tear(self, connection: socket.socket) -> None:
        connection.recv(65536)

    def _plain(self, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
