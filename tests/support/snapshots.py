"""A frozen, signed day to verify and to tamper with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumen_workers.archive.faults import Verification
from lumen_workers.archive.freeze import Snapshot
from lumen_workers.archive.layout import MANIFEST, signature_path
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.domain.runs import Seal
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.signatures import Pinned, sign_bytes

DAY = date(2026, 3, 1)


def make_seal(day: date = DAY, revision: int = 1) -> Seal:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Seal(
        pipeline="daily",
        day=day,
        revision=revision,
        start=start,
        end=start + timedelta(days=1),
        cutoff=start + timedelta(days=1),
        watermark={"main": 7, "demo": 3},
        settings={"locale": "ko", "alpha": 0.1},
        code_version="0123456789abcdef",
        config_digest="ab" * 32,
        prev_digest=None,
        sealed_at=start + timedelta(days=1, minutes=5, microseconds=123456),
    )


def make_files(folder: Path, seal: Seal) -> Path:
    contents = {
        "controls/seal.json": json.dumps(seal.as_json(), indent=2).encode(),
        "controls/reports/report.md": f"# {seal.day} 하루\n".encode(),
        "controls/reports/empty.txt": b"",
        "loops/main/logs/metrics.csv": b"ts,phase_diff\n" + b"2026-03-01T00:00:00+00:00,0.5\n" * 4000,
        "loops/main/logs/other.csv": b"ts,phase_diff\n" + b"2026-03-01T00:00:00+00:00,0.6\n" * 4000,
    }
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@dataclass
class Day:
    """A snapshot, the keys that its regions sign with, and the pins."""

    folder: Path
    snapshot: Snapshot
    keys: dict[str, RegionKey] = field(default_factory=dict)

    @property
    def pinned(self) -> Mapping[str, str]:
        return {region: key.fingerprint for region, key in self.keys.items()}

    def sign(self, region: str, key: RegionKey | None = None) -> None:
        signer = key or self.keys.setdefault(region, RegionKey(Ed25519PrivateKey.generate()))
        path = self.folder / signature_path(region)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(sign_bytes((self.folder / MANIFEST).read_bytes(), signer, region=region))

    def sign_again(self) -> None:
        """As the regions themselves would: to look at what a signature does not cover."""
        for region in self.keys:
            self.sign(region)

    def verify(
        self,
        *,
        pinned: Mapping[str, Pinned] | None = None,
        require: Sequence[str] = (),
        day: date | None = None,
        revision: int | None = None,
    ) -> Verification:
        pins = self.pinned if pinned is None else pinned
        return verify_snapshot(self.folder, pinned=pins, require=require, day=day, revision=revision)

    def faults(
        self,
        *,
        pinned: Mapping[str, Pinned] | None = None,
        require: Sequence[str] = (),
        day: date | None = None,
        revision: int | None = None,
    ) -> set[tuple[str, str]]:
        found = self.verify(pinned=pinned, require=require, day=day, revision=revision)
        return {(fault.path, fault.reason.value) for fault in found.faults}


MakeDay = Callable[..., Day]
