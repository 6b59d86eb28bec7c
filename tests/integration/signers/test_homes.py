"""Homes whose region signs elsewhere: a day, evidence, and what a change of the key does to the pins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.signers import REGION, Machine, make_key, script, soft_token

DAY = "2026-01-31"
SIGN = "asked=$(mktemp)\ntrap 'rm -f $asked' EXIT\ncat >$asked\nopenssl pkeyutl -sign -inkey {key} {how} -in $asked"


def behind_a_command(folder: Path, kind: str) -> dict[str, object]:
    """A key in ``folder`` and the configuration of the command that signs with it."""
    make_key(folder, kind)
    how = "-rawin" if kind == "ed25519" else ""
    command = script(folder / "sign", SIGN.format(key=folder / "key.pem", how=how))
    return {"command": [str(command)], "public_key": str(folder / "public.pem")}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "report.txt").write_text("a report\n")
    return Machine(folder=tmp_path, env={})


def check_day(machine: Machine, **env: str) -> None:
    """A day is closed, its signature counts, and so does its evidence, for us and for a stranger."""
    machine.call("daily", "--day", DAY, **env)
    machine.call("archive", "verify", DAY, **env)
    machine.call("attest", "report.txt", "--force", **env)
    machine.call("verify", "report.txt", **env)
    told = machine.stranger("report.txt")
    assert (told.returncode, json.loads(told.stdout)["ok"]) == (0, True), told.stdout
    assert not (machine.home / "keys" / f"{REGION}.pem").exists()


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_day_signed_by_a_command(machine: Machine, kind: str) -> None:
    machine.configure(behind_a_command(machine.folder / "hsm", kind))
    check_day(machine)
    signature = json.loads((machine.home / "archive" / DAY / "signatures" / f"{REGION}.sig").read_text())
    assert signature["alg"] == {"ed25519": "ed25519", "p256": "ecdsa-p256-sha256"}[kind]
    assert signature["public_key_pem"] == (machine.folder / "hsm" / "public.pem").read_text()
    assert signature["signer_cert_pem"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.softhsm
@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_day_signed_on_a_token(machine: Machine, kind: str) -> None:
    token = soft_token(machine.folder / "softhsm")
    entry = {"module": token.module, "token": token.label, "key": kind, "pin_env": "TOKEN_PIN"}
    machine.configure({"pkcs11": entry})
    check_day(machine, TOKEN_PIN=token.pin, **token.env)
    machine.call("pki", "show", TOKEN_PIN=token.pin, **token.env)
    for pin, code, said in (("", 2, "TOKEN_PIN is not set"), ("111111", 4, "refuses the PIN")):
        ran = machine.run("pki", "show", TOKEN_PIN=pin, **token.env)
        assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
        assert "111111" not in ran.stderr


def test_nothing_is_pinned_or_published_if_the_answer_is_wrong(machine: Machine) -> None:
    entry = behind_a_command(machine.folder / "hsm", "p256")
    real = (machine.folder / "hsm" / "sign").read_text()
    script(machine.folder / "hsm" / "sign", "cat >/dev/null; printf garbage")
    machine.configure(entry)
    for words in (("attest", "report.txt"), ("daily", "--day", DAY), ("pki", "show")):
        ran = machine.run(*words)
        assert ran.returncode != 0
        assert "no signature of the key" in ran.stdout + ran.stderr
    assert not list((machine.home / "keys").glob("*.pin"))
    assert not (machine.folder / "report.txt.lumen.json").exists()
    assert not list((machine.home / "archive").rglob("*.sig"))
    (machine.folder / "hsm" / "sign").write_text(real)
    machine.call("daily", "--day", DAY)


def test_a_key_goes_elsewhere_and_comes_back_and_all_that_was_signed_counts(machine: Machine) -> None:
    machine.configure(None)
    machine.call("daily", "--day", DAY)
    root = str(machine.home / "keys" / "development-root")
    entries = [
        behind_a_command(machine.folder / "hsm", "p256"),
        behind_a_command(machine.folder / "kms", "ed25519"),
        None,
    ]
    for number, entry in enumerate(entries):
        machine.configure(entry)
        ran = machine.run("pki", "show")
        assert (ran.returncode, "pinned" in ran.stderr) == (1, True)
        machine.call("pki", "rotate", REGION, "--root", root)
        assert (machine.home / "keys" / f"{REGION}.pem").exists() is (entry is None)
        pinned = json.loads(machine.call("pki", "pins", "--json"))[REGION]
        assert (pinned[0], len(pinned)) == (
            json.loads(machine.call("pki", "show", "--json"))["fingerprint"],
            number + 2,
        )
        machine.call("daily", "--day", f"2026-02-0{number + 1}")
        for day in (DAY, *(f"2026-02-0{before + 1}" for before in range(number + 1))):
            machine.call("archive", "verify", day)
    first = json.loads(machine.call("pki", "pins", "--json"))[REGION][-1]
    assert f"{REGION}: {first} (former)" in machine.call("pki", "pins")
    machine.call("pki", "unpin", REGION, first)
    ran = machine.run("archive", "verify", DAY, "--json")
    assert (ran.returncode, "key_mismatch" in ran.stdout) == (1, True), ran.stdout
    machine.call("archive", "verify", "2026-02-01")


def test_a_rotation_that_cannot_sign_changes_nothing(machine: Machine) -> None:
    machine.configure(None)
    before = json.loads(machine.call("pki", "show", "--json"))["fingerprint"]
    machine.configure({**behind_a_command(machine.folder / "hsm", "p256"), "command": ["/nowhere/sign"]})
    ran = machine.run("pki", "rotate", REGION, "--root", str(machine.home / "keys" / "development-root"))
    assert (ran.returncode, "is not there" in ran.stderr) == (6, True)
    assert json.loads(machine.call("pki", "pins", "--json")) == {REGION: [before]}
    machine.configure(None)
    machine.call("pki", "show")
