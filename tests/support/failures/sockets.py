"""Plain sockets, TLS and asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import os
import socket
import ssl
from contextlib import suppress

from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer, hanging_up, resetting, silent


def _connect(port: int, timeout: float = 5) -> socket.socket:
    return socket.create_connection((HOST, port), timeout)


def _timeout(_: Peers) -> None:
    with Peer(silent) as peer, _connect(peer.port, 0.1) as connection:
        connection.recv(1)


def _reset(_: Peers) -> None:
    with Peer(resetting) as peer, _connect(peer.port) as connection:
        connection.sendall(b"x")
        connection.recv(1)


def _pipe(_: Peers) -> None:
    one, other = socket.socketpair()
    with one:
        other.close()
        one.sendall(b"x")


def _not_connected(_: Peers) -> None:
    with socket.socket() as one:
        one.getpeername()


def _taken(_: Peers) -> None:
    with Peer(silent) as peer, socket.socket() as one:
        one.bind((HOST, peer.port))


def _not_ours(_: Peers) -> None:
    with socket.socket() as one:
        one.bind(("203.0.113.1", 0))


def _no_socket_file(peers: Peers) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(peers.folder() / "no.sock"))


def _too_long(_: Peers) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("/tmp/" + "x" * 200)


def _handshake(kind: str, peers: Peers, **versions: ssl.TLSVersion) -> None:
    context = peers.certificates.client(**versions)
    with _connect(peers.tls(kind).port) as plain, context.wrap_socket(plain, server_hostname=HOST) as secured:
        secured.recv(1)


def _slow_handshake(peers: Peers) -> None:
    with Peer(silent) as peer, _connect(peer.port, 0.1) as plain:
        peers.certificates.client().wrap_socket(plain, server_hostname=HOST)


def _bad_store(peers: Peers) -> None:
    path = peers.folder() / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    ssl.create_default_context(cafile=str(path))


async def _wait_for() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 0.01)


async def _within() -> None:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()


async def _short(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(b"x")
        await reader.readexactly(10)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _group(port: int) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.open_connection(HOST, port))


async def _cancelled() -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


def _short_read(_: Peers) -> None:
    with Peer(hanging_up) as peer:
        asyncio.run(_short(peer.port))


def _future(_: Peers) -> None:
    concurrent.futures.Future[None]().result(0.01)


def _all_addresses(peers: Peers) -> None:
    socket.create_connection((HOST, peers.closed), 1, all_errors=True)


def _unreachable(_: Peers) -> None:
    # A multicast address takes no TCP: the kernel has no route for it.
    with socket.socket() as one:
        one.settimeout(1)
        number = one.connect_ex(("224.0.0.1", 9))
    if number:
        raise OSError(number, os.strerror(number))


CASES: list[Case] = [
    case("socket refused", "network", "errno ECONNREFUSED", lambda p: _connect(p.closed)),
    case("socket read timeout", "network", "name builtins.TimeoutError", _timeout),
    case("socket connect timeout", "network", "name builtins.TimeoutError", lambda p: _connect(p.blackhole.port, 0.1)),
    case("socket reset", "network", "errno ECONNRESET", _reset),
    case("socket closed by the peer", "network", "errno EPIPE", _pipe),
    case("socket not connected", "network", "errno ENOTCONN", _not_connected),
    case("socket no route", "network", f"errno {errno.errorcode[errno.ENETUNREACH]}", _unreachable),
    case(
        "socket unknown host",
        "network",
        "name socket.gaierror",
        lambda _: socket.create_connection(("lumen.invalid", 9)),
    ),
    case("socket unknown service", "network", "name socket.gaierror", lambda _: socket.getaddrinfo(HOST, "no-such")),
    case("socket port taken", "environment", "errno EADDRINUSE", _taken),
    case("socket address not ours", "environment", "errno EADDRNOTAVAIL", _not_ours),
    case("socket file is not there", "environment", "errno ENOENT", _no_socket_file),
    case("socket path too long", "environment", "name builtins.OSError", _too_long),
    case("TLS self-signed", "network", "name ssl.SSLCertVerificationError", lambda p: _handshake("self_signed", p)),
    case("TLS expired", "network", "name ssl.SSLCertVerificationError", lambda p: _handshake("expired", p)),
    case("TLS not yet valid", "network", "name ssl.SSLCertVerificationError", lambda p: _handshake("future", p)),
    case("TLS another host's", "network", "name ssl.SSLCertVerificationError", lambda p: _handshake("elsewhere", p)),
    case("TLS torn", "network", "name ssl.SSL*Error*", lambda p: _handshake("torn", p)),
    case("TLS not TLS", "network", "name ssl.SSLError", lambda p: _handshake("plain", p)),
    case(
        "TLS too old",
        "network",
        "name ssl.SSLError",
        lambda p: _handshake("old", p, minimum_version=ssl.TLSVersion.TLSv1_3),
    ),
    case("TLS slow", "network", "name builtins.TimeoutError", _slow_handshake),
    case("TLS bad store", "environment", "TLS library *", _bad_store),
    case("asyncio wait_for", "network", "name builtins.TimeoutError", lambda _: asyncio.run(_wait_for())),
    case("asyncio timeout", "network", "name builtins.TimeoutError", lambda _: asyncio.run(_within())),
    case("asyncio short read", "network", "name asyncio.exceptions.IncompleteReadError", _short_read),
    case("asyncio group", "network", "member: errno ECONNREFUSED", lambda p: asyncio.run(_group(p.closed))),
    case("asyncio cancelled", "unknown", "no rule", lambda _: asyncio.run(_cancelled())),
    case("future timeout", "network", "name builtins.TimeoutError", _future),
    case("socket every address refused", "network", "member: errno ECONNREFUSED", _all_addresses),
]
