"""Signed notes: published vectors, what is refused, and cosignatures."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumen_workers.trust.notes import (
    COSIGNATURE,
    ED25519,
    MAX_BYTES,
    MAX_SIGNATURES,
    BadSignature,
    Cosigner,
    NoteSigner,
    VerifierKey,
    add_lines,
    cosigned_at,
    is_signed,
    parse_note,
    parse_vkey,
    write_note,
)

# The vectors of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
ENOCH_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="

# The example of C2SP tlog-cosignature: a checkpoint with a cosignature.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def test_the_published_keys_are_read_and_written() -> None:
    for text in (PETER, ENOCH):
        key = parse_vkey(text)
        assert key.vkey == text
        assert key.algorithm == ED25519
        assert key.key_id.hex() == text.split("+")[1]


def test_the_published_signature_is_made_and_holds() -> None:
    signer = NoteSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED))
    assert signer.key.vkey == PETER
    assert signer.sign(TEXT) == PETER_LINE
    assert write_note(TEXT, [PETER_LINE]) == f"{TEXT}\n{PETER_LINE}\n".encode()


@pytest.mark.parametrize("lines", [[PETER_LINE], [PETER_LINE, ENOCH_LINE], [ENOCH_LINE, PETER_LINE, PETER_LINE]])
def test_each_key_finds_its_own_line(lines: list[str]) -> None:
    note = parse_note(write_note(TEXT, lines))
    assert note.text == TEXT
    assert is_signed(note, parse_vkey(PETER))
    assert is_signed(note, parse_vkey(ENOCH)) is (ENOCH_LINE in lines)


def test_a_line_by_a_known_key_must_hold_even_beside_one_that_does() -> None:
    other = NoteSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED)).sign("another text\n")
    with pytest.raises(BadSignature, match="PeterNeumann did not sign this"):
        is_signed(parse_note(write_note(TEXT, [PETER_LINE, other])), parse_vkey(PETER))


@pytest.mark.parametrize(
    "line",
    [
        PETER_LINE.replace("PeterNeumann", "CarmenSandiego"),  # its id, another's name
        PETER_LINE.replace("x08g", "xxxx"),  # its name, another's id
    ],
)
def test_a_line_that_shares_only_name_or_only_id_is_nobodys(line: str) -> None:
    assert not is_signed(parse_note(write_note(TEXT, [line])), parse_vkey(PETER))


@pytest.mark.parametrize("cut", range(len(PETER)))
def test_a_mangled_key_is_refused(cut: int) -> None:
    mangled = PETER[:cut] + chr(ord(PETER[cut]) + 1) + PETER[cut + 1 :]
    for text in (mangled, PETER[:cut], PETER[cut + 1 :]):
        with pytest.raises(ValueError, match=r"verifier key|base64"):
            parse_vkey(text)


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # too long, with its own id
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # unknown algorithm, with its own id
        PETER.upper(),
        PETER + "\n",
        " " + PETER,
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", "Peter\u00a0Neumann"),
        PETER.replace("PeterNeumann", "Peter+Neumann"),
        PETER.replace("c74f20a3", "C74F20A3"),
    ],
)
def test_keys_that_other_readers_refuse(text: str) -> None:
    with pytest.raises(ValueError, match=r"verifier key|base64"):
        parse_vkey(text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TEXT.encode(), "no signatures"),
        (f"{TEXT}\n".encode(), "no signatures"),
        (f"\n\n{PETER_LINE}\n".encode(), "no signatures"),
        (f"{TEXT}\n{PETER_LINE}".encode(), "does not end with a newline"),
        (f"{TEXT}\n{PETER_LINE}\n\n".encode(), "no signatures"),
        (f"\x01{TEXT}\n{PETER_LINE}\n".encode(), "control character"),
        (f"{TEXT}\t\n\n{PETER_LINE}\n".encode(), "control character"),
        (f"{TEXT}\r\n\n{PETER_LINE}\n".encode(), "control character"),
        (b"\xff" + f"{TEXT}\n{PETER_LINE}\n".encode(), "not UTF-8"),
        (f"{TEXT}\n{PETER_LINE}\nUnexpected line.\n".encode(), "line is malformed"),
        (f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad Name')}\n".encode(), "base64"),
        (f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad+Name')}\n".encode(), "line is malformed"),
        (f"{TEXT}\n{PETER_LINE.replace(' PeterNeumann', '')}\n".encode(), "line is malformed"),
        (f"{TEXT}\n{PETER_LINE.replace('—', '-')}\n".encode(), "line is malformed"),
        (f"{TEXT}\n{PETER_LINE} \n".encode(), "base64"),
        (f"{TEXT}\n{PETER_LINE[:-1]}\n".encode(), "base64"),
        (f"{TEXT}\n{PETER_LINE.replace('AM=', 'AN=')}\n".encode(), "nobody writes"),
        (f"{TEXT}\n{PETER_LINE.replace('/', '_')}\n".encode(), "base64"),
        (f"{TEXT}\n— PeterNeumann x08gow==\n".encode(), "too short"),
        (f"{TEXT}\n".encode() + f"{PETER_LINE}\n".encode() * (MAX_SIGNATURES + 1), "too many signatures"),
        (b"a" * (MAX_BYTES + 1), "too large"),
    ],
)
def test_malformed_notes(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_note(data)


def test_as_many_signatures_as_are_allowed() -> None:
    note = parse_note(write_note(TEXT, [PETER_LINE] * MAX_SIGNATURES))
    assert len(note.signatures) == MAX_SIGNATURES
    assert is_signed(note, parse_vkey(PETER))


def test_a_text_may_have_empty_lines() -> None:
    signer = NoteSigner("example.org/log", KEY)
    for text in ("a\n\nb\n", "a\n\n", "a\n\n\n"):
        note = parse_note(write_note(text, [signer.sign(text)]))
        assert note.text == text
        assert is_signed(note, signer.key)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "carriage\r\n", "zero\0\n"])
def test_texts_that_no_note_can_hold(text: str) -> None:
    signer, cosigner = NoteSigner("example.org/log", KEY), Cosigner("example.org/witness", KEY)
    for work in (lambda: signer.sign(text), lambda: cosigner.cosign(text, 1), lambda: write_note(text, [])):
        with pytest.raises(ValueError, match="ends with a newline"):
            work()


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "x" * 201])
def test_names_that_are_none(name: str) -> None:
    for make in (NoteSigner, Cosigner):
        with pytest.raises(ValueError, match="cannot name a key"):
            make(name, KEY)


def test_the_published_cosigned_checkpoint_is_read() -> None:
    note = parse_note(COSIGNED.encode())
    assert [line.name for line in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert [len(line.signature) for line in note.signatures] == [64, 72]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147
    assert write_note(note.text, COSIGNED.splitlines()[-2:]) == COSIGNED.encode()


def test_a_cosignature_is_over_header_time_and_text() -> None:
    cosigner = Cosigner("example.org/witness", KEY)
    assert cosigner.key.algorithm == COSIGNATURE
    note = parse_note(write_note(TEXT, [cosigner.cosign(TEXT, 1679315147)]))
    KEY.public_key().verify(note.signatures[0].signature[8:], f"cosignature/v1\ntime 1679315147\n{TEXT}".encode())
    assert cosigned_at(note, cosigner.key) == 1679315147


def test_the_earliest_of_a_witnesss_cosignatures_counts() -> None:
    cosigner = Cosigner("example.org/witness", KEY)
    note = parse_note(write_note(TEXT, [cosigner.cosign(TEXT, at) for at in (30, 10, 20)]))
    assert cosigned_at(note, cosigner.key) == 10
    assert cosigned_at(note, Cosigner("example.org/another", KEY).key) is None


def test_a_cosignature_of_another_time_or_length_does_not_hold() -> None:
    cosigner = Cosigner("example.org/witness", KEY)
    name, encoded = cosigner.cosign(TEXT, 10).rsplit(" ", 1)
    data = base64.b64decode(encoded)
    for changed in (
        data[:11] + b"\x09" + data[12:],  # another time
        data[:-1],
        data + b"\0",
        data[:4] + b"\xff" + data[5:],  # beyond 2⁶³ s
        data[:4],
    ):
        line = f"{name} {base64.b64encode(changed or b'').decode()}"
        with pytest.raises(ValueError, match=r"did not sign this|malformed|too short") as caught:
            cosigned_at(parse_note(write_note(TEXT, [line])), cosigner.key)
        assert isinstance(caught.value, BadSignature) is (len(changed) > 4)


def test_a_logs_signature_is_no_cosignature_of_the_same_key() -> None:
    """One Ed25519 key under both algorithms: the key ids differ, and neither line can stand for the other."""
    signer, cosigner = NoteSigner("example.org/both", KEY), Cosigner("example.org/both", KEY)
    assert signer.key.key_id != cosigner.key.key_id
    note = parse_note(write_note(TEXT, [signer.sign(TEXT)]))
    assert cosigned_at(note, cosigner.key) is None
    assert not is_signed(parse_note(write_note(TEXT, [cosigner.cosign(TEXT, 1)])), signer.key)


def test_lines_are_added_behind_those_that_are_there() -> None:
    both = add_lines(write_note(TEXT, [PETER_LINE]), [ENOCH_LINE])
    assert both == write_note(TEXT, [PETER_LINE, ENOCH_LINE])


def test_a_key_of_a_witness_is_written_and_read() -> None:
    key = Cosigner("example.org/witness", KEY).key
    assert parse_vkey(key.vkey) == VerifierKey("example.org/witness", COSIGNATURE, key.public)
    assert parse_vkey(key.vkey).key_id == key.key_id
