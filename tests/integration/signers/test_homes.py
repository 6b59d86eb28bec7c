"""Homes whose region signs elsewhere: a day, evidence, and what a change of the key does to the pins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.signers import REGION, Machine, make_key, openssl_command, script, soft_token

DAY = "2026-01-31"


def behind_a_command(folder: Path, kind: str) -> dict[str, object]:
    """A key in ``folder`` and the configuration of the command that signs with it."""
    make_key(folder, kind)
    return {"command": [str(openssl_command(folder, kind))], "public_key": str(folder / "public.pem")}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "report.txt").write_text("a report\n")
    return Machine(folder=tmp_path)


def signature(machine: Machine, day: str = DAY) -> dict[str, str]:
    found: dict[str, str] = json.loads((machine.home / "archive" / day / "signatures" / f"{REGION}.sig").read_text())
    return found


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_day_signed_by_a_command(machine: Machine, kind: str) -> None:
    machine.configure(behind_a_command(machine.folder / "hsm", kind))
    machine.call("daily", "--day", DAY)
    machine.call("archive", "verify", DAY)
    machine.call("attest", "report.txt")
    machine.call("verify", "report.txt")
    assert machine.stranger("report.txt").code == 0
    assert not (machine.home / "keys" / f"{REGION}.pem").exists()
    made = signature(machine)
    assert made["alg"] == {"ed25519": "ed25519", "p256": "ecdsa-p256-sha256"}[kind]
    assert made["public_key_pem"] == (machine.folder / "hsm" / "public.pem").read_text()
    assert made["signer_cert_pem"].startswith("-----BEGIN CERTIFICATE-----")
    assert made["root_fingerprint"] == machine.root


@pytest.mark.softhsm
@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_day_signed_on_a_token(machine: Machine, kind: str) -> None:
    token = soft_token(machine.folder / "softhsm")
    machine.configure({"pkcs11": {"module": token.module, "token": token.label, "key": kind, "pin_env": "TOKEN_PIN"}})
    ended = machine.apart("daily", "--day", DAY, TOKEN_PIN=token.pin, **token.env)
    assert ended.code == 0, ended.said
    machine.call("archive", "verify", DAY)
    assert signature(machine)["alg"] == {"ed25519": "ed25519", "p256": "ecdsa-p256-sha256"}[kind]
    assert not (machine.home / "keys" / f"{REGION}.pem").exists()
    pin, code, said = {"p256": ("", 2, "TOKEN_PIN is not set"), "ed25519": ("111111", 4, "refuses the PIN")}[kind]
    ended = machine.apart("pki", "show", TOKEN_PIN=pin, **token.env)
    assert (ended.code, said in ended.said) == (code, True), ended.said
    assert "111111" not in ended.said


def test_nothing_is_pinned_or_published_if_the_answer_is_wrong(machine: Machine) -> None:
    machine.configure(behind_a_command(machine.folder / "hsm", "p256"))
    real = (machine.folder / "hsm" / "sign").read_text()
    script(machine.folder / "hsm" / "sign", "cat >/dev/null; printf garbage")
    for words in (("attest", "report.txt"), ("daily", "--day", DAY), ("pki", "show")):
        ended = machine.run(*words)
        assert (ended.code != 0, "no signature of the key" in ended.said) == (True, True), ended.said
    assert not list((machine.home / "keys").glob("*.pin"))
    assert not (machine.folder / "report.txt.lumen.json").exists()
    assert not list((machine.home / "archive").rglob("*.sig"))
    script(machine.folder / "hsm" / "sign", real)
    machine.call("attest", "report.txt")


def test_a_key_goes_elsewhere_and_comes_back_and_all_that_was_signed_counts(machine: Machine) -> None:
    machine.configure(None)
    machine.call("daily", "--day", DAY)
    first = signature(machine)["fingerprint"]
    root = str(machine.home / "keys" / "development-root")
    entries = (
        behind_a_command(machine.folder / "hsm", "p256"),
        behind_a_command(machine.folder / "kms", "ed25519"),
        None,
    )
    for number, entry in enumerate(entries):
        machine.configure(entry)
        ended = machine.run("pki", "show")
        assert (ended.code, "pinned" in ended.said) == (1, True)
        machine.call("pki", "rotate", REGION, "--root", root)
        assert (machine.home / "keys" / f"{REGION}.pem").exists() is (entry is None)
        pinned = json.loads(machine.call("pki", "pins", "--json"))[REGION]
        assert (pinned[0], len(pinned)) == (
            json.loads(machine.call("pki", "show", "--json"))["fingerprint"],
            number + 2,
        )
        machine.call("attest", "report.txt", "--force")
        machine.call("verify", "report.txt")
        machine.call("archive", "verify", DAY)
    assert f"{REGION}: {first} (former)" in machine.call("pki", "pins")
    machine.call("pki", "unpin", REGION, first)
    ended = machine.run("archive", "verify", DAY, "--json")
    assert (ended.code, "key_mismatch" in ended.said) == (1, True), ended.said


def test_a_rotation_that_cannot_sign_changes_nothing(machine: Machine) -> None:
    machine.configure(None)
    before = json.loads(machine.call("pki", "show", "--json"))["fingerprint"]
    machine.configure({**behind_a_command(machine.folder / "hsm", "p256"), "command": ["/nowhere/sign"]})
    ended = machine.run("pki", "rotate", REGION, "--root", str(machine.home / "keys" / "development-root"))
    assert (ended.code, "is not there" in ended.said) == (6, True)
    assert json.loads(machine.call("pki", "pins", "--json")) == {REGION: [before]}
    machine.configure(None)
    machine.call("pki", "show")
