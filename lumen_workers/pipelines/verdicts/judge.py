"""The verdict on an exception: the rules, over the error and what caused it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from lumen_workers.domain.failures import Verdict
from lumen_workers.pipelines.verdicts.retry_after import retry_after_s
from lumen_workers.pipelines.verdicts.rules import RULES, Rule, generic, text

MAX_LINKS: Final = 100
"""So many errors of a chain or a group are looked at."""

GRAVITY: Final = ("environment", "dependency", "token_expired", "build", "external_api", "network", "unknown")
"""Of several failures at once the first of these decides: what needs a person is not mended by trying again."""

NOTHING: Final = Verdict(error_class="unknown", rule="no rule")

T = TypeVar("T")


def judge(error: BaseException) -> Verdict:
    """The class of ``error``, and the rule that told it. Never raises, whatever the error's own code does.

    The error itself is looked at first, then its causes, then messages, and generic names last.
    """
    return _asked(partial(_judge, error, set())) or NOTHING


def _judge(error: BaseException, seen: set[int]) -> Verdict:
    links = list(_chain(error, seen))
    verdict = _first(links, RULES, seen) or _first(links, (text,), seen) or _first(links, (generic,), seen) or NOTHING
    if verdict.retry_after_s is not None:
        return verdict
    waits = (_asked(partial(retry_after_s, link)) for link in links)
    return replace(verdict, retry_after_s=next((wait for wait in waits if wait is not None), None))


def _first(links: Iterable[BaseException], rules: Iterable[Rule], seen: set[int]) -> Verdict | None:
    """What the first rule says that has something to say on the first link that it knows."""
    for depth, link in enumerate(links):
        origin = "cause: " if depth else ""
        for rule in rules:
            if (found := _asked(partial(rule, link))) is not None:
                return Verdict(error_class=found[0], rule=f"{origin}{found[1]}")
        if rules is RULES and isinstance(link, BaseExceptionGroup) and (worst := _gravest(link, seen)) is not None:
            return replace(worst, rule=f"{origin}member: {worst.rule}")
    return None


def _gravest(group: BaseExceptionGroup[BaseException], seen: set[int]) -> Verdict | None:
    """The verdict on the member that needs a person most; the first of equals. None: nothing is known of any."""
    verdicts = [_judge(member, seen) for member in group.exceptions if len(seen) < MAX_LINKS]
    worst = min(verdicts, key=lambda verdict: GRAVITY.index(verdict.error_class), default=NOTHING)
    return None if worst.rule == NOTHING.rule else worst


def _chain(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """The error and what it came from. Two errors may name each other; ``seen`` ends that."""
    link: BaseException | None = error
    while isinstance(link, BaseException) and id(link) not in seen and len(seen) < MAX_LINKS:
        seen.add(id(link))
        yield link
        link = _before(link)


def _before(link: BaseException) -> BaseException | None:
    if link.__cause__ is not None:
        return link.__cause__
    # What was pickled on its way has lost its cause; some keep the error that they stand for.
    for name in ("exc", "reason", "orig"):
        if isinstance(held := _asked(partial(getattr, link, name, None)), BaseException):
            return held
    return None if link.__suppress_context__ else link.__context__


def _asked(question: Callable[[], T]) -> T | None:
    """The answer, or None where finding it raised: foreign errors may have properties and texts that do."""
    try:
        return question()
    except Exception:  # noqa: BLE001 — a verdict must not fail because of what it judges
        return None
