"""A root's passphrase asked for on a terminal: twice when it is made, once when it is used, never shown."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

A = "ap-northeast-2"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


def typed(place: Path, words: tuple[str, ...], *answers: str) -> tuple[int, str]:
    """Exit code, and what stood on the terminal; each prompt is answered by the next of ``answers``."""
    here, there = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "lumen_workers", "pki", *words, "--home", str(place / "home")],
        stdin=there,
        stdout=there,
        stderr=there,
        env=environment,
        cwd=place,
        start_new_session=True,
    )
    os.close(there)
    shown, left = "", list(answers)
    with process:
        while True:
            try:
                data = os.read(here, 4096)
            except OSError:  # the other end is closed
                break
            shown += data.decode()
            if left and shown.endswith(": "):
                os.write(here, f"{left.pop(0)}\n".encode())
                shown += "\n"
    os.close(here)
    assert not left
    return process.returncode, shown


def test_a_passphrase_is_asked_for(place: Path) -> None:
    code, shown = typed(place, ("init-root", "root"), "sesame", "sesame")
    assert (code, shown.count("passphrase")) == (0, 1)
    assert "Repeat for confirmation: " in shown
    assert "sesame" not in shown
    assert b"ENCRYPTED" in (place / "root" / "root.key").read_bytes()
    code, shown = typed(place, ("crl", "--root", "root"), "sesame")
    assert (code, "list 2, for 120 days" in shown) == (0, True)
    code, shown = typed(place, ("crl", "--root", "root"), "other")
    assert (code, "does not open" in shown) == (4, True)
    assert typed(place, ("issue", A, "--root", "root"), "sesame")[0] == 0
    code, shown = typed(place, ("rotate", A, "--root", "root"), "sesame")
    assert (code, shown.count("passphrase")) == (0, 1)


def test_two_that_differ_are_asked_for_again(place: Path) -> None:
    code, shown = typed(place, ("init-root", "root"), "sesame", "sesam", "sesame", "sesame")
    assert (code, "do not match" in shown) == (0, True)


def test_none_where_none_is_wanted(place: Path) -> None:
    code, shown = typed(place, ("init-root", "root", "--no-passphrase"))
    assert (code, "passphrase" in shown) == (0, False)
    assert typed(place, ("crl", "--root", "root"))[0] == 0
