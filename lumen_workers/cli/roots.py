"""What the commands of a root's operator share: the root opened, its passphrase asked for, its word handed on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

    from lumen_workers.config import Settings
    from lumen_workers.trust.dsse import PublicKey
    from lumen_workers.trust.pki.authority import Authority
    from lumen_workers.trust.pki.home import TrustHome


def load_settings() -> Settings:
    """The operator's settings."""
    from lumen_workers import config

    return config.load()


def now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def home_of(settings: Settings) -> TrustHome:
    """This home's trust; nothing is made."""
    from lumen_workers.engine.attesting import trust_home

    return trust_home(settings.home)


def passphrase(settings: Settings, *, twice: bool = False) -> str:
    """The root's passphrase. Raises UsageError where nobody can be asked."""
    from lumen_workers.cli.phrases import phrase

    return phrase("root's passphrase", None, settings.env.ca_pass, "LUMEN_CA_PASS", twice=twice, from_file=False)


def open_root(settings: Settings, folder: Path) -> Authority:
    """The root in ``folder``; its passphrase is asked for if it has one. Raises what ``Authority.open`` raises."""
    from lumen_workers.domain.errors import EnvironmentFault
    from lumen_workers.trust.pki.authority import KEY, Authority

    path = folder / KEY
    try:
        encrypted = path.is_file() and b"ENCRYPTED" in path.read_bytes()
    except OSError as error:
        raise EnvironmentFault(f"cannot read {path}: {error.strerror}") from None
    return Authority.open(folder, passphrase(settings) if encrypted else None)


def gives_way(home: TrustHome) -> bool:
    """Whether another root may come without a rotation: one for development has never been anybody's anchor."""
    return home.exists and home.development


def name_log(root: Authority, vkey: str) -> None:
    """See to it that the trust document names a log."""
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.tlog.policy import parse_policy

    text = root.policy_text()
    if parse_policy(text).log(parse_vkey(vkey).name) is None:
        root.publish(now(), policy=f"log {vkey}\n{text}")


def issue_into(
    home: TrustHome, root: Authority, region: str, public: PublicKey, *, days: int, first: bool
) -> x509.Certificate:
    """A certificate for ``public``, put into ``home`` with all that the root vouches for.

    Raises CheckFailed, before anything is issued, where the root does not follow that of the home; with ``first`` it
    need not.
    """
    home.check(root.trust_file(), first=first)
    certificate = root.issue(region, public, now(), days)
    response = root.answer(certificate, now())
    with home.alone():
        home.install(root.trust_file(), root.ledger.whole(), first=first)
        home.put(region, certificate, response)
    return certificate


def hand_on(settings: Settings, root: Authority) -> bool:
    """The root's newest word into this home, if it is under this root."""
    home = home_of(settings)
    if not home.exists or home.root != root.certificate:
        return False
    with home.alone():
        home.install(root.trust_file(), root.ledger.whole())
    return True


def issued_here(settings: Settings, root: Authority) -> dict[str, x509.Certificate]:
    """Region → certificate of this home, where the root has issued it."""
    home = home_of(settings)
    found = {region: home.certificate(region) for region in settings.regions}
    return {region: item for region, item in found.items() if item is not None and root.issued(item)}
