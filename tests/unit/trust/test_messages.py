"""Signed messages: what is believed, and that no signature serves for two purposes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.trust import canonical
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.messages import CONTEXT, Fault, Forged, open_message, sign_message
from lumen_workers.trust.signatures import Pinned, SignatureState, sign_bytes, verify

KEY = RegionKey(Ed25519PrivateKey.generate())
OTHER = RegionKey(Ed25519PrivateKey.generate())
PINS = {"us-west-2": KEY.fingerprint, "eu-west-1": OTHER.fingerprint}
BODY = {"task": "lumen.daily", "arguments": [[], {"day": "오늘"}]}


def fault(data: bytes, pins: Mapping[str, Pinned] = PINS) -> Fault:
    with pytest.raises(Forged) as caught:
        open_message(data, pins)
    assert "\n" not in str(caught.value)
    return caught.value.fault


def test_what_a_pinned_key_has_signed_is_believed() -> None:
    signed = sign_message(BODY, KEY, region="us-west-2")
    assert open_message(signed, PINS) == BODY
    assert sign_message(BODY, KEY, region="us-west-2") == signed


def test_a_key_that_is_not_the_regions_is_unknown() -> None:
    signed = sign_message(BODY, KEY, region="us-west-2")
    assert fault(signed, {}) is Fault.UNKNOWN_KEY
    assert fault(signed, {"us-west-2": OTHER.fingerprint}) is Fault.UNKNOWN_KEY
    # A region's key speaks for that region only.
    assert fault(sign_message(BODY, KEY, region="eu-west-1")) is Fault.UNKNOWN_KEY


def test_a_rotated_region_is_believed_by_each_of_its_keys_until_one_is_revoked() -> None:
    new = RegionKey(generate_private_key(SECP256R1()))
    rotated = {"us-west-2": (new.fingerprint, KEY.fingerprint)}
    for key in (new, KEY):
        assert open_message(sign_message(BODY, key, region="us-west-2"), rotated) == BODY
    assert fault(sign_message(BODY, OTHER, region="us-west-2"), rotated) is Fault.UNKNOWN_KEY
    assert fault(sign_message(BODY, KEY, region="us-west-2"), {"us-west-2": (new.fingerprint,)}) is Fault.UNKNOWN_KEY


def test_a_changed_body_is_noticed() -> None:
    document = json.loads(sign_message(BODY, KEY, region="us-west-2"))
    document["body"] = document["body"].replace("daily", "effects")
    assert fault(json.dumps(document).encode()) is Fault.BAD_SIGNATURE


def test_a_signature_of_another_body_does_not_fit() -> None:
    first, second = (json.loads(sign_message(body, KEY, region="us-west-2")) for body in (BODY, {"task": "x"}))
    assert fault(canonical.dumps({**first, "signature": second["signature"]})) is Fault.BAD_SIGNATURE


@given(st.binary(max_size=60) | st.text(max_size=20).map(str.encode))
def test_bytes_of_any_kind_are_refused_and_never_raise_otherwise(data: bytes) -> None:
    assert fault(data) is Fault.BAD_SIGNATURE


@given(
    st.fixed_dictionaries(
        {"body": st.text(max_size=5) | st.none()},
        optional={"signature": st.text(max_size=5) | st.just('{"signer": []}') | st.just("[]"), "more": st.none()},
    )
)
def test_so_are_documents_of_nearly_the_right_shape(document: dict[str, Any]) -> None:
    assert fault(json.dumps(document).encode()) is not None


def test_a_signature_beside_a_file_is_worth_nothing_in_a_message() -> None:
    text = canonical.dumps(BODY)
    beside = sign_bytes(text, KEY, region="us-west-2")
    assert verify(beside, text, region="us-west-2", pinned=KEY.fingerprint) is SignatureState.VALID
    forged = canonical.dumps({"body": text.decode(), "signature": beside.decode()})
    assert fault(forged) is Fault.BAD_SIGNATURE


def test_a_messages_signature_is_worth_nothing_beside_a_file() -> None:
    document = json.loads(sign_message(BODY, KEY, region="us-west-2"))
    signature = document["signature"].encode()
    for data in (document["body"].encode(), canonical.dumps(document)):
        assert verify(signature, data, region="us-west-2", pinned=KEY.fingerprint) is SignatureState.INVALID
    with pytest.raises(ValueError, match="Expecting value"):
        canonical.loads(CONTEXT + document["body"].encode())
