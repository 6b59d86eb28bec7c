"""The parts of an evidence file as files of their own, each in its public standard, for other people's tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.trust import canonical
from lumen_workers.trust.evidence.form import Evidence
from lumen_workers.trust.files import replace_file

README: Final = r"""What lies here, for a name of {name}:

NAME.intoto.json        the DSSE envelope with the in-toto statement; its SHA-256 is what the log's entry names
NAME.chain.pem          the signer's certificate, and intermediates
NAME.root.pem           the root; its fingerprint is what you must know by another way
NAME.crl.der            the root's revocation list
NAME.entry.json         the log's entry, byte for byte
NAME.tlog-proof         index, inclusion proof and checkpoint (C2SP tlog-proof)
NAME.trust.intoto.json  the root's word on logs and witnesses (DSSE)

In this folder, with a POSIX shell and OpenSSL 3:

name={quoted}

# The root's fingerprint, and whether the signer's certificate leads to it and is not revoked.
openssl x509 -in "$name.root.pem" -noout -fingerprint -sha256
openssl crl -inform DER -in "$name.crl.der" -out "$name.crl.pem"
openssl verify -x509_strict -crl_check -CAfile "$name.root.pem" -CRLfile "$name.crl.pem" \
  -untrusted "$name.chain.pem" "$name.chain.pem"

# Whether it signed the envelope: DSSE's encoding of type and payload. (A P-256 key: openssl dgst -sha256 -verify.)
field() {{ sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" "$name.intoto.json" | base64 -d; }}
field payload >"$name.statement.json"
field sig >"$name.sig"
openssl x509 -in "$name.chain.pem" -noout -pubkey >"$name.pub.pem"
{{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(($(wc -c <"$name.statement.json")))"
  cat "$name.statement.json"; }} >"$name.signed"
openssl pkeyutl -verify -pubin -inkey "$name.pub.pem" -rawin -in "$name.signed" -sigfile "$name.sig"

# Whether the entry is of this envelope: the two digests are the same. The statement names the files' own.
openssl dgst -sha256 -r "$name.intoto.json"
cat "$name.entry.json"
"""
"""The last field of a kind is taken: what a shell can read of canonical JSON."""


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
        "README.txt": README.format(name=name, quoted=shlex.quote(name)).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for relative, data in parts.items():
        replace_file(folder / relative, data)
    return [folder / relative for relative in parts]


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
