"""``SHA256SUMS.txt``: the snapshot's files in the form that ``sha256sum -c`` reads.

It covers the manifest, the bundle as compressed, and the plain files: what a stranger can check with nothing but
coreutils. It carries no authority of its own; the manifest does, through its signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE_RE = re.compile(r"([0-9a-f]{64})  ([^\\\n]+)")


def write_sums(digests: Mapping[str, str]) -> bytes:
    """The file's bytes for path → SHA-256 (hex), sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """Path → SHA-256. Raises ValueError for anything but what ``write_sums`` writes."""
    text = data.decode()
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE_RE.fullmatch(line)
        if not match:
            raise ValueError(f"{line[:80]!r} is not a checksum line")
        found[match[2]] = match[1]
    if write_sums(found) != data:
        raise ValueError("lines are not sorted, or a path occurs twice")
    return found
