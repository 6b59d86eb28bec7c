"""Policies: which logs count, and whose cosignatures are enough."""

from __future__ import annotations

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.trust.notes import BadSignature, Cosigner, NoteSigner, parse_note, write_note
from lumen_workers.trust.tlog.policy import MAX_BYTES, parse_policy, witnessed_at, write_policy

LOG = NoteSigner("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner("example.org/other", Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
WITNESSES = {
    name: Cosigner(f"witness.example/{name}", Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
    for number, name in enumerate(NAMES, start=10)
}
VKEYS = {name: witness.key.vkey for name, witness in WITNESSES.items()}
TEXT = "example.org/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

# C2SP tlog-policy's example, with keys.
EXAMPLE = f"""
log {LOG.key.vkey}

witness X1 {VKEYS["X1"]}
witness X2 {VKEYS["X2"]}
witness X3 {VKEYS["X3"]}
group X-witnesses 2 X1 X2 X3

witness Y1 {VKEYS["Y1"]}
witness Y2 {VKEYS["Y2"]}
witness Y3 {VKEYS["Y3"]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_published_example() -> None:
    policy = parse_policy(EXAMPLE)
    assert policy.logs == (LOG.key,)
    assert list(policy.witnesses) == list(NAMES)
    assert policy.requires_witness
    for count in range(len(NAMES) + 1):
        for names in combinations(NAMES, count):
            enough = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
            assert policy.met(names) is enough, names


def test_names_that_nobody_knows_count_for_nothing() -> None:
    assert not parse_policy(EXAMPLE).met(["X1", "X9", "Y9", "X-and-Y", "X-witnesses", "quorum"])


def test_what_is_ignored_and_what_may_be_left_out() -> None:
    text = f"# comment\n  \t# another \u00e9\n\n \t log\t {LOG.key.vkey}  https://log.example/ \t\nquorum none"
    policy = parse_policy(text)
    assert policy.logs == (LOG.key,)
    assert not policy.requires_witness
    assert policy.met(())
    assert parse_policy("quorum none\n").logs == ()


def test_a_witness_is_a_quorum() -> None:
    policy = parse_policy(f"witness é {VKEYS['X1']} https://witness.example/a\nquorum é\n")
    assert policy.witnesses["é"].url == "https://witness.example/a"
    assert policy.met(["é"])
    assert not policy.met(["e"])


def test_a_log_is_found_by_its_origin() -> None:
    policy = parse_policy(f"log {LOG.key.vkey}\nlog {OTHER.key.vkey}\nquorum none\n")
    assert policy.log("example.org/other") == OTHER.key
    assert policy.log("example.org/unknown") is None


ONE = f"witness a {VKEYS['X1']}\n"
TWO = ONE + f"witness b {VKEYS['X2']}\n"
RENAMED = Cosigner("witness.example/renamed", Ed25519PrivateKey.from_private_bytes(bytes([10]) * 32)).key.vkey
RENAMED_LOG = NoteSigner("example.org/renamed", Ed25519PrivateKey.from_private_bytes(bytes(32))).key.vkey


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no quorum"),
        (EXAMPLE.replace("quorum X-and-Y\n", ""), "no quorum"),
        ("quorum none\nquorum none\n", "line 2: there is a quorum already"),
        ("quorum\n", "no log, witness"),
        ("quorum a b\n", "no log, witness"),
        ("quorum a\n", "a is not known"),
        (f"quorum a\n{ONE}", "line 1: a is not known"),
        (f"Quorum none\n{ONE}", "no log, witness"),
        ("witness\nquorum none\n", "no log, witness"),
        ("witness a\nquorum none\n", "no log, witness"),
        (f"witness a {VKEYS['X1']} url more\nquorum none\n", "no log, witness"),
        (f"log {LOG.key.vkey} url more\nquorum none\n", "no log, witness"),
        ("log x\nquorum none\n", "no verifier key"),
        (f"log {VKEYS['X1']}\nquorum none\n", "no log's"),
        (f"witness a {LOG.key.vkey}\nquorum none\n", "no witness's"),
        (f"log {LOG.key.vkey}\nlog {LOG.key.vkey}\nquorum none\n", "line 2: the log stands twice"),
        (f"log {LOG.key.vkey}\nlog {RENAMED_LOG}\nquorum none\n", "line 2: the log stands twice"),
        (f"{ONE}witness b {VKEYS['X1']}\nquorum a\n", "line 2: the witness stands twice"),
        (f"{ONE}witness b {RENAMED}\nquorum a\n", "line 2: the witness stands twice"),
        (f"{ONE}witness a {VKEYS['X2']}\nquorum a\n", "a is taken"),
        (f"{ONE}group a any a\nquorum a\n", "a is taken"),
        (f"witness none {VKEYS['X1']}\nquorum none\n", "none is taken"),
        (f"{ONE}group none any a\nquorum none\n", "none is taken"),
        (f"{ONE}group g any\nquorum a\n", "no log, witness"),
        (f"{ONE}group g any none\nquorum g\n", "none is not known"),
        (f"{ONE}group g any b\nquorum g\n", "b is not known"),
        (f"{ONE}group g any g\nquorum g\n", "g is not known|g is taken"),
        (f"{ONE}group g any a a\nquorum g\n", "a is a member already"),
        (f"{TWO}group g any a\ngroup h any a b\nquorum h\n", "line 4: a is a member already"),
        (f"{TWO}group g 0 a b\nquorum g\n", "0 of 2"),
        (f"{TWO}group g 3 a b\nquorum g\n", "3 of 2"),
        (f"{TWO}group g 01 a b\nquorum g\n", "01 of 2"),
        (f"{TWO}group g -1 a b\nquorum g\n", "-1 of 2"),
        (f"{TWO}group g some a b\nquorum g\n", "some of 2"),
        ("quorum none\r\n", "control character"),
        ("quorum\u000bnone\n", "control character"),
        ("quorum\u00a0none\n", "no log, witness"),
        ("quorum none\x7f\n", "control character"),
        ("#" * MAX_BYTES + "\nquorum none\n", "too large"),
    ],
)
def test_policies_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_policy(text)


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def test_as_many_as_the_standard_asks_for() -> None:
    lines = [f"log {NoteSigner(f'log{number}', _key(number)).key.vkey}" for number in range(32)]
    lines += [f"witness w{number} {Cosigner(f'w{number}', _key(100 + number)).key.vkey}" for number in range(32)]
    lines += ["group g0 32 " + " ".join(f"w{number}" for number in range(32))]
    lines += [f"group g{number} 1 g{number - 1}" for number in range(1, 32)]
    policy = parse_policy("\n".join([*lines, "quorum g31", ""]))
    assert len(policy.logs) == len(policy.witnesses) == len(policy.groups) == 32
    assert policy.met([f"w{number}" for number in range(32)])
    assert not policy.met([f"w{number}" for number in range(31)])


@given(st.integers(0, 6), st.integers(0, 6))
def test_what_is_written_is_read(count: int, threshold: int) -> None:
    witnesses = [(WITNESSES[name].key, f"https://{name}" if name == "X2" else None) for name in NAMES[:count]]
    if threshold > count:
        with pytest.raises(ValueError, match="cannot be reached"):
            write_policy([LOG.key], witnesses, threshold)
        return
    policy = parse_policy(write_policy([LOG.key], witnesses, threshold))
    assert policy.logs == (LOG.key,)
    assert [(item.key, item.url) for item in policy.witnesses.values()] == witnesses
    assert policy.requires_witness is bool(threshold)
    for enough in range(count + 1):
        assert policy.met(list(policy.witnesses)[:enough]) is (enough >= threshold)


def cosigned(**times: int) -> str:
    lines = [WITNESSES[name].cosign(TEXT, at) for name, at in times.items()]
    return write_note(TEXT, [LOG.sign(TEXT), *lines]).decode()


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({}, None),
        ({"X1": 10, "X2": 20}, None),
        ({"X1": 10, "Y1": 20, "Y2": 30}, None),
        ({"X1": 10, "X2": 20, "Y1": 5}, 20),
        ({"X1": 10, "X2": 20, "X3": 15, "Y1": 5}, 15),
        ({"X1": 10, "X2": 10, "Y1": 40, "Y2": 30}, 30),
        ({"X1": 0, "X2": 0, "Y1": 0}, 0),
    ],
)
def test_the_instant_at_which_the_quorum_was_there(times: dict[str, int], at: int | None) -> None:
    assert witnessed_at(parse_note(cosigned(**times).encode()), parse_policy(EXAMPLE)) == at


def test_without_a_quorum_there_is_no_instant() -> None:
    policy = parse_policy(f"{ONE}quorum none\n")
    assert witnessed_at(parse_note(cosigned(X1=10).encode()), policy) is None


@pytest.mark.parametrize("quorum", ["none", "a"])
def test_a_cosignature_by_a_known_witness_must_hold(quorum: str) -> None:
    policy = parse_policy(f"{ONE}quorum {quorum}\n")
    note = write_note(TEXT, [LOG.sign(TEXT), WITNESSES["X1"].cosign("another\n", 10)])
    with pytest.raises(BadSignature, match=r"witness\.example/X1 did not sign"):
        witnessed_at(parse_note(note), policy)
