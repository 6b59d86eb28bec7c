"""Every attack fails with its own reason, in both verifiers; and what is right is told to be right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from attacks.both import VERIFIERS, one_file, package
from attacks.corpus import ATTACKS, Asked, Attack
from attacks.forge import END, NOW, SIGNED, Crl, Forge, Root, Signer, make_day

verifiers = pytest.mark.parametrize("verifier", VERIFIERS)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    folder = tmp_path / "2026-05-09"
    make_day(folder)
    return Forge(folder)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_fails_with_its_own_reason(attack: Attack, forge: Forge) -> None:
    asked = Asked()
    attack.turn(forge, asked)
    data = forge.build()
    attack.harm(forge)
    results = {name: verifier(data, forge, asked) for name, verifier in VERIFIERS.items()}
    for name, result in results.items():
        assert (result["ok"], result["reason"]) == (False, attack.reason), (name, failures(result))
        assert result["verdict"] == attack.verdict, name
    ours, theirs = results.values()
    same = [(check["name"], check["status"], check["reason"]) for check in ours["checks"]]
    assert same == [(check["name"], check["status"], check["reason"]) for check in theirs["checks"]]
    for key in ("root", "development", "signed_at", "signer", "day"):
        assert ours[key] == theirs[key], key


def failures(result: dict[str, object]) -> list[dict[str, str]]:
    checks: list[dict[str, str]] = result["checks"]  # type: ignore[assignment]
    return [check for check in checks if check["status"] != "ran"]


def test_there_are_enough_of_them_and_each_has_its_name() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) > 100
    assert len({attack.reason for attack in ATTACKS}) > 55


def _no_time(forge: Forge, asked: Asked) -> None:
    forge.seen = []


def _expired(forge: Forge, asked: Asked) -> None:
    asked.now = END + timedelta(days=1000)


def _revoked_after(forge: Forge, asked: Asked) -> None:
    forge.crl.revoked = {forge.signers[0].serial: (SIGNED + timedelta(days=1), None)}


def _revoked_after_in_a_newer_list(forge: Forge, asked: Asked) -> None:
    newer = Crl(number=9, begin=NOW, end=NOW + timedelta(days=1))
    newer.revoked = {forge.signers[0].serial: (SIGNED + timedelta(days=1), None)}
    asked.crl = newer.der(forge.root)


def _another_is_revoked(forge: Forge, asked: Asked) -> None:
    forge.crl.revoked = {Signer().serial: (SIGNED - timedelta(days=1), None)}


def _rotated(forge: Forge, asked: Asked) -> None:
    forge.former = [Root(), Root()]
    asked.roots = [forge.former[0].fingerprint]


def _retired(forge: Forge, asked: Asked) -> None:
    new = Root()
    asked.roots = [new.fingerprint]
    asked.trust = Forge(forge.folder, root=new, former=[forge.root]).trust_file()


def _two_signers(forge: Forge, asked: Asked) -> None:
    forge.signers = [forge.signers[0], Signer()]
    asked.policy = {"threshold": 2}


def _one_of_two_witnesses(forge: Forge, asked: Asked) -> None:
    forge.quorum = "group both any w1 w2\nquorum both\n"
    forge.seen = forge.seen[:1]


def _no_quorum_needed(forge: Forge, asked: Asked) -> None:
    forge.quorum = "quorum none\n"


def _url_alphabet(forge: Forge, asked: Asked) -> None:
    def other(sealed: dict[str, str]) -> dict[str, str]:
        return {**sealed, "payload": sealed["payload"].replace("+", "-").replace("/", "_")}

    forge.edit_envelope = other


def _wrong_key_id(forge: Forge, asked: Asked) -> None:
    def other(sealed):  # type: ignore[no-untyped-def]
        sealed["signatures"][0]["keyid"] = "whatever"
        return sealed

    forge.edit_envelope = other


def _alone(forge: Forge, asked: Asked) -> None:
    forge.leaves = (0, 0)


def _far_in(forge: Forge, asked: Asked) -> None:
    forge.leaves = (300, 217)


def _one_file_of_it(forge: Forge, asked: Asked) -> None:
    name = "files/controls/reports/report_2026-05-09.pdf"
    asked.files = {name: forge.folder / name}


RIGHT: dict[str, tuple[Callable[[Forge, Asked], None], str]] = {
    "as it is": (lambda forge, asked: None, "VALID"),
    "no witness": (_no_time, "NO_TIME"),
    "long after": (_expired, "EXPIRED_BUT_TIMESTAMPED"),
    "revoked after": (_revoked_after, "REVOKED_AFTER"),
    "revoked after, in a newer list": (_revoked_after_in_a_newer_list, "REVOKED_AFTER"),
    "another one is revoked": (_another_is_revoked, "VALID"),
    "a root that two rotations lead to": (_rotated, "VALID"),
    "a former root, seen before it was followed": (_retired, "VALID"),
    "two signers": (_two_signers, "VALID"),
    "one witness of two": (_one_of_two_witnesses, "VALID"),
    "cosignatures that nobody asks for": (_no_quorum_needed, "NO_TIME"),
    "base64 of the other alphabet": (_url_alphabet, "VALID"),
    "a key id that is wrong, and logged so": (_wrong_key_id, "VALID"),
    "a log of one entry": (_alone, "VALID"),
    "a larger log": (_far_in, "VALID"),
    "one file of the day": (_one_file_of_it, "VALID"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_told_so(case: str, forge: Forge) -> None:
    turn, verdict = RIGHT[case]
    asked = Asked(day="2026-05-09")
    turn(forge, asked)
    data = forge.build()
    for verifier in (package, one_file):
        result = verifier(data, forge, asked)
        assert (result["ok"], result["verdict"], result["reason"]) == (True, verdict, ""), failures(result)


def test_the_earliest_time_at_which_the_quorum_was_reached_counts(forge: Forge) -> None:
    data = forge.build()
    for verifier in (package, one_file):
        assert verifier(data, forge, Asked())["signed_at"] == "2026-05-10T00:07:00.000000+00:00"
