"""Entries: one form, and nothing else is one."""

from __future__ import annotations

import hashlib

import pytest

from lumen_workers.trust.tlog.entries import MAX_BYTES, Entry, attestation_entry, parse_entry

TRACE = "0123456789abcdef" * 2
DIGEST = hashlib.sha256(b"envelope").hexdigest()
GOOD = f'{{"envelope_sha256":"{DIGEST}","kind":"attestation","signer_serial":"ff","trace_id":"{TRACE}"}}'.encode()


def test_the_form() -> None:
    assert attestation_entry(b"envelope", serial=255, trace_id=TRACE) == GOOD
    assert parse_entry(GOOD) == Entry("attestation", DIGEST, 255, TRACE)


def test_the_longest_serial_number() -> None:
    data = attestation_entry(b"envelope", serial=2**160 - 1, trace_id=TRACE)
    assert parse_entry(data).signer_serial == 2**160 - 1
    assert len(data) < MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"{}",
        b"\xff",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.replace(b":", b": "),
        GOOD.replace(b"attestation", b"something"),
        GOOD.replace(b'"ff"', b'"0ff"'),
        GOOD.replace(b'"ff"', b'"0"'),
        GOOD.replace(b'"ff"', b'"FF"'),
        GOOD.replace(b'"ff"', b'""'),
        GOOD.replace(b'"ff"', b"255"),
        GOOD.replace(b'"ff"', b'"' + b"f" * 41 + b'"'),
        GOOD.replace(TRACE.encode(), TRACE[:-1].encode()),
        GOOD.replace(TRACE.encode(), TRACE.upper().encode()),
        GOOD.replace(DIGEST.encode(), DIGEST[:-1].encode()),
        GOOD.replace(b"}", b',"trace_id":"' + TRACE.encode() + b'"}'),
        GOOD.replace(b"}", b',"z":"1"}'),
        GOOD.replace(b'"kind":"attestation",', b""),
        GOOD.replace(b"attestation", b"\\u0061ttestation"),
        b'{"kind":"attestation",' + GOOD[1:].replace(b'"kind":"attestation",', b""),
        b"[" * 70_000,
        b"{" + b" " * MAX_BYTES + GOOD[1:],
    ],
)
def test_what_is_no_entry(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 — the JSON reader's own words, too
        parse_entry(data)
