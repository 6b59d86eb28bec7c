"""Mistakes in code, and libraries that are not there."""

from __future__ import annotations

import ctypes
import dataclasses
import decimal
import enum
import importlib
import importlib.metadata
import io
import re
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from alembic.config import Config
from alembic.script import ScriptDirectory
from cronsim import CronSim
from reportlab.platypus import SimpleDocTemplate, Table
from support.failures.case import Case, case
from support.failures.peers import Peers


def _python(source: str, _: Peers) -> None:
    exec(compile(source, "stage.py", "exec"), {})


def _module(source: str, peers: Peers) -> None:
    path = peers.folder() / "stage.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("stage", path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@dataclasses.dataclass(frozen=True)
class _Frozen:
    x: int = 0


class _Colour(enum.Enum):
    RED = 1


def _freeze() -> None:
    _Frozen().x = 1  # type: ignore[misc]


def _bad_library(peers: Peers) -> None:
    path = peers.folder() / "bad.so"
    path.write_bytes(b"no ELF" * 1000)
    ctypes.CDLL(str(path))


def _quietly(work: Callable[[], Any]) -> Callable[[Peers], object]:
    return lambda _: work()


SOURCES = {
    "SyntaxError": ("def f(:\n  pass", "name builtins.SyntaxError"),
    "IndentationError": ("def f():\npass", "name builtins.IndentationError (builtins.SyntaxError)"),
    "TabError": ("if 1:\n\tx\n        y", "name builtins.TabError (builtins.SyntaxError)"),
    "NameError": ("nothing_of_this_name", "name builtins.NameError"),
    "UnboundLocalError": (
        "def f():\n  x += 1\nf()",
        "name builtins.UnboundLocalError (builtins.NameError)",
    ),
    "TypeError": ("len(5)", "name builtins.TypeError"),
    "TypeError, arguments": ("(lambda x: x)()", "name builtins.TypeError"),
    "ValueError": ("int('x')", "name builtins.ValueError"),
    "KeyError": ("{}['x']", "name builtins.KeyError (builtins.LookupError)"),
    "IndexError": ("[][0]", "name builtins.IndexError (builtins.LookupError)"),
    "AttributeError": ("None.x", "name builtins.AttributeError"),
    "ZeroDivisionError": ("1 / 0", "name builtins.ZeroDivisionError (builtins.ArithmeticError)"),
    "OverflowError": ("float(10 ** 400)", "name builtins.OverflowError (builtins.ArithmeticError)"),
    "RecursionError": ("def f(): f()\nf()", "name builtins.RecursionError"),
    "AssertionError": ("assert 0", "name builtins.AssertionError"),
    "NotImplementedError": ("int.from_bytes; raise NotImplementedError", "name builtins.NotImplementedError"),
    "UnicodeDecodeError": ("b'\\xff'.decode()", "name builtins.UnicodeDecodeError (builtins.ValueError)"),
    "UnicodeEncodeError": ("'\\uac00'.encode('ascii')", "name builtins.UnicodeEncodeError (builtins.ValueError)"),
    "BufferError": ("b = bytearray(8); m = memoryview(b); b.append(1)", "name builtins.BufferError"),
    "StopIteration": ("next(iter(()))", "no rule"),
    "SystemExit": ("import sys; sys.exit(3)", "no rule"),
}


def _too_tall() -> None:
    SimpleDocTemplate(io.BytesIO()).build([Table([["x"]], rowHeights=[1e4])])


CASES: list[Case] = [
    *(
        case(f"code {name}", "unknown" if rule == "no rule" else "build", rule, partial(_python, source))
        for name, (source, rule) in SOURCES.items()
    ),
    case("module with a mistake", "build", "name builtins.SyntaxError", partial(_module, "def f(:")),
    case("module with null bytes", "build", "name builtins.*", partial(_module, "x = '\0'")),
    case(
        "module not there",
        "dependency",
        "name builtins.ModuleNotFoundError (builtins.ImportError)",
        partial(_module, "import lumen_no_such"),
    ),
    case("name not in module", "dependency", "name builtins.ImportError", partial(_module, "from json import no_such")),
    case(
        "package not there",
        "dependency",
        "name importlib.metadata.PackageNotFoundError (builtins.ImportError)",
        _quietly(lambda: importlib.metadata.version("lumen-no-such")),
    ),
    case(
        "library not there",
        "dependency",
        'text "cannot open shared object file"',
        _quietly(lambda: ctypes.CDLL("liblumen-no-such.so")),
    ),
    case("library of no kind", "dependency", 'text "invalid elf header"', _bad_library),
    case(
        "library without function",
        "build",
        "name builtins.AttributeError",
        _quietly(lambda: ctypes.CDLL(None).lumen_no_such),
    ),
    case("frozen record", "build", "name dataclasses.FrozenInstanceError (builtins.AttributeError)", _quietly(_freeze)),
    case("no such member", "build", "name builtins.ValueError", _quietly(lambda: _Colour(5))),
    case("bad pattern", "build", "name re.*", _quietly(lambda: re.compile("("))),
    case("bad uuid", "build", "name builtins.ValueError", _quietly(lambda: uuid.UUID("x"))),
    case(
        "bad decimal",
        "build",
        "name decimal.InvalidOperation (builtins.ArithmeticError)",
        _quietly(lambda: decimal.Decimal("x")),
    ),
    case("bad date", "build", "name builtins.ValueError", _quietly(lambda: datetime.fromisoformat("tomorrow"))),
    case(
        "naive and aware",
        "build",
        "name builtins.TypeError",
        _quietly(lambda: datetime.now(UTC) < datetime.fromisoformat("2026-01-31")),
    ),
    case("bad time zone", "build", "name zoneinfo.*", _quietly(lambda: ZoneInfo("Mars/Olympus"))),
    case("bad struct", "build", "name struct.error", _quietly(lambda: struct.unpack("<Q", b"x"))),
    case("numpy shapes", "build", "name builtins.ValueError", _quietly(lambda: np.ones(2) + np.ones(3))),
    case(
        "numpy singular",
        "build",
        "name numpy.linalg.LinAlgError (builtins.ValueError)",
        _quietly(lambda: np.linalg.inv(np.zeros((2, 2)))),
    ),
    case("numpy too large", "environment", "name numpy.*", _quietly(lambda: np.ones(1 << 50))),
    case("numpy no such file", "environment", "errno ENOENT", _quietly(lambda: np.load(Path("/nowhere.npy")))),
    case(
        "Alembic no revisions",
        "build",
        "name alembic.util.exc.CommandError",
        _quietly(lambda: ScriptDirectory.from_config(Config())),
    ),
    case(
        "bad cron line", "build", "name cronsim.cronsim.CronSimError", _quietly(lambda: CronSim("x", datetime.now(UTC)))
    ),
    case("PDF too tall", "build", "name reportlab.platypus.doctemplate.LayoutError", _quietly(_too_tall)),
]
