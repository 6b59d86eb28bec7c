"""What other processes do to a home's trust and to a root in the tests; killed at a given step, if that is wanted."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from support.evidence import ed25519
from support.logs import SIGNER

from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.home import TrustHome
from lumen_workers.trust.pki.upkeep import open_trust

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
REGION: Final = "ap-northeast-2"
KEY: Final = RegionKey(ed25519(6))
VKEY: Final = SIGNER.key.vkey

STEPS: Final = frozenset({"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"})
"""What the interpreter announces before it does it (sys.addaudithook): every change of a folder is one of these."""


def home_in(folder: Path) -> TrustHome:
    return TrustHome(folder / "home" / "keys", folder / "home" / "trust")


def use(folder: Path, now: datetime = NOW) -> TrustHome:
    """The home opened, as a worker does; makes a development root where there is none."""
    home = home_in(folder)
    return open_trust(home.keys, home.trust, region=REGION, signer=KEY, log_vkey=VKEY, now=now)[0]


def renew(folder: Path) -> None:
    """The same, when everything is about to end."""
    use(folder, NOW + 170 * DAY)


def create(folder: Path) -> None:
    """A root of an operator's."""
    Authority.create(folder / "root", None, NOW)


def issue(folder: Path) -> None:
    """A certificate under it, the log named, into the home."""
    home, root = home_in(folder), Authority.open(folder / "root", None)
    if VKEY not in root.policy_text():
        root.publish(NOW, policy=f"log {VKEY}\nquorum none\n")
    public: Any = load_pem_public_key(KEY.public_pem.encode())
    certificate = root.issue(REGION, public, NOW, 180)
    response = root.answer(certificate, NOW)
    with home.alone():
        home.install(root.trust_file(), root.ledger.whole(), first=home.exists and home.development)
        home.put(REGION, certificate, response)


def revoke(folder: Path) -> None:
    """The last certificate revoked, unless it is."""
    root = Authority.open(folder / "root", None)
    serial = int([line["serial"] for line in root.ledger.lines() if line["event"] == "issued"][-1], 16)
    if serial not in {item.serial for item in root.revocations()}:
        root.revoke(serial, "key_compromise", NOW)
    else:
        root.publish(NOW)
    home = home_in(folder)
    with home.alone():
        home.install(root.trust_file(), root.ledger.whole())


def follow(folder: Path) -> None:
    """A second root follows the first, in the home too."""
    old, new = (Authority.open(folder / name, None) for name in ("root", "second"))
    new.follow(old, NOW, "yearly")
    home = home_in(folder)
    with home.alone():
        home.install(new.trust_file(), new.ledger.whole())


ACTS: Final = {act.__name__: act for act in (use, renew, create, issue, revoke, follow)}


def die_at(act: str, folder: Path, step: int) -> None:
    """Do ``act``, and be killed just before the step number ``step`` (from 1); ends well beyond the last."""
    left = step

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in STEPS and not reads and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    ACTS[act](folder)
