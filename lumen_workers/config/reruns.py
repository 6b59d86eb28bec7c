"""``configs/reruns.yaml``: what is done about a class of failures, where it differs from the failure table."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from lumen_workers.config.files import Number, Strict
from lumen_workers.domain.failures import AlarmSeverity


def _some(values: tuple[float, ...]) -> tuple[float, ...]:
    if not 1 <= len(values) <= 10:
        raise ValueError(f"needs 1 to 10 values, not {len(values)}")
    return values


Seconds = Annotated[Number, Field(ge=0, le=86_400)]


class RerunFile(Strict):
    """One class. What is not given stays as the failure table has it; the meanings are those of ``Policy``."""

    reruns: Annotated[int | None, Field(ge=0, le=10)] = None
    backoff_s: Annotated[tuple[Seconds, ...], Field(strict=False), AfterValidator(_some)] | None = None
    ticket: bool | None = None
    severity: Annotated[AlarmSeverity, Field(strict=False)] | None = None
    budget: Annotated[int | None, Field(ge=0, le=10_000)] = None


class RerunsFile(Strict):
    """``configs/reruns.yaml``: the classes of the failure table, any of them."""

    network: RerunFile = RerunFile()
    external_api: RerunFile = RerunFile()
    token_expired: RerunFile = RerunFile()
    dependency: RerunFile = RerunFile()
    build: RerunFile = RerunFile()
    environment: RerunFile = RerunFile()
    unknown: RerunFile = RerunFile()

    def changes(self, error_class: str) -> dict[str, Any]:
        """The fields of a class's ``Policy`` that the file gives."""
        one: RerunFile = getattr(self, error_class)
        return {name: getattr(one, name) for name in type(one).model_fields if getattr(one, name) is not None}
