"""What is signed: an in-toto Statement v1 with SLSA provenance v1. The form is in docs/evidence.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lumen_workers.domain.records import Record
from lumen_workers.trust import canonical, merkle

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
MAX_SUBJECTS: Final = 1024
MAX_BYTES: Final = 2 * 1024**2

_SHA256_RE: Final = re.compile(r"[0-9a-f]{64}")


class StatementFault(ValueError):
    """The statement is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Material(Record):
    """Something with a name and a SHA-256 (hex): a subject, or what was built from. ``annotations`` are JSON values."""

    name: str
    sha256: str
    annotations: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """An in-toto ResourceDescriptor."""
        data: dict[str, Any] = {"name": self.name, "digest": {"sha256": self.sha256}}
        return {**data, "annotations": dict(self.annotations)} if self.annotations else data


@dataclass(frozen=True, kw_only=True)
class Statement(Record):
    """``subjects`` were made by ``builder`` from ``materials``. Times are RFC 3339, and only the signer's own word."""

    subjects: Sequence[Material]
    build_type: str
    external: Mapping[str, Any]
    internal: Mapping[str, Any]
    materials: Sequence[Material]
    builder: str
    version: str
    invocation: str
    started: str
    finished: str

    def subjects_digest(self) -> str:
        """SHA-256 (hex) over names and digests of what it is about."""
        return merkle.sha256(canonical.dumps([subject.as_json() for subject in self.subjects])).hex()

    def dump(self) -> bytes:
        """The payload: canonical JSON. Raises ValueError for no subject, too many, or a name that may not be one."""
        check_subjects([subject.name for subject in self.subjects])
        return canonical.dumps(
            {
                "_type": STATEMENT_TYPE,
                "subject": [subject.as_json() for subject in self.subjects],
                "predicateType": PREDICATE_TYPE,
                "predicate": {
                    "buildDefinition": {
                        "buildType": self.build_type,
                        "externalParameters": dict(self.external),
                        "internalParameters": dict(self.internal),
                        "resolvedDependencies": [material.as_json() for material in self.materials],
                    },
                    "runDetails": {
                        "builder": {"id": self.builder, "version": {"lumen-workers": self.version}},
                        "metadata": {
                            "invocationId": self.invocation,
                            "startedOn": self.started,
                            "finishedOn": self.finished,
                        },
                    },
                },
            }
        )


@dataclass(frozen=True, kw_only=True)
class Said(Record):
    """What a verifier takes from a statement: name → SHA-256 of the subjects, the builder, the parameters."""

    subjects: Mapping[str, str]
    builder: str
    build_type: str
    external: Mapping[str, Any]
    internal: Mapping[str, Any]
    materials: tuple[Material, ...]


def parse_statement(payload: bytes) -> Said:
    """Read the payload of a verified envelope, once. Raises StatementFault."""
    if len(payload) > MAX_BYTES:
        raise StatementFault("statement_malformed", "it is too large")
    try:
        value = canonical.loads(payload)
    except ValueError as error:
        reason = "duplicate_key" if "occurs twice" in str(error) else "statement_malformed"
        raise StatementFault(reason, str(error)) from None
    if not isinstance(value, dict):
        raise StatementFault("statement_malformed", "it is no object")
    if value.get("_type") != STATEMENT_TYPE:
        raise StatementFault("statement_type_mismatch", f"it is no {STATEMENT_TYPE}")
    if value.get("predicateType") != PREDICATE_TYPE:
        raise StatementFault("predicate_type_mismatch", f"the predicate is no {PREDICATE_TYPE}")
    match value:
        case {
            "subject": list() as subjects,
            "predicate": {
                "buildDefinition": {
                    "buildType": str() as build_type,
                    "externalParameters": dict() as external,
                    **definition,
                },
                "runDetails": {"builder": {"id": str() as builder}},
            },
        }:
            pass
        case _:
            raise StatementFault("statement_malformed", "a field is missing or of another kind")
    internal, materials = definition.get("internalParameters", {}), definition.get("resolvedDependencies", [])
    if not isinstance(internal, dict) or not isinstance(materials, list):
        raise StatementFault("statement_malformed", "a field is of another kind")
    if len(subjects) > MAX_SUBJECTS:
        raise StatementFault("too_many_subjects", f"{len(subjects)} subjects, at most {MAX_SUBJECTS}")
    found = [_material(item) for item in subjects]
    check_subjects([item.name for item in found])
    return Said(
        subjects={item.name: item.sha256 for item in found},
        builder=builder,
        build_type=build_type,
        external=external,
        internal=internal,
        materials=tuple(_material(item) for item in materials),
    )


def check_subjects(names: Sequence[str]) -> None:
    """Raises StatementFault for names that no statement of ours may have."""
    if not names:
        raise StatementFault("statement_malformed", "it has no subject")
    if len(names) > MAX_SUBJECTS:
        raise StatementFault("too_many_subjects", f"{len(names)} subjects, at most {MAX_SUBJECTS}")
    for name in names:
        if not is_safe(name):
            raise StatementFault("subject_name_unsafe", f"{name[:80]!r} is no plain relative path")
    if len(set(names)) != len(names):
        raise StatementFault("subject_repeated", "a subject stands twice")


def is_safe(name: str) -> bool:
    """Whether ``name`` is a relative POSIX path that stays below where it starts."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and 0 < len(name.encode("utf-8", "replace")) <= 255
        and not any(part in ("", ".", "..") for part in parts)
    )


def _material(value: Any) -> Material:
    match value:
        case {"name": str() as name, "digest": {"sha256": str() as sha256}, **rest} if _SHA256_RE.fullmatch(sha256):
            annotations = rest.get("annotations", {})
            if isinstance(annotations, dict):
                return Material(name=name, sha256=sha256, annotations=annotations)
    raise StatementFault("statement_malformed", "a subject or dependency lacks its name or SHA-256")
