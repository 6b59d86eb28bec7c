"""Our envelopes and those of securesystemslib, the library of DSSE's own authors: each verifies the other's."""

from __future__ import annotations

import copy
import json

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from support.evidence import ed25519, p256, statement

from lumen_workers.domain.ports import Signer
from lumen_workers.trust.dsse import PublicKey, parse_envelope, sign_envelope, verify_by
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.statement import PAYLOAD_TYPE, parse_statement

PAYLOAD = statement().dump()
EDWARDS, CURVE = ed25519(1), p256(5)
PUBLIC: tuple[PublicKey, ...] = (EDWARDS.public_key(), CURVE.public_key())
OURS: tuple[Signer, ...] = (RegionKey(EDWARDS), RegionKey(CURVE))


def their_keys() -> list[Key]:
    """The public keys, under the key ids that we give them."""
    pairs = zip(OURS, PUBLIC, strict=True)
    return [SSlibKey.from_crypto(public, keyid=signer.fingerprint) for signer, public in pairs]


def test_they_verify_ours() -> None:
    made = sign_envelope(PAYLOAD_TYPE, PAYLOAD, OURS)
    theirs = Envelope.from_dict(copy.deepcopy(made))
    assert theirs.pae() == parse_envelope(made).signed
    assert theirs.verify(their_keys(), 2).keys() == {signer.fingerprint for signer in OURS}
    made["payload"] = made["payload"].replace("e", "f", 1)
    with pytest.raises(VerificationError):
        Envelope.from_dict(made).verify(their_keys(), 1)


def test_we_verify_theirs() -> None:
    theirs = Envelope(PAYLOAD, PAYLOAD_TYPE, {})
    theirs.sign(CryptoSigner(EDWARDS))
    theirs.sign(CryptoSigner(CURVE))
    read = parse_envelope(json.loads(json.dumps(theirs.to_dict())))
    assert read.signed == theirs.pae()
    for public, signature in zip(PUBLIC, read.signatures, strict=True):
        assert verify_by(public, signature.sig, read.signed)
    assert parse_statement(read.payload).subjects.keys() == {"report.txt"}
