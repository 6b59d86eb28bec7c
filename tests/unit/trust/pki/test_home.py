"""What a home takes over, and what not; and which state of its files it works with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.evidence import DAY, NOW, ROOT, Root, ed25519

from lumen_workers.domain.errors import CheckFailed, ConfigError, NotFound, TokenExpired
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.chain import load_certificate
from lumen_workers.trust.pki.home import TrustHome
from lumen_workers.trust.pki.trust_file import TrustFile
from lumen_workers.trust.pki.upkeep import open_trust

A = "ap-northeast-2"
POLICY = "quorum none\n"
SECOND, THIRD = Root(2), Root(3)
KEY = RegionKey(ed25519(6))


def file_of(root: Root = ROOT, *former: Root, version: int = 3, number: int = 5) -> TrustFile:
    line = [*former, root]
    return TrustFile(
        root=root.der,
        former_roots=tuple(item.der for item in former),
        rotations=tuple(old.rotation(new, NOW) for old, new in pairwise(line)),
        trust=root.trust(POLICY, version=version),
        crl=root.crl(number=number),
    )


@pytest.fixture
def home(tmp_path: Path) -> TrustHome:
    made = TrustHome(tmp_path / "keys", tmp_path / "trust")
    made.install(file_of())
    return made


def files(home: TrustHome) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.trust.rglob("*") if path.is_file()}


def test_a_newer_word_is_taken_and_an_older_one_is_not(home: TrustHome) -> None:
    home.install(file_of(number=6))
    home.install(file_of(version=4, number=6))
    home.install(file_of(version=4, number=6))
    before = files(home)
    for older in (file_of(version=4, number=5), file_of(version=3, number=9)):
        with pytest.raises(CheckFailed, match="older than the present one: version"):
            home.install(older)
    assert files(home) == before


def test_a_rotation_leads_to_another_root(home: TrustHome) -> None:
    home.install(file_of(THIRD, ROOT, SECOND))
    assert home.root_fingerprint == THIRD.fingerprint
    with pytest.raises(CheckFailed, match="no rotation leads from it"):
        home.install(file_of(SECOND, ROOT))
    home.install(file_of(THIRD, SECOND, version=9, number=9))


def test_a_root_that_nothing_leads_to(home: TrustHome) -> None:
    before = files(home)
    for stranger in (file_of(SECOND), file_of(SECOND, THIRD)):
        with pytest.raises(CheckFailed, match="no rotation leads from it"):
            home.install(stranger)
    assert files(home) == before
    home.install(file_of(SECOND), first=True)
    assert home.root_fingerprint == SECOND.fingerprint


@pytest.mark.parametrize(
    "forged",
    [
        replace(file_of(SECOND, ROOT), rotations=()),
        replace(file_of(SECOND, ROOT), rotations=(THIRD.rotation(SECOND, NOW),)),
        replace(file_of(SECOND, ROOT), rotations=(SECOND.rotation(SECOND, NOW),)),
        replace(file_of(THIRD, ROOT, SECOND), rotations=(ROOT.rotation(SECOND, NOW),)),
        replace(file_of(), trust=SECOND.trust(POLICY)),
        replace(file_of(), crl=SECOND.crl()),
        replace(file_of(), crl=b""),
        replace(file_of(), root=b"x"),
        replace(file_of(), former_roots=(b"x",), rotations=(ROOT.rotation(SECOND, NOW),)),
    ],
    ids=["no rotation", "another's", "its own", "half the way", "trust", "crl", "no crl", "no root", "no former root"],
)
def test_a_file_that_does_not_hold_is_never_taken(home: TrustHome, forged: TrustFile) -> None:
    before = files(home)
    for first in (False, True):
        with pytest.raises(CheckFailed, match="does not hold"):
            home.install(forged, first=first)
    assert files(home) == before


def test_what_a_crash_has_left_is_mended_by_doing_it_again(home: TrustHome) -> None:
    """The file of the new root is there, and the pinned one still the old: neither is used with the other."""
    file = file_of(SECOND, ROOT)
    (home.trust / "trust.json").write_bytes(file.dump())
    home.put(A, load_certificate(ROOT.issue(ed25519(6).public_key(), region=A)), None)
    with pytest.raises(TokenExpired, match="install what the root has issued"):
        home.standing(A, KEY.fingerprint, NOW)
    home.install(file)
    home.put(A, load_certificate(SECOND.issue(ed25519(6).public_key(), region=A)), None)
    assert home.standing(A, KEY.fingerprint, NOW).root == SECOND.certificate


def test_a_certificate_makes_room_for_the_next_and_is_kept(home: TrustHome) -> None:
    first, second = (load_certificate(ROOT.issue(ed25519(6).public_key(), region=A)) for _ in range(2))
    home.put(A, first, b"answer")
    home.put(A, second, None)
    home.put(A, second, None)
    assert home.certificate(A) == second
    assert home.certificates(A, first.serial_number) == (der_of(first),)
    assert home.certificates(A, second.serial_number) == (der_of(second),)
    with pytest.raises(NotFound):
        home.certificates(A, 1)


def test_a_certificate_of_tomorrow(home: TrustHome) -> None:
    home.put(A, load_certificate(ROOT.issue(ed25519(6).public_key(), region=A, begin=NOW + DAY)), None)
    with pytest.raises(TokenExpired, match="is not valid before 2026-03-02 11:55 UTC; look at the clock"):
        home.standing(A, KEY.fingerprint, NOW)


def test_a_certificate_of_another_region(home: TrustHome) -> None:
    home.put(A, load_certificate(ROOT.issue(ed25519(6).public_key(), region="us-west-2")), None)
    with pytest.raises(TokenExpired, match="urn:lumen:region:us-west-2"):
        home.standing(A, KEY.fingerprint, NOW)


@pytest.mark.parametrize("name", ["root.pem", "trust.json", f"chain/{A}.pem"])
def test_a_file_that_is_damaged_is_named(home: TrustHome, name: str) -> None:
    home.put(A, load_certificate(ROOT.issue(ed25519(6).public_key(), region=A)), None)
    (home.trust / name).write_bytes(b"damaged")
    with pytest.raises(ConfigError, match=f"{name}.*get a new one"):
        home.standing(A, KEY.fingerprint, NOW)


def test_no_development_root_takes_the_place_of_a_real_one(home: TrustHome) -> None:
    (home.trust / "root.pem").unlink()
    with pytest.raises(TokenExpired, match=rf"lumen pki install.*{ROOT.fingerprint}"):
        open_trust(home.keys, home.trust, region=A, signer=KEY, log_vkey=None, now=NOW)
    assert not home.development_root.exists()


def test_a_development_root_that_was_thrown_away_is_made_anew(tmp_path: Path) -> None:
    home = TrustHome(tmp_path / "keys", tmp_path / "trust")

    def use() -> str:
        return open_trust(home.keys, home.trust, region=A, signer=KEY, log_vkey=None, now=NOW)[0].root_fingerprint

    first = use()
    shutil.rmtree(home.development_root)
    assert use() == first, "nothing has ended yet"
    (home.trust / "root.pem").unlink()
    assert use() != first
    assert Authority.open(home.development_root, None).issued(home.certificate(A))  # type: ignore[arg-type]
