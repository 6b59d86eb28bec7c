"""Signing keys that are not in the home: behind a command, and on a real token (SoftHSM2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from support.servers import missing

from lumen_workers.cli.main import main
from lumen_workers.domain.errors import CheckFailed, DependencyError, LumenError, NetworkError, NotFound, TokenExpired
from lumen_workers.trust.pki.upkeep import public_from
from lumen_workers.trust.signers.base import ElsewhereSigner
from lumen_workers.trust.signers.command import CommandDevice
from lumen_workers.trust.signers.pkcs11 import TokenDevice

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
A = "ap-northeast-2"
PIN = "1234"


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(params=["ed25519", "p256"])
def keyed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a key, its public half, and a command that signs with it as docs/operations.md shows."""
    kind: str = request.param
    words = (
        ("-algorithm", "ed25519") if kind == "ed25519" else ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    )
    openssl(tmp_path, "genpkey", *words, "-out", "key.pem")
    openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    options = "-rawin -in $asked" if kind == "ed25519" else "-in $asked"
    script(
        tmp_path / "sign", f"asked=$(mktemp)\ncat >$asked\nopenssl pkeyutl -sign -inkey {tmp_path}/key.pem {options}"
    )
    return tmp_path


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def signer(folder: Path, command: Path | str = "sign", *, limit_s: float = 20) -> ElsewhereSigner:
    public = public_from((folder / "public.pem").read_text())
    return ElsewhereSigner(CommandDevice([str(folder / command)], limit_s=limit_s), public)


def test_a_command_signs(keyed: Path) -> None:
    made = signer(keyed)
    assert made.sign(b"what is to be signed")
    assert load_pem_public_key(made.public_pem.encode())


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("cat >/dev/null; echo no key today >&2; exit 3", CheckFailed, "ended with 3 .*no key today"),
        ("cat >/dev/null; printf garbage", CheckFailed, "no signature of the key"),
        ("cat >/dev/null", CheckFailed, "0 bytes"),
        ("cat >/dev/null; head -c 100000 /dev/zero", CheckFailed, "100000 bytes"),
        ("exec sleep 30", NetworkError, "has not signed within 0.5 s"),
    ],
)
def test_a_command_that_does_not_sign(keyed: Path, body: str, error: type[LumenError], said: str) -> None:
    script(keyed / "wrong", body)
    with pytest.raises(error, match=said):
        signer(keyed, "wrong", limit_s=0.5 if "sleep" in body else 20).sign(b"data")


def test_a_command_that_signs_something_else(keyed: Path) -> None:
    real = (keyed / "sign").read_text()
    script(keyed / "wrong", real.replace("cat >$asked", "head -c 32 /dev/zero >$asked; cat >/dev/null"))
    with pytest.raises(CheckFailed, match="no signature of the key"):
        signer(keyed, "wrong").sign(b"data")


def test_no_command(keyed: Path) -> None:
    with pytest.raises(DependencyError, match="is not there"):
        signer(keyed, "nowhere").sign(b"data")


def test_a_command_sees_none_of_our_secrets(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_KEY_PASS", "secret")
    monkeypatch.setenv("WANTED", "yes")
    script(keyed / "look", f"env >{keyed}/seen\ncat | {keyed}/sign")
    public = public_from((keyed / "public.pem").read_text())
    ElsewhereSigner(CommandDevice([str(keyed / "look")], keep=("WANTED",)), public).sign(b"data")
    seen = (keyed / "seen").read_text()
    assert "secret" not in seen
    assert "WANTED=yes" in seen


def configured(folder: Path, entry: Mapping[str, object], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A home whose region signs elsewhere; calls commands there."""
    configs = folder / "configs"
    configs.mkdir()
    (configs / "lumen.yaml").write_text(json.dumps({"regions": [A], "signers": {A: entry}}))
    monkeypatch.setenv("LUMEN_CONFIGS", str(configs))
    monkeypatch.setenv("LUMEN_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)

    def call(*words: str) -> int:
        try:
            main(words)
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def test_evidence_signed_by_a_command(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"command": [str(keyed / "sign")], "public_key": str(keyed / "public.pem")}
    call = configured(keyed, entry, monkeypatch)
    (keyed / "report.txt").write_text("a report\n")
    assert call("attest", "report.txt") == 0
    assert call("verify", "report.txt") == 0
    root = json.loads((keyed / "home" / "trust" / "chain_manifest.json").read_text())["root_fingerprint_sha256"]
    one_file = Path(__file__).resolve().parents[3] / "verify_lumen.py"
    stranger = [sys.executable, str(one_file), "report.txt", "--root", root]
    assert subprocess.run(stranger, capture_output=True, check=False).returncode == 0
    assert not (keyed / "home" / "keys" / f"{A}.pem").exists()
    assert (keyed / "home" / "keys" / f"{A}.pin").exists()


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A SoftHSM2 token ``lumen`` with a P-256 key ``p256`` and an Ed25519 key ``ed25519``; returns the library."""
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        missing("softhsm2")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    words = ["softhsm2-util", "--init-token", "--free", "--label", "lumen", "--pin", PIN, "--so-pin", "0000"]
    subprocess.run(words, check=True, capture_output=True)
    make = (
        "import sys, pkcs11\n"
        "from pkcs11 import Attribute, KeyType\n"
        "from pkcs11.util.ec import encode_named_curve_parameters\n"
        "with pkcs11.lib(sys.argv[1]).get_token(token_label='lumen').open(user_pin='1234', rw=True) as session:\n"
        "    keys = ((KeyType.EC, 'secp256r1', 'p256'), (KeyType.EC_EDWARDS, '1.3.101.112', 'ed25519'))\n"
        "    for kind, curve, label in keys:\n"
        "        params = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}\n"
        "        domain = session.create_domain_parameters(kind, params, local=True)\n"
        "        domain.generate_keypair(store=True, label=label)\n"
    )
    subprocess.run([sys.executable, "-c", make, module], check=True, capture_output=True)
    return module


@pytest.mark.softhsm
@pytest.mark.parametrize("label", ["p256", "ed25519"])
def test_a_token_signs_and_a_forked_child_too(token: str, label: str) -> None:
    code = (
        "import multiprocessing, sys\n"
        "from lumen_workers.trust.signers.base import ElsewhereSigner\n"
        "from lumen_workers.trust.signers.pkcs11 import TokenDevice\n"
        "device = TokenDevice(sys.argv[1], 'lumen', sys.argv[2], '1234')\n"
        "signer = ElsewhereSigner(device, device.public())\n"
        "assert signer.sign(b'data') and signer.sign(b'more')\n"
        "def work(data):\n"
        "    return signer.sign(data)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    assert all(pool.map(work, [b'a', b'b', b'c']))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, token, label], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.softhsm
@pytest.mark.parametrize(
    ("label", "key", "pin", "error"),
    [
        ("lumen", "p256", "9999", TokenExpired),
        ("lumen", "nobody", PIN, NotFound),
        ("another", "p256", PIN, NotFound),
    ],
)
def test_what_a_token_refuses(token: str, label: str, key: str, pin: str, error: type[LumenError]) -> None:
    code = (
        "import sys\n"
        "from lumen_workers.trust.signers.pkcs11 import TokenDevice\n"
        "try:\n"
        "    TokenDevice(*sys.argv[1:]).public()\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    words = [sys.executable, "-c", code, token, label, key, pin]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.strip() == error.__name__, ran.stderr


def test_no_library() -> None:
    with pytest.raises(DependencyError, match="cannot be loaded"):
        TokenDevice("/nowhere/lib.so", "lumen", "p256", PIN).public()


@pytest.mark.softhsm
def test_evidence_signed_on_a_token(token: str, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    entry = {"pkcs11": {"module": token, "token": "lumen", "key": "p256", "pin_env": "TOKEN_PIN"}}
    (configs / "lumen.yaml").write_text(json.dumps({"regions": [A], "signers": {A: entry}}))
    (tmp_path / "report.txt").write_text("a report\n")
    env = {**os.environ, "LUMEN_CONFIGS": str(configs), "LUMEN_HOME": str(tmp_path / "home"), "TOKEN_PIN": PIN}
    lumen = [sys.executable, "-c", "from lumen_workers.cli.main import main; main()"]
    for words in (["attest", "report.txt"], ["verify", "report.txt"], ["pki", "show"]):
        ran = subprocess.run([*lumen, *words], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    del env["TOKEN_PIN"]
    ran = subprocess.run([*lumen, "pki", "show"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, "TOKEN_PIN is not set" in ran.stderr) == (2, True)
