from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault, NotFound, TokenExpired, UsageError
from lumen_workers.trust.pins import Pins, open_signer, retire_signer, rotate_signer
from lumen_workers.trust.signatures import SignatureState, sign_bytes, verify

A, B = "a" * 64, "b" * 64


def test_first_use_pins_and_the_same_again_is_fine(tmp_path: Path) -> None:
    pins = Pins(tmp_path)
    assert pins.get("one") is None
    pins.pin("one", A)
    pins.pin("one", A)
    assert pins.get("one") == A
    with pytest.raises(CheckFailed, match="changed"):
        pins.pin("one", B)
    assert pins.all() == {"one": (A,)}


def test_peers_join_and_may_not_contradict(tmp_path: Path) -> None:
    pins = Pins(tmp_path)
    pins.pin("one", A)
    assert pins.all({"two": B}) == {"one": (A,), "two": (B,)}
    assert pins.all({"one": A}) == {"one": (A,)}
    with pytest.raises(ConfigError, match="one"):
        pins.all({"one": B})


def test_a_rotated_key_goes_on_to_count_until_it_is_revoked(tmp_path: Path) -> None:
    pins = Pins(tmp_path)
    pins.pin("one", A)
    pins.rotate("one", B)
    assert (pins.get("one"), pins.known("one")) == (B, (B, A))
    assert pins.all({"one": A}) == {"one": (B, A)}
    assert pins.all({"two": (A, B)})["two"] == (A, B)
    pins.pin("one", B)
    with pytest.raises(CheckFailed, match="present key"):
        pins.revoke("one", B)
    pins.revoke("one", A)
    assert pins.known("one") == (B,)
    with pytest.raises(NotFound, match="not pinned in this home"):
        pins.revoke("one", A)


def test_a_rotation_keeps_of_the_old_key_its_public_half(tmp_path: Path) -> None:
    old = open_signer(tmp_path, "us-west-2", "secret")
    new = rotate_signer(tmp_path, "us-west-2", "secret")
    assert open_signer(tmp_path, "us-west-2", "secret").fingerprint == new.fingerprint != old.fingerprint
    assert Pins(tmp_path).known("us-west-2") == (new.fingerprint, old.fingerprint)
    [kept] = (tmp_path / "archive").iterdir()
    assert kept.read_text() == old.public_pem
    signed = sign_bytes(b"data", old, region="us-west-2")
    pinned = Pins(tmp_path).all()["us-west-2"]
    assert verify(signed, b"data", region="us-west-2", pinned=pinned) is SignatureState.VALID
    Pins(tmp_path).revoke("us-west-2", old.fingerprint)
    pinned = Pins(tmp_path).all()["us-west-2"]
    assert verify(signed, b"data", region="us-west-2", pinned=pinned) is SignatureState.KEY_MISMATCH


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("rename", [1, 2, 3])
def test_a_rotation_that_is_killed_leaves_a_key_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int, after: bool
) -> None:
    """Killed before or after each of its renames: of the new key's file, of the pins, of the new key to its place."""
    old = open_signer(tmp_path, "us-west-2", "secret")
    real, left = Path.replace, [None] * rename

    def dying(path: Path, target: Path) -> Path:
        left.pop()
        if not left and not after:
            raise Killed
        real(path, target)
        if not left:
            raise Killed
        return target

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(Killed):
        rotate_signer(tmp_path, "us-west-2", "secret")
    monkeypatch.setattr(Path, "replace", real)
    pinned = rename == 3 or (rename == 2 and after)
    found = open_signer(tmp_path, "us-west-2", "secret").fingerprint
    known = Pins(tmp_path).known("us-west-2")
    assert (found != old.fingerprint) is pinned
    assert known == ((found, old.fingerprint) if pinned else (old.fingerprint,))
    again = rotate_signer(tmp_path, "us-west-2", "secret")
    assert Pins(tmp_path).known("us-west-2") == (again.fingerprint, *known)
    assert open_signer(tmp_path, "us-west-2", "secret").fingerprint == again.fingerprint
    assert not (tmp_path / "us-west-2.next").exists()


def test_a_process_that_reads_amid_a_rotation_gets_the_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_signer(tmp_path, "us-west-2")
    new: list[str] = []

    def known(pins: Pins, region: str) -> tuple[str, ...]:
        if not new:  # the key has been read, its pin has not
            new.append("")
            new[0] = rotate_signer(tmp_path, region).fingerprint
        return read(pins, region)

    read = Pins.known
    monkeypatch.setattr(Pins, "known", known)
    assert open_signer(tmp_path, "us-west-2").fingerprint == new[0]


def test_a_former_key_that_is_put_back_is_not_taken(tmp_path: Path) -> None:
    open_signer(tmp_path, "us-west-2")
    pem = (tmp_path / "us-west-2.pem").read_bytes()
    rotate_signer(tmp_path, "us-west-2")
    (tmp_path / "us-west-2.pem").write_bytes(pem)
    with pytest.raises(CheckFailed, match="changed"):
        open_signer(tmp_path, "us-west-2")


def test_a_key_that_leaves_the_home_leaves_its_public_half(tmp_path: Path) -> None:
    retire_signer(tmp_path, "us-west-2")
    old = open_signer(tmp_path, "us-west-2", "secret")
    with pytest.raises(TokenExpired):
        retire_signer(tmp_path, "us-west-2", "wrong")
    retire_signer(tmp_path, "us-west-2", "secret")
    assert not (tmp_path / "us-west-2.pem").exists()
    [kept] = (tmp_path / "archive").iterdir()
    assert kept.read_text() == old.public_pem
    new = rotate_signer(tmp_path, "us-west-2", "secret")
    assert Pins(tmp_path).known("us-west-2") == (new.fingerprint, old.fingerprint)


def test_a_peer_is_not_written_down(tmp_path: Path) -> None:
    Pins(tmp_path).all({"two": B})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 65, "a" * 64 + "\n\n" + "b" * 64])
def test_malformed_fingerprints(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="64 lower-case hex"):
        Pins(tmp_path).all({"two": value})
    with pytest.raises(ConfigError):
        Pins(tmp_path).pin("two", value)
    (tmp_path / "one.pin").write_text(value)
    with pytest.raises(ConfigError, match=r"one\.pin"):
        Pins(tmp_path).all()


def test_bad_region_among_the_peers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="region"):
        Pins(tmp_path).all({"../two": B})


def test_no_folder_has_no_pins(tmp_path: Path) -> None:
    assert Pins(tmp_path / "none").all() == {}


def test_unreadable_and_unwritable(tmp_path: Path) -> None:
    (tmp_path / "one.pin").mkdir()
    with pytest.raises(EnvironmentFault):
        Pins(tmp_path).get("one")
    with pytest.raises(EnvironmentFault):
        Pins(tmp_path / "none").pin("one", A)
