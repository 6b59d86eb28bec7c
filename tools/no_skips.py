"""Fail unless every JUnit report given has tests, and none of them failed or was skipped.

Usage: no_skips.py REPORT.xml...
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET  # the reports are our own
from collections.abc import Sequence
from pathlib import Path


def faults(report: Path) -> list[str]:
    """What is wrong with ``report``, one line each; empty when all of its tests ran and passed."""
    try:
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314
    except (OSError, ET.ParseError) as error:
        return [f"{report}: cannot be read: {error}"]
    if not cases:
        return [f"{report}: holds no test"]
    found = []
    for case in cases:
        for outcome in ("skipped", "failure", "error"):
            mark = case.find(outcome)
            if mark is not None:
                name = f"{case.get('classname')}::{case.get('name')}"
                found.append(f"{report}: {outcome}: {name}: {mark.get('message', '')}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 all well, 1 a fault, 2 no report named."""
    if not arguments:
        sys.stderr.write(f"{__doc__}")
        return 2
    found = [line for name in arguments for line in faults(Path(name))]
    for line in found:
        sys.stdout.write(f"{line}\n")
    if not found:
        sys.stdout.write(f"{len(arguments)} reports: every test ran and passed\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
