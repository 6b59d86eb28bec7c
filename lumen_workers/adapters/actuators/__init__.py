"""How a rule's value reaches its loop: ``make_actuator`` makes what a loop declares, ``check_actuator`` checks it."""

from __future__ import annotations

from pathlib import Path

from lumen_workers.adapters.actuators.file import FileActuator
from lumen_workers.adapters.actuators.none import NoneActuator
from lumen_workers.adapters.options import Options, parse_options, resolve_inside, split_kind
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports import Actuator
from lumen_workers.domain.records import LoopSpec

FORMS = {"file": "file[:PATH]", "none": "none"}


class NoOptions(Options):
    """Neither kind has options."""


def check_actuator(spec: LoopSpec) -> None:
    """Check kind, argument and options without touching anything. Raises ConfigError, one line."""
    kind, argument = split_kind(spec.actuator)
    where = f"loop {spec.name}: actuator"
    if kind not in FORMS:
        raise ConfigError(f"{where}: unknown kind {kind!r}; known: {', '.join(FORMS.values())}")
    if spec.actuator.endswith(":") or (argument and kind == "none"):
        raise ConfigError(f"{where}: {spec.actuator!r} must have the form {FORMS[kind]}")
    parse_options(NoOptions, spec.actuator_options, f"{where}_options")


def make_actuator(spec: LoopSpec, home: Path) -> Actuator:
    """The actuator that ``spec`` declares; ``file`` without a path writes ``<home>/loops/<loop>/rules.json``.

    Raises ConfigError as ``check_actuator`` does, and for a relative path that leaves ``home``.
    """
    check_actuator(spec)
    kind, argument = split_kind(spec.actuator)
    if kind == "none":
        return NoneActuator()
    relative = argument or f"loops/{spec.name}/rules.json"
    return FileActuator(resolve_inside(relative, home, f"loop {spec.name}: actuator"))
