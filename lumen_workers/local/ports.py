"""Loopback TCP ports."""

from __future__ import annotations

import errno
import socket

from lumen_workers.domain.errors import EnvironmentFault

LOOPBACK = "127.0.0.1"


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on now. Another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether ``port`` (1 to 65535) can be bound. Raises EnvironmentFault when this user may not bind it at all."""
    with socket.socket() as probe:
        # As servers do: connections that are still closing do not hold the port, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            if fault.errno == errno.EADDRINUSE:
                return False
            raise EnvironmentFault(f"port {port} on {host} cannot be used: {fault.strerror}") from fault
    return True


def choose_port(wanted: int | None, variable: str, host: str = LOOPBACK) -> int:
    """``wanted`` if it is free; any free port for None or 0.

    Raises EnvironmentFault naming the port and ``variable``, the setting that changes it.
    """
    if not wanted:
        return free_port(host)
    if not is_free(wanted, host):
        raise EnvironmentFault(
            f"port {wanted} on {host} is taken by another program; stop it, or set {variable} to another port "
            "(0 takes any free one)"
        )
    return wanted
