"""Parts harmed at random and signed anew, as one who has the keys could: both verifiers agree, check by check."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attacks.both import verify_lumen
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evidence import DAY, NOW, OTHER, ROOT, Forge, Root, ask, b64, failed, statement
from support.snapshots import make_files, make_seal

from lumen_workers.archive.evidence import check_folder
from lumen_workers.archive.freeze import freeze
from lumen_workers.archive.layout import MANIFEST
from lumen_workers.trust import canonical, merkle
from lumen_workers.trust.dsse import sign_envelope
from lumen_workers.trust.pki.documents import TRUST_TYPE
from lumen_workers.trust.statement import PAYLOAD_TYPE, Material

MIDDLE = Root(4)
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**70,
    1.5,
    float("inf"),
    "",
    "x",
    "a\x00b",
    "\ud800",
    "é",
    "../x",
    "/x",
    "a/./b",
    "\u2028",
    "\x1b[31m",
    "0" * 300,
    "A" * 70_000,
    "ab" * 32,
    "AB" * 32,
    "ab" * 32 + "\n",
    "2026-03-01T00:00:00Z",
    [],
    {},
    [1],
    {"a": 1},
)
CHARS = "aA09 \n\r\t=+/-_—é\x00\x7f\x85\u2028.,"

STATEMENT = json.loads(
    statement(
        (("report.txt", b"r"), ("a/b", b"")),
        external={"pipeline": "daily", "day": "2026-03-01", "revision": 1},
        materials=[Material(name="in", sha256="ab" * 32, annotations={"a": 1})],
    ).dump()
)
TRUST = json.loads(base64.b64decode(ROOT.trust(Forge().policy_text())["payload"]))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def harmed(value: Any, random: Random) -> Any:
    """A copy with one thing gone, doubled, added, edited, or replaced by something odd."""
    made = copy.deepcopy(value)
    *parents, key = random.choice(list(places(made)))
    inside = made
    for parent in parents:
        inside = inside[parent]
    old, way = inside[key], random.randrange(6)
    if way == 0:
        del inside[key]
    elif way == 1 and isinstance(inside, dict):
        inside[random.choice(["alg", "", f"{key} ", "é"])] = random.choice(ODD)
    elif way == 2 and isinstance(old, str):
        inside[key] = edited(old, random)
    elif way == 3 and isinstance(old, list) and old:
        old.append(copy.deepcopy(random.choice(old)))
    else:
        inside[key] = random.choice(ODD)
    return made


def edited(text: str, random: Random) -> str:
    """The text with a character more, less or other; cut off; or a stretch of it twice."""
    first, last = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
    char = random.choice(CHARS)
    return random.choice(
        [
            text[:first] + char + text[first:],
            text[:first] + text[first + 1 :],
            text[:first] + char + text[first + 1 :],
            text[:first],
            text[:last] + text[first:],
        ]
    )


def bent(data: bytes, random: Random) -> bytes:
    """The bytes with a bit flipped, a byte less or one more."""
    place = random.randrange(len(data))
    bit = bytes([data[place] ^ 1 << random.randrange(8)])
    more = bytes([random.randrange(256)])
    return data[:place] + random.choice([bit, b"", more + data[place : place + 1]]) + data[place + 1 :]


def of_statement(random: Random) -> bytes:
    return Forge(payload=json.dumps(harmed(STATEMENT, random)).encode()).dump()


def of_trust(random: Random) -> bytes:
    payload = json.dumps(harmed(TRUST, random)).encode()
    return Forge(trust=sign_envelope(TRUST_TYPE, payload, [ROOT.signer])).dump()


def of_policy(random: Random) -> bytes:
    payload = canonical.dumps({**TRUST, "policy": edited(TRUST["policy"], random)})
    return Forge(trust=sign_envelope(TRUST_TYPE, payload, [ROOT.signer])).dump()


def of_envelope(random: Random) -> bytes:
    forge = Forge()
    value = forge.value()
    value["envelope"] = harmed(sign_envelope(PAYLOAD_TYPE, forge.payload, forge.signers), random)
    return json.dumps(value).encode()


def of_file(random: Random) -> bytes:
    return json.dumps(harmed(Forge().value(), random)).encode()


def of_proof(random: Random) -> bytes:
    value = Forge().value()
    value["proof"] = edited(value["proof"], random)
    return json.dumps(value).encode()


def of_der(random: Random) -> bytes:
    value = Forge().value()
    name = random.choice(["root", "crl", "entry", "certificates"])
    if name == "certificates":
        value[name] = [b64(bent(base64.b64decode(value[name][0]), random))]
    else:
        value[name] = b64(bent(base64.b64decode(value[name]), random))
    return json.dumps(value).encode()


def of_rotation(random: Random) -> bytes:
    forge = Forge(root=OTHER, former=[ROOT.der, MIDDLE.der])
    forge.rotations = [ROOT.rotation(MIDDLE, NOW - 20 * DAY), MIDDLE.rotation(OTHER, NOW - 15 * DAY)]
    value = forge.value()
    names = ("rotations", "former_roots")
    return json.dumps(value | harmed({name: value[name] for name in names}, random)).encode()


WAYS: list[Callable[[Random], bytes]] = [
    of_statement,
    of_trust,
    of_policy,
    of_envelope,
    of_file,
    of_proof,
    of_der,
    of_rotation,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(seed=st.integers(0, 2**64))
@settings(max_examples=60)
def test_both_verifiers_say_the_same(way: Callable[[Random], bytes], seed: int) -> None:
    data = way(Random(seed))
    report = ask(data)
    failed(report)
    ours = report.as_json()
    theirs = verify_lumen.Verifier(data, roots=[ROOT.fingerprint], now=NOW).run()
    for key in ("ok", "verdict", "reason", "root", "development", "signed_at", "signer", "day"):
        assert ours[key] == theirs[key], key
    assert told(ours) == told(theirs)


def told(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(check["name"], check["status"], check["reason"]) for check in found["checks"]]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day's folder; its manifest is written over."""
    place, seal = tmp_path_factory.mktemp("day"), make_seal()
    freeze(make_files(place / "files", seal), place / "day", seal=seal, label="test", sources=["logs/*.csv"])
    return place / "day"


def refitted(manifest: dict[str, Any]) -> dict[str, Any]:
    """With the digests that follow from its list of files, where they do."""
    files = manifest["files"]
    leaves = [merkle.leaf_hash(merkle.file_leaf(item["path"], item["size"], item["sha256"])) for item in files]
    values = {str(item["path"]): item["sha256"] for item in files}
    return manifest | {"merkle_root": merkle.root(leaves).hex(), "hash": manifest["hash"] | {"values": values}}


BESIDE = (
    "runs/x.json",
    "runs/X.json",
    "runs/.json",
    "signatures/a.sig",
    "signatures/A.sig",
    "signatures/x/y.sig",
    "x.lumen.json",
    "x.lumen.json.x",
    "a--b.lumen.json",
    "-.lumen.json",
    "bundle.tar.xz",
    "files/x",
    "files/controls/reports/x/y",
    ".x",
)


@given(seed=st.integers(0, 2**64))
@settings(max_examples=150)
def test_both_verifiers_say_the_same_of_a_folder(snapshot: Path, seed: int) -> None:
    random, path = Random(seed), snapshot / MANIFEST
    good = path.read_bytes()
    value = harmed(json.loads(good), random)
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
        value = refitted(value) if random.random() < 0.5 else value
    external: dict[str, Any] = {"day": "2026-03-01", "revision": 1}
    if random.random() < 0.2:
        value, external = json.loads(good), {**external, random.choice(["day", "revision"]): random.choice(ODD)}
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    payload = json.dumps(json.loads(statement([(MANIFEST, data + b"\n")]).dump()))
    payload = payload.replace('"externalParameters": {', '"externalParameters": ' + json.dumps(external)[:-1] + ", ")
    evidence = Forge(payload=payload.encode()).dump()
    beside = snapshot / random.choice(BESIDE) if random.random() < 0.4 else None
    path.write_bytes(data + b"\n")
    if beside is not None:
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(b"")
    try:
        report = ask(evidence, folder=snapshot, whole=True, snapshot=check_folder)
        theirs = verify_lumen.Verifier(evidence, roots=[ROOT.fingerprint], now=NOW, folder=snapshot, whole=True).run()
    finally:
        path.write_bytes(good)
        while beside is not None and beside != snapshot and not (beside.is_dir() and any(beside.iterdir())):
            beside.rmdir() if beside.is_dir() else beside.unlink()
            beside = beside.parent
    failed(report)
    assert (report.ok, report.reason, report.day) == (theirs["ok"], theirs["reason"], theirs["day"])
