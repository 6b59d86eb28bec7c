"""What a root says beside certificates: trust documents, rotations, and the file that holds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from support.evidence import DAY, NOW, OTHER, ROOT, Root, b64, ed25519

from lumen_workers.trust import canonical
from lumen_workers.trust.dsse import sign_envelope
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki import certificates
from lumen_workers.trust.pki.documents import (
    ROTATION_TYPE,
    TRUST_TYPE,
    DocumentFault,
    make_trust,
    read_rotation,
    read_trust,
    root_key,
)
from lumen_workers.trust.pki.trust_file import MAX_BYTES, MAX_ROOTS, TrustFile, parse_trust_file

POLICY = "quorum none\n"
SECOND, THIRD = Root(2), Root(3)
FILE = TrustFile(
    root=SECOND.der,
    former_roots=(ROOT.der,),
    rotations=(ROOT.rotation(SECOND, NOW),),
    trust=SECOND.trust(POLICY),
    crl=SECOND.crl(),
)


def trust_of(**changes: Any) -> dict[str, Any]:
    payload = {
        "schema": "lumen-trust/1",
        "version": 3,
        "root": ROOT.fingerprint,
        "issued": "2026-03-01T12:00:00Z",
        "development": False,
        "policy": POLICY,
        **changes,
    }
    return {key: value for key, value in payload.items() if value is not ...}


def signed(payload: Any, kind: str = TRUST_TYPE, *signers: Any) -> dict[str, Any]:
    data = payload if isinstance(payload, bytes) else canonical.dumps(payload)
    return sign_envelope(kind, data, signers or [ROOT.signer])


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(DocumentFault) as caught:
        work()
    assert str(caught.value)
    return caught.value.reason


def test_a_trust_document_comes_back() -> None:
    document = make_trust(ROOT.certificate, ROOT.signer, version=4, policy=POLICY, development=True, now=NOW)
    read = read_trust(document, ROOT.certificate)
    assert (read.version, read.development, read.issued, read.policy_text) == (4, True, NOW, POLICY)
    assert read_trust(signed(trust_of()), ROOT.certificate).version == 3


def test_a_policy_that_cannot_be_read_is_not_signed() -> None:
    with pytest.raises(ValueError, match="quorum"):
        make_trust(ROOT.certificate, ROOT.signer, version=1, policy="", development=False, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "lumen-trust/2"},
        {"version": 0},
        {"version": True},
        {"version": 1.0},
        {"version": "1"},
        {"development": 0},
        {"development": None},
        {"policy": None},
        {"policy": ""},
        {"policy": "quorum none\nquorum none\n"},
        {"issued": "2026-03-01T12:00:00+00:00"},
        {"issued": "2026-13-01T12:00:00Z"},
        {"issued": 5},
        {"issued": ...},
        {"more": 1},
    ],
)
def test_a_trust_document_of_another_form(changes: dict[str, Any]) -> None:
    assert refused(lambda: read_trust(signed(trust_of(**changes)), ROOT.certificate)) == "trust_malformed"


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        {},
        {"payload": "e30=", "payloadType": TRUST_TYPE, "signatures": []},
        signed(trust_of(), ROTATION_TYPE),
        signed(json.dumps(trust_of()).encode() + b"}"),
        signed(json.dumps(trust_of()).replace('"version"', '"version": 1, "version"').encode()),
        signed([]),
    ],
)
def test_what_is_no_trust_document(envelope: Any) -> None:
    assert refused(lambda: read_trust(envelope, ROOT.certificate)) in ("trust_malformed", "trust_signature_invalid")


def test_who_signed_it_and_whose_it_is() -> None:
    own, other = ROOT.certificate, OTHER.certificate
    assert refused(lambda: read_trust(signed(trust_of()), other)) == "trust_signature_invalid"
    assert refused(lambda: read_trust(signed(trust_of(root=OTHER.fingerprint)), own)) == "trust_root_mismatch"
    assert refused(lambda: read_trust({**signed(trust_of()), "signatures": []}, own)) in (
        "trust_signature_invalid",
        "trust_malformed",
    )
    changed = {**signed(trust_of()), "payload": b64(canonical.dumps(trust_of(version=9)))}
    assert refused(lambda: read_trust(changed, own)) == "trust_signature_invalid"
    both = signed(trust_of(), TRUST_TYPE, OTHER.signer, ROOT.signer)
    assert read_trust(both, own).version == 3


def test_a_rotation_is_signed_by_both() -> None:
    document = ROOT.rotation(OTHER, NOW)
    read = read_rotation(document, ROOT.certificate, OTHER.certificate)
    assert (read.old, read.new, read.at) == (ROOT.fingerprint, OTHER.fingerprint, NOW)
    for kept in document["signatures"]:
        half = {**document, "signatures": [kept]}
        assert refused(lambda half=half: read_rotation(half, ROOT.certificate, OTHER.certificate)) == "rotation_invalid"  # type: ignore[misc]
    for roots in ((OTHER, ROOT), (ROOT, THIRD), (THIRD, OTHER), (ROOT, ROOT)):
        pair = [root.certificate for root in roots]
        assert refused(lambda pair=pair: read_rotation(document, *pair)) == "rotation_invalid"  # type: ignore[misc]


@pytest.mark.parametrize("changes", [{"schema": "x"}, {"at": "yesterday"}, {"old": "ab" * 32}, {"more": ""}])
def test_a_rotation_of_another_form(changes: dict[str, Any]) -> None:
    payload = {
        "schema": "lumen-rotation/1",
        "old": ROOT.fingerprint,
        "new": OTHER.fingerprint,
        "at": "2026-03-01T12:00:00Z",
        "reason": "test",
    }
    document = signed({**payload, **changes}, ROTATION_TYPE, ROOT.signer, OTHER.signer)
    assert refused(lambda: read_rotation(document, ROOT.certificate, OTHER.certificate)) == "rotation_invalid"


def test_a_root_whose_key_is_of_another_kind() -> None:
    key = generate_private_key(SECP384R1())
    certificate = certificates.make_root(key, NOW, development=False)
    document = sign_envelope(TRUST_TYPE, canonical.dumps(trust_of()), [RegionKey(ed25519(1))])
    assert refused(lambda: read_trust(document, certificate)) in ("root_malformed", "trust_signature_invalid")
    assert root_key(ROOT.certificate) == ROOT.key.public_key()


def test_a_trust_file_comes_back() -> None:
    assert parse_trust_file(FILE.dump()) == FILE


def edited(**changes: Any) -> bytes:
    value = {**json.loads(FILE.dump()), **changes}
    return canonical.dumps({key: item for key, item in value.items() if item is not ...})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        FILE.dump()[:-10],
        FILE.dump().replace(b'"crl"', b'"crl":"","crl"', 1),
        b" " * (MAX_BYTES + 1),
        edited(mediaType="application/json"),
        edited(crl=...),
        edited(more=1),
        edited(root=5),
        edited(root="?"),
        edited(crl=None),
        edited(trust=[]),
        edited(rotations={}),
        edited(rotations=[1]),
        edited(rotations=[{}] * (MAX_ROOTS + 1)),
        edited(former_roots=""),
        edited(former_roots=[5]),
        edited(former_roots=[b64(ROOT.der)] * (MAX_ROOTS + 1)),
    ],
)
def test_what_is_no_trust_file(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_trust_file(data)


def test_times_are_of_the_instant_whatever_the_zone() -> None:
    from datetime import timezone

    there = (NOW + DAY).astimezone(timezone(timedelta(hours=9)))
    document = make_trust(ROOT.certificate, ROOT.signer, version=1, policy=POLICY, development=False, now=there)
    assert read_trust(document, ROOT.certificate).issued == NOW + DAY
