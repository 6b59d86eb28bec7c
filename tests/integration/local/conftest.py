"""Supervisors in processes of their own: their signals and their death must not be the test's."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from lumen_workers.domain.errors import LumenError
from lumen_workers.local.instance import hold
from lumen_workers.local.process import ProcessSpec, RestartPolicy
from lumen_workers.local.supervisor import Supervisor

HOME = Path(sys.argv[1])
QUICK = RestartPolicy(first_s=0.1, limit_s=0.4, healthy_s=60)

def python(name, code, *words, **options):
    return ProcessSpec(name=name, argv=(sys.executable, "-c", code, *words), **options)

def run(specs, **options):
    try:
        with hold(HOME):
            Supervisor(specs, home=HOME, stream=sys.stdout, **{"policy": QUICK, **options}).run()
    except LumenError as fault:
        sys.exit(f"{type(fault).__name__}: {fault}")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the supervisors that ``supervise`` starts."""
    return tmp_path / "home"


@pytest.fixture
def supervise(home: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a Python program in which ``run``, ``python`` and ``HOME`` are there. It is killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
