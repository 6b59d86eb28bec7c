"""Proofs as text: what is written, what is read, what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.trust.tlog.proof import HEADER, MAX_HASHES, TlogProof, parse_proof

HASHES = tuple(bytes([number]) * 32 for number in range(5))
LINES = [base64.b64encode(item).decode() for item in HASHES]
CHECKPOINT = f"example.com/log\n109482\n{LINES[0]}\n\n— example.com/log AAAAAAAA\n".encode()


def text_of(*head: str) -> str:
    return "\n".join(head) + "\n\n" + CHECKPOINT.decode()


def test_the_form() -> None:
    proof = TlogProof(73894, HASHES, CHECKPOINT)
    assert proof.dump() == text_of("c2sp.org/tlog-proof@v1", "index 73894", *LINES)
    assert parse_proof(proof.dump()) == proof
    extra = TlogProof(0, (), CHECKPOINT, b"anything")
    assert extra.dump() == text_of("c2sp.org/tlog-proof@v1", "extra YW55dGhpbmc=", "index 0")
    assert parse_proof(extra.dump()) == extra


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_HASHES).map(tuple),
    st.none() | st.binary(max_size=40),
)
def test_what_is_written_is_read(index: int, hashes: tuple[bytes, ...], extra: bytes | None) -> None:
    proof = TlogProof(index, hashes, CHECKPOINT, extra)
    assert parse_proof(proof.dump()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        f"{HEADER}\nindex 1\n",
        text_of(HEADER),
        text_of(HEADER, LINES[0]),
        text_of("c2sp.org/tlog-proof@v2", "index 1"),
        text_of(HEADER + " ", "index 1"),
        text_of(HEADER, "index 01"),
        text_of(HEADER, "index -1"),
        text_of(HEADER, "index "),
        text_of(HEADER, "index 1 "),
        text_of(HEADER, "index  1"),
        text_of(HEADER, f"index {2**63}"),
        text_of(HEADER, "Index 1"),
        text_of(HEADER, "index 1", "index 1"),
        text_of(HEADER, "index 1", "extra YW55dGhpbmc="),
        text_of(HEADER, "extra YW55dGhpbmc=", "extra YW55dGhpbmc=", "index 1"),
        text_of(HEADER, "extra YW55dGhpbmc=", LINES[0]),
        text_of(HEADER, "extra YW55dGhpbmc", "index 1"),
        text_of(HEADER, "extra YW55dGhpbmd=", "index 1"),
        text_of(HEADER, "index 1", LINES[0] + " "),
        text_of(HEADER, "index 1", LINES[0][:-1]),
        text_of(HEADER, "index 1", LINES[0][:-2] + "B="),
        text_of(HEADER, "index 1", "AAAA"),
        text_of(HEADER, "index 1", *[LINES[0]] * (MAX_HASHES + 1)),
        text_of(HEADER, "index 1", *LINES).replace("\n", "\r\n"),
        text_of(HEADER, "index 1").replace("\n\n", "\n"),
    ],
)
def test_malformed_proofs(text: str) -> None:
    with pytest.raises(ValueError, match=r"proof|size|hash|base64"):
        parse_proof(text)
