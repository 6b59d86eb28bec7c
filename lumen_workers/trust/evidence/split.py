"""The parts of an evidence file as files of their own, each in its public standard, for other people's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.trust import canonical
from lumen_workers.trust.evidence.form import Evidence
from lumen_workers.trust.files import replace_file

README: Final = """\
{name}.intoto.json        the DSSE envelope with the in-toto statement; its SHA-256 is what the log's entry names
{name}.chain.pem          the signer's certificate, and intermediates
{name}.root.pem           the root; its fingerprint is what you must know by another way
{name}.crl.der            the root's revocation list
{name}.entry.json         the log's entry, byte for byte
{name}.tlog-proof         index, inclusion proof and checkpoint (C2SP tlog-proof)
{name}.trust.intoto.json  the root's word on logs and witnesses (DSSE)

openssl x509 -in {name}.root.pem -noout -fingerprint -sha256
openssl crl -inform DER -in {name}.crl.der -out {name}.crl.pem
openssl verify -x509_strict -crl_check -CAfile {name}.root.pem -CRLfile {name}.crl.pem {name}.chain.pem
"""


def split(evidence: Evidence, folder: Path, name: str) -> list[Path]:
    """Write the parts into ``folder`` under ``name``; returns the files. Raises OSError."""
    file = evidence.trust_file
    parts = {
        f"{name}.intoto.json": evidence.envelope_bytes,
        f"{name}.chain.pem": b"".join(_pem(der) for der in evidence.certificates),
        f"{name}.root.pem": _pem(file.root),
        f"{name}.crl.der": file.crl,
        f"{name}.entry.json": evidence.entry,
        f"{name}.tlog-proof": evidence.proof.encode(),
        f"{name}.trust.intoto.json": canonical.dumps(dict(file.trust)),
        "README.txt": README.format(name=name).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for relative, data in parts.items():
        replace_file(folder / relative, data)
    return [folder / relative for relative in parts]


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
