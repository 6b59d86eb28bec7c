"""A failure that a library really raises, and what is to be said of it."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass

from support.failures.peers import Peers

from lumen_workers.pipelines.verdicts import judge
from lumen_workers.pipelines.verdicts.rules import generic, name


@dataclass(frozen=True, kw_only=True)
class Case:
    """``truth`` is the class that whoever knows the cause would give it; ``rule`` a pattern of the verdict's rule.

    ``needs``: the marker of a server that may be missing. ``wait``: bounds of the verdict's ``retry_after_s``.
    """

    name: str
    truth: str
    rule: str
    provoke: Callable[[Peers], object]
    needs: str | None = None
    wait: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a case. ``error``: the qualified name of what was raised; ``by_name``: the class that this name
    alone, and those of its bases, would give it."""

    name: str
    error: str
    truth: str
    verdict: str
    by_name: str
    rule: str
    retry_after_s: float | None


def case(
    name: str,
    truth: str,
    rule: str,
    provoke: Callable[[Peers], object],
    *,
    needs: str | None = None,
    wait: tuple[float, float] | None = None,
) -> Case:
    """A case in one line."""
    return Case(name=name, truth=truth, rule=rule, provoke=provoke, needs=needs, wait=wait)


def run(one: Case, peers: Peers) -> Judged:
    """Provoke it and judge what is raised. AssertionError: nothing was."""
    try:
        one.provoke(peers)
    except BaseException as error:  # noqa: BLE001 — that is what is wanted
        verdict = judge(error)
        return Judged(
            name=one.name,
            error=f"{type(error).__module__}.{type(error).__qualname__}",
            truth=one.truth,
            verdict=verdict.error_class,
            by_name=(name(error) or generic(error) or ("unknown", ""))[0],
            rule=verdict.rule,
            retry_after_s=verdict.retry_after_s,
        )
    raise AssertionError(f"{one.name}: nothing was raised")


def faults(one: Case, found: Judged) -> list[str]:
    """How a verdict differs from what is to be said."""
    said = []
    if found.verdict != one.truth:
        said.append(f"{found.verdict} instead of {one.truth}, by {found.rule}")
    if not fnmatch.fnmatchcase(found.rule, one.rule):
        said.append(f"rule {found.rule!r} instead of {one.rule!r}")
    low, high = one.wait or (None, None)
    wait = found.retry_after_s
    if (wait is None) != (low is None) or (wait is not None and low is not None and not low <= wait <= (high or low)):
        said.append(f"retry after {wait}, not {one.wait}")
    return said
