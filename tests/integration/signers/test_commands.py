"""Signers that are real commands: OpenSSL behind a script; scripts that hang, fail, sign garbage or something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.processes import eventually
from support.signers import command_signer, make_key, openssl, openssl_command, script

from lumen_workers.config.secrets import passed_on
from lumen_workers.domain.errors import (
    CheckFailed,
    ConfigError,
    DependencyError,
    EnvironmentFault,
    ExternalApiError,
    LumenError,
    NetworkError,
    TokenExpired,
)
from lumen_workers.pipelines.verdicts.judge import judge
from lumen_workers.trust.messages import open_message, sign_message
from lumen_workers.trust.pki.upkeep import public_from
from lumen_workers.trust.signatures import SignatureState, sign_bytes, verify
from lumen_workers.trust.signers.base import ElsewhereSigner
from lumen_workers.trust.signers.command import CommandDevice


@pytest.fixture(params=["ed25519", "p256"])
def keyed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a key, its public half, and a command that signs with it as docs/operations.md shows."""
    make_key(tmp_path, request.param)
    openssl_command(tmp_path, request.param)
    return tmp_path


@pytest.mark.parametrize("data", [b"\x00\xff\n" * 1000, b"x" * 3_000_000], ids=["bytes", "much"])
def test_a_command_signs_what_other_tools_verify(keyed: Path, data: bytes) -> None:
    signature = command_signer(keyed).sign(data)
    (keyed / "data").write_bytes(data)
    (keyed / "signature").write_bytes(signature)
    kind = ["-rawin"] if len(signature) == 64 else ["-rawin", "-digest", "sha256"]
    words = ["-verify", "-pubin", "-inkey", "public.pem", "-sigfile", "signature", "-in", "data", *kind]
    assert b"Verified Successfully" in openssl(keyed, "pkeyutl", *words)


def test_files_and_messages_signed_by_it_are_believed_under_its_pin(keyed: Path) -> None:
    signer = command_signer(keyed)
    beside = sign_bytes(b"data", signer, region="us-west-2")
    assert verify(beside, b"data", region="us-west-2", pinned=signer.fingerprint) is SignatureState.VALID
    message = sign_message({"task": "x"}, signer, region="us-west-2")
    assert open_message(message, {"us-west-2": ("0" * 64, signer.fingerprint)}) == {"task": "x"}


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (
            "cat >/dev/null; echo no key >&2; echo 'no key today' >&2; exit 1",
            ExternalApiError,
            "ended with 1: no key today",
        ),
        ("exit 9", ExternalApiError, "ended with 9: it said nothing"),
        ("kill -9 $$", ExternalApiError, "ended with -9"),
        ("echo line is down >&2; exit 3", NetworkError, "line is down"),
        ("echo wrong PIN >&2; exit 4", TokenExpired, "wrong PIN"),
        ("no-such-program-anywhere", DependencyError, "not found"),
        ("exit 8", EnvironmentFault, "ended with 8"),
        ("printf '\\033[31mred\\n\\n' >&2; exit 1", ExternalApiError, r"\?\[31mred$"),
        ("cat >/dev/null; printf garbage", CheckFailed, "no signature of the key"),
        ("cat >/dev/null", CheckFailed, "0 bytes"),
        ("exec cat /dev/zero", CheckFailed, "more than 4096 bytes"),
    ],
)
def test_a_command_that_does_not_sign(keyed: Path, body: str, error: type[LumenError], said: str) -> None:
    script(keyed / "wrong", body)
    with pytest.raises(error, match=said) as caught:
        command_signer(keyed, "wrong").sign(b"data")
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_what_was_to_be_signed_is_never_told(keyed: Path) -> None:
    script(keyed / "wrong", "cat >&2; exit 1")
    with pytest.raises(ExternalApiError, match="it said nothing") as caught:
        command_signer(keyed, "wrong").sign(b"first line\nhidden line")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("closed", ["", "exec >&-; ", "exec >&- 2>&-; "])
def test_a_command_that_hangs_ends_with_all_that_it_started(keyed: Path, closed: str) -> None:
    script(keyed / "wrong", f"{closed}sleep 300 &\necho $! >{keyed}/child\nwait")
    with pytest.raises(NetworkError, match=r"has not signed within 0.5 s") as caught:
        command_signer(keyed, "wrong", limit_s=0.5).sign(b"data")
    assert judge(caught.value).error_class == "network"
    child = int((keyed / "child").read_text())
    eventually(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_that_signs_something_else(keyed: Path) -> None:
    real = (keyed / "sign").read_text()
    script(keyed / "wrong", real.replace('cat >"$asked"', 'cat >/dev/null; head -c 32 /dev/zero >"$asked"'))
    with pytest.raises(CheckFailed, match="no signature of the key"):
        command_signer(keyed, "wrong").sign(b"data")


def test_a_command_that_signs_with_another_key(keyed: Path) -> None:
    signer = command_signer(keyed)
    make_key(keyed, "ed25519" if len(signer.sign(b"data")) == 64 else "p256")
    with pytest.raises(CheckFailed, match="no signature of the key"):
        signer.sign(b"data")


def test_no_command_and_one_that_may_not_run(keyed: Path) -> None:
    with pytest.raises(DependencyError, match="is not there"):
        command_signer(keyed, "nowhere").sign(b"data")
    (keyed / "sign").chmod(0o644)
    with pytest.raises(EnvironmentFault, match="Permission denied"):
        command_signer(keyed).sign(b"data")


def test_a_command_sees_none_of_our_secrets(keyed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_KEY_PASS", "secret")
    monkeypatch.setenv("SMTP_PASS", "secret")
    monkeypatch.setenv("WANTED", "yes")
    script(keyed / "look", f"env >{keyed}/seen\ncat | {keyed}/sign")
    public = public_from((keyed / "public.pem").read_text())
    ElsewhereSigner(CommandDevice([str(keyed / "look")], env=passed_on(["WANTED", "NOT_SET"])), public).sign(b"data")
    seen = dict(line.split("=", 1) for line in (keyed / "seen").read_text().splitlines())
    assert seen["WANTED"] == "yes"
    assert seen["PATH"] == os.environ["PATH"]
    assert "secret" not in seen.values()


def test_a_key_of_another_kind(tmp_path: Path) -> None:
    make_key(tmp_path, "p384")
    with pytest.raises(ValueError, match="Ed25519 or P-256"):
        command_signer(tmp_path)


def test_no_descriptor_is_left_open(keyed: Path) -> None:
    script(keyed / "wrong", "exec cat /dev/zero")
    signer, wrong = command_signer(keyed), command_signer(keyed, "wrong")
    signer.sign(b"data")
    before = sorted(Path("/proc/self/fd").iterdir())
    for _ in range(3):
        signer.sign(b"data")
        with pytest.raises(CheckFailed):
            wrong.sign(b"data")
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_device_for_a_key_of_another_kind(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

    device = CommandDevice(["true"], env={})
    with pytest.raises(ConfigError, match="the signer true: it is a key of another kind"):
        ElsewhereSigner(device, generate_private_key(SECP384R1()).public_key())
