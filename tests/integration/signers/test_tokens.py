"""A signer on a real token (SoftHSM2). Each test asks in a process of its own: a library stays where it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.signers import SoftToken, soft_token

from lumen_workers.domain.errors import DependencyError
from lumen_workers.trust.signers.pkcs11 import TokenDevice
from lumen_workers.trust.signers.sessions import Token

START = """
import os, pathlib, sys, multiprocessing, threading
import pkcs11
from lumen_workers.trust.signers import sessions
from lumen_workers.trust.signers.base import ElsewhereSigner
from lumen_workers.trust.signers.pkcs11 import TokenDevice
from lumen_workers.trust.signers.sessions import Token

def token(label="lumen", pin="482913"):
    return Token(module=sys.argv[1], label=label, pin=pin, lock=pathlib.Path(sys.argv[2]))

def signer(key):
    device = TokenDevice(token(), key)
    return ElsewhereSigner(device, device.public())

def failure(work):
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"
"""

kinds = pytest.mark.parametrize("key", ["p256", "ed25519"])


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return soft_token(tmp_path_factory.mktemp("softhsm"))


@pytest.mark.softhsm
@kinds
def test_a_token_signs_and_so_do_forked_children(token: SoftToken, key: str) -> None:
    code = f"""{START}
here = signer(sys.argv[3])
assert here.sign(b"data") and here.sign(b"")
def inherited(data):
    return os.getpid(), bool(here.sign(data))
def anew(data):
    return os.getpid(), bool(signer(sys.argv[3]).sign(data))
for work in (inherited, anew):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        told = pool.map(work, [b"a", b"b", b"c", b"d"], chunksize=1)
    assert all(done for _, done in told) and os.getpid() not in [pid for pid, _ in told]
assert here.sign(b"still")
print("signed")
"""
    assert token.python(code, key) == "signed"


@pytest.mark.softhsm
def test_signers_and_threads_of_one_process_share_the_login(token: SoftToken) -> None:
    code = f"""{START}
from concurrent.futures import ThreadPoolExecutor
signers = [signer("p256"), signer("p256"), signer("ed25519")]
with ThreadPoolExecutor(8) as pool:
    assert all(pool.map(lambda number: signers[number % 3].sign(b"%d" % number), range(120)))
[process] = sessions._processes.values()
print(len(process.sessions))
"""
    assert token.python(code) == "1"


@pytest.mark.softhsm
def test_processes_that_start_at_once_find_the_token(token: SoftToken) -> None:
    code = f"""{START}
def start(number):
    return bool(signer("p256").sign(b"%d" % number))
for _ in range(5):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert all(pool.map(start, range(8), chunksize=1))
print("signed")
"""
    assert token.python(code) == "signed"


@pytest.mark.softhsm
@kinds
def test_a_session_that_was_lost_is_opened_anew(token: SoftToken, key: str) -> None:
    code = f"""{START}
here = signer(sys.argv[3])
assert here.sign(b"data")
[process] = sessions._processes.values()
[old] = process.sessions.values()
old.close()
assert here.sign(b"data")
[new] = process.sessions.values()
assert new is not old
library = pkcs11.lib(sys.argv[1])
library.reinitialize()  # as after the token was taken out and put back
assert here.sign(b"data")
print("signed")
"""
    assert token.python(code, key) == "signed"


@pytest.mark.softhsm
@pytest.mark.parametrize(
    ("label", "key", "said"),
    [
        ("lumen", "nobody", "NotFound: the token lumen has no public key nobody"),
        ("another", "p256", "NotFound: there is no token another behind"),
        ("lumen", "p384", "ConfigError: the token lumen: the key p384 is neither P-256 nor Ed25519"),
        ("lumen", "twice", "ConfigError: the token lumen has several keys twice"),
    ],
)
def test_what_a_token_does_not_have(token: SoftToken, label: str, key: str, said: str) -> None:
    if key in ("p384", "twice"):
        token.make_keys(*{"p384": ["p384"], "twice": ["twice=p256", "twice=ed25519"]}[key])
    code = f"{START}\nprint(failure(TokenDevice(token(sys.argv[3]), sys.argv[4]).public))"
    assert token.python(code, label, key).startswith(said)


@pytest.mark.softhsm
def test_a_refused_pin_is_asked_once_and_never_told(token: SoftToken) -> None:
    code = f"""{START}
device = TokenDevice(token(pin="424242"), "p256")
print(failure(device.public))
print(failure(lambda: device.sign(bytes(32))))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.apply(failure, (device.public,)))
print(repr(device._token))
"""
    first, *later, shown = token.python(code).splitlines()
    assert first == "TokenExpired: the token lumen refuses the PIN: PinIncorrect"
    assert later == [f"{first}; it is not tried again before the process is started anew"] * 2
    assert "424242" not in shown


@pytest.mark.softhsm
def test_a_key_whose_public_half_is_another(token: SoftToken) -> None:
    token.make_keys("stranger=p256")
    code = f"""{START}
other = TokenDevice(token(), "stranger").public()
print(failure(lambda: ElsewhereSigner(TokenDevice(token(), "p256"), other).sign(b"data")))
"""
    assert token.python(code).startswith("CheckFailed: the token lumen answered with what is no signature")


def test_no_library(tmp_path: Path) -> None:
    device = TokenDevice(
        Token(module=str(tmp_path / "none.so"), label="lumen", pin="1", lock=tmp_path / "lock"), "p256"
    )
    with pytest.raises(DependencyError, match=r"none\.so cannot be loaded"):
        device.public()
