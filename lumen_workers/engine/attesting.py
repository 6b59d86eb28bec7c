"""Who attests for a region on a home: its key, its certificate, and the home's log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from lumen_workers.domain.clock import Clock
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.ports import Signer, Store
from lumen_workers.trust.checkpoints import parse_checkpoint
from lumen_workers.trust.evidence.attest import Attestor
from lumen_workers.trust.evidence.form import parse_evidence
from lumen_workers.trust.keys import create_key, fingerprint_of, load_ed25519
from lumen_workers.trust.notes import NoteSigner, parse_note
from lumen_workers.trust.pki.home import Standing, TrustHome
from lumen_workers.trust.pki.upkeep import open_trust
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.proof import parse_proof
from lumen_workers.trust.tlog.sequencer import Sequencer, Witnesses

LOG_KEY: Final = "log.pem"


def trust_home(home: Path) -> TrustHome:
    """The trust of a home; nothing is made."""
    return TrustHome(home / "keys", home / "trust")


def log_folder(home: Path) -> LogFolder:
    """The log of a home; nothing is made."""
    return LogFolder(home / "log")


def log_of(home: Path, evidence: bytes | None) -> LogFolder | None:
    """The home's log if it is the one that an evidence file (nothing of which is verified) names; None otherwise."""
    folder = log_folder(home)
    try:
        published = folder.checkpoint()
        if evidence is None or published is None:
            return None
        named = parse_proof(parse_evidence(evidence).proof).checkpoint
        same = _origin(named) == _origin(published)
    except (OSError, ValueError):
        return None
    return folder if same else None


def _origin(note: bytes) -> str:
    return parse_checkpoint(parse_note(note).text).origin


def log_signer(home: Path, *, origin: str | None = None, passphrase: str | None = None) -> NoteSigner:
    """The key of a home's log, made at first use; unless there is an ``origin``, it is named by its own fingerprint."""
    path = home / "keys" / LOG_KEY
    try:
        private = load_ed25519(path, passphrase)
    except NotFound:
        create_key(path, passphrase)
        private = load_ed25519(path, passphrase)
    return NoteSigner(origin or f"lumen.local/log/{fingerprint_of(private.public_key())[:16]}", private)


def make_attestor(
    *,
    home: Path,
    region: str,
    signer: Signer,
    store: Store,
    clock: Clock,
    holder: str,
    lease_ttl: timedelta,
    log: NoteSigner,
    witnesses: Witnesses | None = None,
) -> Attestor:
    """The attestor of ``region`` in ``home``."""

    def trust() -> tuple[TrustHome, Standing]:
        return open_trust(
            home / "keys", home / "trust", region=region, signer=signer, log_vkey=log.key.vkey, now=store.now()
        )

    return Attestor(
        region=region,
        signer=signer,
        trust=trust,
        sequencer=Sequencer(
            folder=log_folder(home),
            signer=log,
            logs=store.logs,
            leases=store.leases,
            holder=holder,
            ttl=lease_ttl,
            now=store.now,
            clock=clock,
            witnesses=witnesses,
        ),
    )
