"""Requests for certificates: ours whatever holds the key, those of others, and what is refused."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID
from support.evidence import ed25519, p256
from support.logs import SIGNER

from lumen_workers.domain.ports import Signer
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.request import MAX_BYTES, make_request, read_request

A = "ap-northeast-2"
VKEY = SIGNER.key.vkey


def foreign(*names: str, key: object = None, log: str | None = None) -> bytes:
    """As another tool makes it, DER."""
    key = key or ed25519(3)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if log is not None:
        builder = builder.add_attribute(AttributeOID.UNSTRUCTURED_NAME, log.encode())
    algorithm = None if isinstance(key, type(ed25519(3))) else SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signer", "public"),
    [(RegionKey(ed25519(3)), ed25519(3).public_key()), (RegionKey(p256(3)), p256(3).public_key())],
)
def test_ours_comes_back(signer: Signer, public: object) -> None:
    made = make_request(A, signer, VKEY)
    read = read_request(made)
    assert (read.region, read.public, read.log) == (A, public, VKEY)
    csr = x509.load_pem_x509_csr(made)
    assert csr.is_signature_valid
    assert read_request(csr.public_bytes(Encoding.DER)) == read


def test_another_tool_s_names_no_log() -> None:
    read = read_request(foreign(A))
    assert (read.region, read.public, read.log) == (A, ed25519(3).public_key(), None)
    assert read_request(foreign(A, key=p256(4))).public == p256(4).public_key()
    assert read_request(foreign(A, log=VKEY)).log == VKEY


def test_one_that_another_key_signed() -> None:
    made = make_request(A, RegionKey(ed25519(3)), VKEY)
    der = x509.load_pem_x509_csr(made).public_bytes(Encoding.DER)
    own, other = (key.public_key().public_bytes_raw() for key in (ed25519(3), ed25519(4)))
    with pytest.raises(ValueError, match="is not signed with the key"):
        read_request(der.replace(own, other))
    with pytest.raises(ValueError, match="is not signed with the key"):
        read_request(der.replace(b"ap-northeast-2", b"us-northeast-2"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "PKCS#10"),
        (b"{}", "PKCS#10"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n!\n", "PKCS#10"),
        (b"0" * (MAX_BYTES + 1), "too large"),
        (foreign(), "not one region"),
        (foreign(A, "us-west-2"), "not one region"),
        (foreign("../up"), "no region '../up'"),
        (foreign("Kim"), "no region 'Kim'"),
        (foreign(A, key=rsa.generate_private_key(65537, 2048)), "neither Ed25519 nor P-256"),
        (foreign(A, key=generate_private_key(SECP384R1())), "neither Ed25519 nor P-256"),
        (foreign(A, log="nonsense"), "."),
        (foreign(A, log="ü"), "."),
    ],
)
def test_what_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_request(data)
