"""Killed at every step: what is half done is never used, nothing that was said is taken back, and again mends it."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from support import trust_writers as writers
from support.trust_writers import KEY, NOW, REGION, home_in

from lumen_workers.domain.errors import LumenError, TokenExpired, UsageError
from lumen_workers.trust.pki.authority import Authority
from lumen_workers.trust.pki.crl import check_crl
from lumen_workers.trust.pki.documents import read_rotation, read_trust

CONTEXT = get_context("fork")  # nothing here has threads, and another start costs a second each time


def killed_everywhere(act: str, ready: Path, folder: Path) -> Iterator[Path]:
    """Copies of ``ready`` in which ``act`` was killed at step 1, 2, 3 …; the last one is where it came to its end."""
    step, ended = 0, False
    while not ended:
        step += 1
        copy = folder / f"{act} {step}"
        shutil.copytree(ready, copy)
        writer = CONTEXT.Process(target=writers.die_at, args=(act, copy, step))
        writer.start()
        writer.join(60)
        ended = writer.exitcode == 0
        assert writer.exitcode in (0, -signal.SIGKILL)
        yield copy
        shutil.rmtree(copy)
    assert step > 5


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    (tmp_path / "ready").mkdir()
    return tmp_path / "ready"


def in_order(folder: Path) -> None:
    """The home's files fit each other, and other people's tools get the same from each."""
    home = home_in(folder)
    standing = home.standing(REGION, KEY.fingerprint, NOW)
    assert (home.trust / "crl.der").read_bytes() == home.trust_file().crl
    answer = x509.ocsp.load_der_ocsp_response(home.ocsp_path(REGION).read_bytes())
    assert answer.serial_number == standing.certificate.serial_number


def numbers(root: Authority) -> tuple[int, int]:
    file = root.trust_file()
    return read_trust(file.trust, root.certificate).version, check_crl(file.crl, root.certificate).number


def test_first_use(ready: Path, tmp_path: Path) -> None:
    for folder in killed_everywhere("use", ready, tmp_path):
        if home_in(folder).exists:
            assert home_in(folder).development
        home = writers.use(folder)
        assert home.development
        in_order(folder)
        assert not any(b"PRIVATE" in path.read_bytes() for path in home.trust.rglob("*") if path.is_file())


def test_renewal(ready: Path, tmp_path: Path) -> None:
    home = writers.use(ready)
    root = Authority.open(home.development_root, None)
    before, first = numbers(root), home.certificate(REGION)
    assert first is not None
    for folder in killed_everywhere("renew", ready, tmp_path):
        writers.renew(folder)
        later = NOW + 170 * writers.DAY
        standing = home_in(folder).standing(REGION, KEY.fingerprint, later)
        assert standing.certificate != first
        assert home_in(folder).certificates(REGION, first.serial_number)
        root = Authority.open(home_in(folder).development_root, None)
        assert numbers(root) > before
        assert numbers(root)[1] == standing.crl.number


def test_a_new_root(ready: Path, tmp_path: Path) -> None:
    made = 0
    for folder in killed_everywhere("create", ready, tmp_path):
        try:
            root = Authority.open(folder / "root", None)
            root.trust_file()
            made += 1
            assert numbers(root) == (1, 1)
        except LumenError:
            # It was never whole, and nothing is made over what is there: the operator empties the folder.
            if (folder / "root").exists() and any((folder / "root").iterdir()):
                with pytest.raises(UsageError):
                    Authority.create(folder / "root", None, NOW)
                shutil.rmtree(folder / "root")
            writers.create(folder)
    assert made


@pytest.mark.parametrize("before", ["nothing", "development", "real"])
def test_issuing_into_a_home(ready: Path, tmp_path: Path, before: str) -> None:
    writers.create(ready)
    if before == "development":
        writers.use(ready)
    if before == "real":
        writers.issue(ready)
    root = Authority.open(ready / "root", None)
    for folder in killed_everywhere("issue", ready, tmp_path):
        home, own = home_in(folder), Authority.open(folder / "root", None)
        if before == "nothing":
            # A worker that comes meanwhile may make a development root, as long as nothing real was taken over.
            with contextlib.suppress(TokenExpired):
                assert writers.use(folder).root_fingerprint == root.fingerprint or home.development
        assert numbers(own) >= numbers(root)
        writers.issue(folder)
        assert home.root_fingerprint == root.fingerprint
        in_order(folder)
        assert writers.use(folder).root_fingerprint == root.fingerprint
        known = {line["serial"] for line in own.ledger.lines() if line["event"] == "issued"}
        found = home.certificate(REGION)
        assert found is not None
        assert f"{found.serial_number:x}" in known
        assert (home.trust / "trust_rotation.jsonl").read_bytes() == own.ledger.whole()


def test_revoking(ready: Path, tmp_path: Path) -> None:
    writers.create(ready)
    writers.issue(ready)
    for folder in killed_everywhere("revoke", ready, tmp_path):
        home, root = home_in(folder), Authority.open(folder / "root", None)
        before = check_crl(home.trust_file().crl, home.root)
        published = check_crl(root.trust_file().crl, root.certificate)
        assert before.revoked.keys() <= published.revoked.keys() <= {item.serial for item in root.revocations()}
        writers.revoke(folder)
        after = check_crl(home.trust_file().crl, home.root)
        assert len(after.revoked) == 1
        assert after.number >= max(3, published.number)
        with pytest.raises(TokenExpired, match="is revoked"):
            writers.use(folder)


def test_a_root_that_follows(ready: Path, tmp_path: Path) -> None:
    writers.create(ready)
    writers.issue(ready)
    Authority.create(ready / "second", None, NOW)
    old = Authority.open(ready / "root", None)
    for folder in killed_everywhere("follow", ready, tmp_path):
        home, new = home_in(folder), Authority.open(folder / "second", None)
        assert home.root_fingerprint in (old.fingerprint, new.fingerprint)
        writers.follow(folder)
        file = home.trust_file()
        assert home.root_fingerprint == new.fingerprint
        assert len(file.rotations) == len(file.former_roots) == 1
        read_rotation(file.rotations[0], old.certificate, new.certificate)
        assert new.policy_text() == old.policy_text()
