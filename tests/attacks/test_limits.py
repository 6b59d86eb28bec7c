"""No evidence file makes a verifier large or slow: the worst that 4 MiB can hold, in a process of its own.

The bound on memory is the promised one. The bound on time is only there so that an endless loop fails: figures are
the benchmarks' business.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest
from attacks.both import verify_lumen
from support.evidence import (
    DAY,
    NOW,
    ROOT,
    Forge,
    Root,
    ask,
    ed25519,
    odd_certificate,
    p256,
    statement,
)

from lumen_workers.archive.evidence import check_folder
from lumen_workers.archive.layout import MANIFEST
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.pki.certificates import der_of
from lumen_workers.trust.pki.crl import Revocation

LIMIT = 4 * 1024**2
MEMORY = 200 * 1024**2
SECONDS = 30


def full(begin: bytes, item: bytes, end: bytes) -> bytes:
    """As many items as an evidence file may hold."""
    return begin + item * ((LIMIT - len(begin) - len(end)) // len(item)) + end


def many_keys() -> bytes:
    """Each of 16 keys is tried on each of 16 signatures over almost 3 MB."""
    keys = [ed25519(100 + number) for number in range(16)]
    return Forge(
        payload=b'{"a":"' + b"x" * 2_900_000 + b'"}',
        signers=[RegionKey(key) for key in reversed(keys)],
        certificates=[ROOT.issue(key.public_key(), region=f"r{number}") for number, key in enumerate(keys)],
    ).dump()


def many_strangers() -> bytes:
    """Signatures that none of the keys made."""
    keys = [p256(100 + number) for number in range(16)]
    return Forge(
        payload=b"x" * 2_900_000,
        signers=[RegionKey(p256(99))] * 16,
        certificates=[ROOT.issue(key.public_key(), region=f"r{number}") for number, key in enumerate(keys)],
    ).dump()


def many_paths() -> bytes:
    """Intermediates of one name, none of which issued the next."""
    flags = {"key_cert_sign": True, "crl_sign": True}
    middles = [
        odd_certificate(
            p256(200 + number).public_key(),
            ROOT,
            ca=True,
            usage=flags,
            extended=None,
            names=(),
            subject="middle",
            key=p256(300 + number),
        )
        for number in range(15)
    ]
    leaf = odd_certificate(ed25519(10).public_key(), ROOT, issuer=middles[0].subject, key=p256(9), subject="leaf")
    return Forge(certificates=[der_of(leaf), *(der_of(middle) for middle in middles)]).dump()


def many_rotations() -> bytes:
    roots = [ROOT, *(Root(400 + number) for number in range(16))]
    forge = Forge(root=roots[-1], former=[root.der for root in roots[:-1]])
    for old, new in pairwise(roots):
        rotation = old.rotation(new, NOW)
        rotation["signatures"] = [rotation["signatures"][0]] * 15 + [rotation["signatures"][1]]
        forge.rotations.append(rotation)
    return forge.dump()


def many_revoked() -> bytes:
    revoked = [Revocation(serial=number + 2**60, revoked_at=NOW - DAY) for number in range(25_000)]
    return Forge(crl=ROOT.crl(revoked=revoked)).dump()


def envelope_of_lists() -> bytes:
    text = json.dumps({**Forge().value(), "envelope": 0}).encode()
    begin, end = text.split(b'"envelope": 0')
    return full(begin + b'"envelope": [', b"{},", b"0]" + end)


CASES: dict[str, Callable[[], bytes]] = {
    "lists": lambda: full(b"[", b"[],", b"0]"),
    "objects": lambda: full(b"[", b'{"":0},', b"0]"),
    "keys": lambda: b"{" + b",".join(b'"%x":0' % number for number in range(380_000)) + b"}",
    "numbers": lambda: full(b"[", b"1.5,", b"0]"),
    "long numbers": lambda: full(b"[", b"9" * 4299 + b",", b"0]"),
    "one text": lambda: b'"\xf0\x9f\x98\x80' + b"a" * (LIMIT - 10) + b'"',
    "too large": lambda: b"[" * (16 * LIMIT),
    "an envelope of lists": envelope_of_lists,
    "a statement of objects": lambda: Forge(payload=full(b"[", b'{"":0},', b"0]")[: 2 * 1024**2 - 3] + b"0]").dump(),
    "subjects": lambda: Forge(payload=statement([(f"{n:0250d}", b"") for n in range(1024)]).dump()).dump(),
    "keys and signatures": many_keys,
    "strangers' signatures": many_strangers,
    "intermediates": many_paths,
    "rotations": many_rotations,
    "a long list": many_revoked,
}


def package(data: bytes) -> str:
    return ask(data).reason


def one_file(data: bytes) -> str:
    reason: str = verify_lumen.Verifier(data, roots=[ROOT.fingerprint], now=NOW).run()["reason"]
    return reason


Answer = SimpleQueue[tuple[str, int]]


def measured(verifier: Callable[[bytes], str], data: bytes, answer: Answer) -> None:
    """What it says, and by how many bytes that made the process larger at most."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reason = verifier(data)
    answer.put((reason, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024))


def apart(verifier: Callable[[bytes], str], data: bytes) -> tuple[str, int]:
    context = multiprocessing.get_context("fork")
    answer: Answer = context.SimpleQueue()
    child = context.Process(target=measured, args=(verifier, data, answer))
    child.start()
    child.join()
    assert child.exitcode == 0
    return answer.get()


@pytest.mark.parametrize("name", CASES)
def test_the_worst_that_a_file_can_hold(name: str) -> None:
    data = CASES[name]()
    ours, theirs = apart(package, data), apart(one_file, data)
    assert ours[0] == theirs[0]
    assert max(ours[1], theirs[1]) < MEMORY


MANIFESTS = {
    "lists": lambda: full_of(b"[", b"[],", b"0]"),
    "objects": lambda: full_of(b"[", b'{"":0},', b"0]"),
    "keys": lambda: b"{" + b",".join(b'"%x":0' % number for number in range(1_500_000)) + b"}",
    "fewer keys": lambda: b"{" + b",".join(b'"%x":0' % number for number in range(99_000)) + b"}",
    "numbers": lambda: full_of(b"[", b"1.5,", b"0]"),
    "one text": lambda: b'"\xf0\x9f\x98\x80' + b"a" * (16 * 1024**2 - 10) + b'"',
}


def full_of(begin: bytes, item: bytes, end: bytes) -> bytes:
    """As many items as a manifest may hold bytes."""
    return begin + item * ((16 * 1024**2 - len(begin) - len(end)) // len(item)) + end


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_worst_that_a_manifest_can_hold(name: str, tmp_path: Path) -> None:
    data = MANIFESTS[name]()
    (tmp_path / MANIFEST).write_bytes(data)
    evidence = Forge(payload=statement([(MANIFEST, data)]).dump()).dump()

    def ours(evidence: bytes) -> str:
        return ask(evidence, folder=tmp_path, whole=True, snapshot=check_folder).reason

    def theirs(evidence: bytes) -> str:
        asked = verify_lumen.Verifier(evidence, roots=[ROOT.fingerprint], now=NOW, folder=tmp_path, whole=True)
        reason: str = asked.run()["reason"]
        return reason

    found = [apart(verifier, evidence) for verifier in (ours, theirs)]
    assert [reason for reason, _ in found] == ["manifest_malformed"] * 2
    assert max(used for _, used in found) < MEMORY
