"""Loopback ports."""

from __future__ import annotations

import socket

import pytest

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.local.ports import choose_port, free_port, is_free


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


def test_a_taken_port_is_named_with_the_setting_that_changes_it() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(EnvironmentFault, match=rf"port {port} .*LUMEN_FLOWER_PORT"):
            choose_port(port, "LUMEN_FLOWER_PORT")
    assert is_free(port)
    assert choose_port(port, "LUMEN_FLOWER_PORT") == port


@pytest.mark.parametrize("wanted", [None, 0])
def test_no_wish_takes_any_free_port(wanted: int | None) -> None:
    assert is_free(choose_port(wanted, "LUMEN_FLOWER_PORT"))


def test_an_address_of_another_machine_is_an_environment_fault() -> None:
    with pytest.raises(EnvironmentFault, match="cannot be used"):
        is_free(12345, "192.0.2.1")
