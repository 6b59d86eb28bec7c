"""All cases, and what their verdicts come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from support.failures import aws, brokers, chains, code, data, databases, http, machine, mail, postgres, sockets
from support.failures.case import Case, Judged

from lumen_workers.pipelines.failures import CLASSES

GROUPS = {
    "HTTP": http.CASES,
    "AWS": aws.CASES,
    "mail": mail.CASES,
    "sockets and TLS": sockets.CASES,
    "SQLite": databases.CASES,
    "PostgreSQL": postgres.CASES,
    "Redis and Celery": brokers.CASES,
    "machine and programs": machine.CASES,
    "code": code.CASES,
    "data": data.CASES,
    "chains and our own": chains.CASES,
}
CASES: list[Case] = [one for cases in GROUPS.values() for one in cases]


def report(found: Iterable[Judged]) -> dict[str, Any]:
    """The confusion matrix (truth → verdict → cases), and what was told by which kind of rule."""
    rows = list(found)
    matrix = Counter((row.truth, row.verdict) for row in rows)
    names = {row.name for row in rows}
    return {
        "cases": len(rows),
        "right": sum(row.truth == row.verdict for row in rows),
        "right_by_name": sum(row.truth == row.by_name for row in rows),
        "errors": len({row.error for row in rows}),
        "groups": {group: sum(one.name in names for one in cases) for group, cases in GROUPS.items()},
        "matrix": {truth: {verdict: matrix[truth, verdict] for verdict in CLASSES} for truth in CLASSES},
        "rules": dict(Counter(_kind(row.rule) for row in rows).most_common()),
    }


def _kind(rule: str) -> str:
    """``errno`` of ``cause: errno ENOSPC``."""
    rule = rule.replace("cause: ", "").replace("member: ", "")
    words = rule.split()
    kinds = {"HTTP": "HTTP status", "SMTP": "SMTP code", "SQLite": "SQLite code", "botocore": "botocore code"}
    return kinds.get(words[0], rule if words[0] in ("no", "time", "worker") else words[0])
