"""The file's bytes: whatever they are, the right check says no."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import (
    NOW,
    ROOT,
    Forge,
    ask,
    b64,
    ed25519,
    edited,
    failed,
)

from lumen_workers.trust.evidence.policy import Verdict
from lumen_workers.trust.evidence.question import Question
from lumen_workers.trust.evidence.verify import verify_evidence

PUBLIC = ed25519(10).public_key()
SECOND = ed25519(11)
CERTIFICATE = ROOT.issue(PUBLIC)
SEEN = NOW - timedelta(minutes=2)
"""When the quorum of a ``Forge`` is reached."""


def without(name: str) -> bytes:
    return json.dumps({key: item for key, item in Forge().value().items() if key != name}).encode()


def test_there_is_no_file() -> None:
    report = verify_evidence(None, Question(roots=(ROOT.fingerprint,), now=NOW))
    assert failed(report) == ("read", "evidence_missing")
    assert {check.reason for check in report.checks[1:]} >= {"needs:read", "needs:root", "needs:trust"}
    assert (report.root, report.signer, report.day) == (None, None, None)


@pytest.mark.parametrize("name", Forge().value())
@pytest.mark.parametrize("value", [None, 7, [7], {"a": 1}, "*", "\ud800"])
def test_a_field_of_another_kind(name: str, value: Any) -> None:
    check, reason = failed(ask(edited(**{name: value})))
    assert (check, reason) in {
        ("read", "evidence_malformed"),
        ("trust", "trust_malformed"),
        ("envelope", "envelope_malformed"),
        ("checkpoint", "proof_malformed"),
        ("root", "rotation_invalid"),
    } or (name, value, reason) == ("envelope", {"a": 1}, "unknown_field")


@pytest.mark.parametrize("name", Forge().value())
def test_a_field_that_is_missing(name: str) -> None:
    assert failed(ask(without(name))) == ("read", "evidence_malformed")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "evidence_malformed"),
        (b"null", "evidence_malformed"),
        (b"\xef\xbb\xbf" + Forge().dump(), "evidence_malformed"),
        (Forge().dump()[:-1], "evidence_malformed"),
        (Forge().dump() + b"{}", "evidence_malformed"),
        (Forge().dump().decode().encode("utf-16"), "evidence_malformed"),
        (edited(mediaType="application/vnd.lumen.evidence+json;version=2"), "evidence_malformed"),
        (edited(more=1), "unknown_field"),
        (Forge().dump()[:-1] + b',"proof":"x"}', "duplicate_key"),
        (Forge().dump().replace(b'"payload":', b'"payload":"","payload":', 1), "duplicate_key"),
        (edited(certificates=[b64(CERTIFICATE)] * 17), "evidence_malformed"),
        (edited(certificates=[b64(CERTIFICATE) + "\n"]), "evidence_malformed"),
        (edited(crl=base64.urlsafe_b64encode(b"\xff\xff\xff").decode()), "evidence_malformed"),
        (b" " * (4 * 1024**2 + 1), "evidence_too_large"),
        (b"[" * 1_000_000, "evidence_malformed"),
        (b'{"a":' * 100_000, "evidence_malformed"),
    ],
)
def test_other_bytes(data: bytes, reason: str) -> None:
    assert failed(ask(data)) == ("read", reason)


@pytest.mark.parametrize(
    "proof",
    [
        "",
        "c2sp.org/tlog-proof@v2",
        "index 0",
        lambda text: text.replace("index 3", "index 03"),
        lambda text: text.replace("index 3", "index -1"),
        lambda text: text.replace("@v1\n", "@v1\r\n"),
        lambda text: text.partition("\n\n")[0],
        lambda text: text.replace("index 3\n", "index 3\nAAAA\n"),
        lambda text: text.replace("index 3\n", "index 3\n" + f"{b64(bytes(32))}\n" * 64),
    ],
)
def test_what_is_no_proof(proof: Any) -> None:
    text = Forge().value()["proof"]
    found = failed(ask(edited(proof=proof(text) if callable(proof) else proof)))
    assert found == ("checkpoint", "proof_malformed")


def test_a_proof_for_another_place_or_with_other_hashes() -> None:
    value = Forge().value()
    head, _, note = value["proof"].partition("\n\n")
    lines = head.split("\n")
    for changed in (
        ["c2sp.org/tlog-proof@v1", "index 2", *lines[2:]],
        [*lines[:-1], b64(bytes(32))],
        lines[:-1],
        [*lines, b64(bytes(32))],
        [*lines[:2], *reversed(lines[2:])],
    ):
        report = ask(json.dumps({**value, "proof": "\n".join(changed) + "\n\n" + note}).encode())
        assert failed(report) == ("inclusion", "inclusion_invalid")


def test_a_leaf_that_stands_twice_at_the_end_is_no_other_tree() -> None:
    """The root of a tree whose last leaf was doubled is another one: no proof for the double fits."""
    forge = Forge(after=[])
    value = forge.value()
    head, _, note = value["proof"].partition("\n\n")
    double = Forge(after=[base64.b64decode(value["entry"])])
    text = double.value()["proof"].partition("\n\n")[0] + "\n\n" + note
    assert failed(ask(json.dumps({**value, "proof": text}).encode()))[0] == "inclusion"
    assert head


def test_a_node_is_no_leaf() -> None:
    """The two hashes of a node, handed in as if they were an entry."""
    forge = Forge(entry=bytes(64))
    assert failed(ask(forge)) == ("entry", "entry_malformed")


def test_no_flipped_bit_is_overlooked() -> None:
    """One bit in every part: something fails, but in hints (a keyid) and in a witness's line beyond the quorum."""
    data = Forge().dump()
    hints = {offset for found in re.finditer(rb'"keyid": "(\w+)"', data) for offset in range(*found.span(1))}
    lines = range(data.index(b"\\u2014 w0"), data.index(b'"', data.index(b"\\u2014 w0")))
    overlooked = set()
    for offset in sorted({*range(0, len(data), 23), *lines}):
        harmed = bytearray(data)
        harmed[offset] ^= 1 << offset % 7
        report = ask(bytes(harmed))
        if failed(report) == ("", ""):
            assert offset in hints or offset in lines, data[offset - 20 : offset + 20]
            assert report.verdict in (Verdict.VALID, Verdict.NO_TIME)
            overlooked.add(offset in hints)
    assert overlooked == {True, False}
