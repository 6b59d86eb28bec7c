"""Data that is damaged or not what it should be."""

from __future__ import annotations

import base64
import bz2
import configparser
import csv
import gzip
import io
import json
import lzma
import pickle
import tarfile
import tomllib
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pydantic
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.verification import PolicyBuilder, Store
from support.failures.case import Case, case
from support.failures.peers import Peers


class _Row(pydantic.BaseModel):
    ts: int


def _of(work: Callable[[], Any]) -> Callable[[Peers], object]:
    return lambda _: work()


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("x", b"some bytes" * 10)
    return buffer.getvalue()


def _read_zip(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        found.read("x")


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(tarfile.TarInfo("../x"), io.BytesIO())
        entry = tarfile.TarInfo("y")
        entry.size = 5000
        made.addfile(entry, io.BytesIO(bytes(5000)))
    return buffer.getvalue()


def _read_tar(data: bytes, mode: Any = "r") -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as found:
        for entry in found:
            if (file := found.extractfile(entry)) is not None:
                file.read()


def _unpack(peers: Peers) -> None:
    with tarfile.open(fileobj=io.BytesIO(_tar())) as found:
        found.extractall(peers.folder(), filter="data")


def _bad_signature() -> None:
    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b"day"), b"other day")


def _bad_tag() -> None:
    key = AESGCM(bytes(32))
    key.decrypt(bytes(12), _flipped(key.encrypt(bytes(12), b"bundle", None), 0), None)


def _untrusted(peers: Peers) -> None:
    root, other = (x509.load_pem_x509_certificate(peers.certificates.issued(kind)) for kind in ("root", "self_signed"))
    PolicyBuilder().store(Store([root])).build_client_verifier().verify(other, [])


def _wrong_passphrase() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"right")
    )
    serialization.load_pem_private_key(pem, b"wrong")


def _csv() -> None:
    list(csv.reader(["x" * 200_000]))


def _circle() -> None:
    items: list[Any] = []
    items.append(items)
    json.dumps(items)


PACKED = gzip.compress(b"some bytes" * 100)

CASES: list[Case] = [
    case("JSON", "build", "name json.decoder.JSONDecodeError (builtins.ValueError)", _of(lambda: json.loads("{"))),
    case("not for JSON", "build", "name builtins.TypeError", _of(lambda: json.dumps(object()))),
    case(
        "circle for JSON",
        "build",
        "name builtins.ValueError",
        _of(_circle),
    ),
    case("pydantic", "build", "name pydantic_core.*ValidationError (builtins.ValueError)", _of(lambda: _Row(ts="x"))),  # type: ignore[arg-type]
    case(
        "YAML scanner",
        "build",
        "name yaml.scanner.ScannerError (yaml.error.YAMLError)",
        _of(lambda: yaml.safe_load("a: b: c")),
    ),
    case(
        "YAML parser", "build", "name yaml.parser.ParserError (yaml.error.YAMLError)", _of(lambda: yaml.safe_load("[1"))
    ),
    case(
        "YAML object", "build", "name yaml.constructor.*", _of(lambda: yaml.safe_load("!!python/object:os.system {}"))
    ),
    case("TOML", "build", "name tomllib.TOMLDecodeError (builtins.ValueError)", _of(lambda: tomllib.loads("x ="))),
    case("INI", "build", "name configparser.*", _of(lambda: configparser.ConfigParser().read_string("x"))),
    case(
        "XML",
        "build",
        "name xml.etree.ElementTree.ParseError (builtins.SyntaxError)",
        _of(lambda: ET.fromstring("<x>")),
    ),
    case("CSV", "build", "name _csv.Error", _of(_csv)),
    case("base64", "build", "name binascii.Error (builtins.ValueError)", _of(lambda: base64.b64decode("x"))),
    case("pickle", "build", "name *", _of(lambda: pickle.loads(b"no pickle"))),
    case("zip: none", "build", "name zipfile.BadZipFile", _of(lambda: _read_zip(b"no zip"))),
    case("zip: damaged", "build", "name zipfile.BadZipFile", _of(lambda: _read_zip(_flipped(_zip(), 35)))),
    case(
        "zip: no such entry",
        "build",
        "name builtins.KeyError (builtins.LookupError)",
        _of(lambda: zipfile.ZipFile(io.BytesIO(_zip())).read("z")),
    ),
    case("tar: none", "build", "name tarfile.ReadError (tarfile.TarError)", _of(lambda: _read_tar(b"no tar"))),
    case("tar: short", "build", "name tarfile.ReadError (tarfile.TarError)", _of(lambda: _read_tar(_tar()[:2000]))),
    case("tar: out of its folder", "build", "name tarfile.OutsideDestinationError (tarfile.TarError)", _unpack),
    case(
        "tar: not gzip",
        "build",
        "name tarfile.ReadError (tarfile.TarError)",
        _of(lambda: _read_tar(b"no gzip", "r:gz")),
    ),
    case("zlib", "build", "name zlib.error", _of(lambda: zlib.decompress(b"no zlib"))),
    case("gzip: none", "build", "name gzip.BadGzipFile", _of(lambda: gzip.decompress(b"no gzip"))),
    case("gzip: short", "build", "name builtins.EOFError", _of(lambda: gzip.decompress(PACKED[:-4]))),
    case(
        "gzip: wrong sum",
        "build",
        "name gzip.BadGzipFile",
        _of(lambda: gzip.decompress(_flipped(PACKED, len(PACKED) - 6))),
    ),
    case("xz", "build", "name _lzma.LZMAError", _of(lambda: lzma.decompress(b"no xz"))),
    case("bz2", "build", 'text "invalid data stream"', _of(lambda: bz2.decompress(b"no bz2"))),
    case("signature", "build", "name cryptography.exceptions.InvalidSignature", _of(_bad_signature)),
    case("AES-GCM tag", "build", "name cryptography.exceptions.InvalidTag", _of(_bad_tag)),
    case("chain of certificates", "build", "name cryptography.*.VerificationError", _untrusted),
    case("PEM", "build", "name builtins.ValueError", _of(lambda: serialization.load_pem_private_key(b"no pem", None))),
    case("certificate", "build", "name builtins.ValueError", _of(lambda: x509.load_pem_x509_certificate(b"no pem"))),
    case("passphrase", "build", "name builtins.ValueError", _of(_wrong_passphrase)),
]
