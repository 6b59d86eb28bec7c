from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lumen_workers.trust import merkle

# The inputs and roots of the Certificate Transparency reference implementation's test suite.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaves = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def mth(data: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1, word for word."""
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 9162, 2.1.4.1, word for word."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if m <= k:
        return [*subproof(m, data[:k], whole=whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], whole=False), mth(data[:k])]


@pytest.mark.parametrize("count", range(1, 9))
def test_reference_roots(count: int) -> None:
    assert merkle.root(map(merkle.leaf_hash, INPUTS[:count])).hex() == ROOTS[count - 1]


def test_empty_tree() -> None:
    assert merkle.root([]) == merkle.EMPTY == hashlib.sha256(b"").digest()


@given(leaves)
def test_root_is_the_rfc_definition(data: list[bytes]) -> None:
    assert merkle.root(map(merkle.leaf_hash, data)) == mth(data)


@given(st.integers(0, 6), st.binary(max_size=8))
def test_the_root_of_a_full_tree(height: int, seed: bytes) -> None:
    data = [seed + bytes([number]) for number in range(1 << height)]
    assert merkle.full_root(b"".join(map(merkle.leaf_hash, data))) == mth(data)


@given(leaves, st.data())
def test_proofs_are_the_rfc_definition_and_hold(data: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(data) - 1))
    hashes = [merkle.leaf_hash(item) for item in data]
    proof = merkle.inclusion_proof(hashes, index)
    assert proof == path(index, data)
    assert merkle.verify_inclusion(hashes[index], index, len(data), proof, merkle.root(hashes))


@given(leaves, st.data())
def test_a_wrong_proof_fails(data: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(data) - 1))
    hashes = [merkle.leaf_hash(item) for item in data]
    proof, root = merkle.inclusion_proof(hashes, index), merkle.root(hashes)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another leaf"), index, len(data), proof, root)
    assert not merkle.verify_inclusion(hashes[index], index, len(data), [*proof, root], root)
    assert not merkle.verify_inclusion(hashes[index], len(data), len(data), proof, root)
    if proof:
        broken = draw.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:broken], merkle.EMPTY, *proof[broken + 1 :]]
        assert not merkle.verify_inclusion(hashes[index], index, len(data), changed, root)
        assert not merkle.verify_inclusion(hashes[index], index, len(data), proof[:-1], root)
    other = draw.draw(st.integers(0, len(data) - 1))
    assume(hashes[other] != hashes[index] and merkle.inclusion_proof(hashes, other) != proof)
    assert not merkle.verify_inclusion(hashes[index], other, len(data), merkle.inclusion_proof(hashes, other), root)


def test_an_odd_leaf_is_not_doubled_and_a_node_is_no_leaf() -> None:
    a, b, c = (merkle.leaf_hash(item) for item in (b"a", b"b", b"c"))
    assert merkle.root([a, b, c]) != merkle.root([a, b, c, c])
    assert merkle.leaf_hash(a + b) != merkle.node_hash(a, b)


def test_proof_outside_the_tree() -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof([merkle.EMPTY], 1)
    with pytest.raises(IndexError):
        merkle.inclusion_proof([merkle.EMPTY], -1)


def test_file_leaf_form() -> None:
    assert merkle.file_leaf("files/한.csv", 3, "ab") == '{"path":"files/한.csv","sha256":"ab","size":3}'.encode()


@given(leaves, st.data())
def test_consistency_proofs_are_the_rfc_definition_and_hold(data: list[bytes], draw: st.DataObject) -> None:
    old = draw.draw(st.integers(1, len(data)))
    hashes = [merkle.leaf_hash(item) for item in data]
    proof = merkle.consistency_proof(hashes, old)
    assert proof == subproof(old, data, whole=True)
    assert merkle.verify_consistency(old, len(data), proof, mth(data[:old]), mth(data))


@given(leaves, st.data())
def test_a_wrong_consistency_proof_fails(data: list[bytes], draw: st.DataObject) -> None:
    new = len(data)
    old = draw.draw(st.integers(0, new))
    hashes = [merkle.leaf_hash(item) for item in data]
    proof, first, second = merkle.consistency_proof(hashes, old), mth(data[:old]), mth(data)
    other = merkle.leaf_hash(b"another")
    assert not merkle.verify_consistency(old, new, proof, other, second)
    assert not merkle.verify_consistency(old, new, [*proof, other], first, second)
    assert not merkle.verify_consistency(new + 1, new, proof, first, second)
    assert not merkle.verify_consistency(-1, new, proof, first, second)
    if old:
        assert not merkle.verify_consistency(old, new, proof, first, other)
    for broken in range(len(proof)):
        changed = [*proof[:broken], other, *proof[broken + 1 :]]
        assert not merkle.verify_consistency(old, new, changed, first, second)
        assert not merkle.verify_consistency(old, new, [*proof[:broken], *proof[broken + 1 :]], first, second)


@given(leaves, st.data())
def test_a_fork_is_not_consistent(data: list[bytes], draw: st.DataObject) -> None:
    """Another leaf among the old ones: no proof that the new tree makes leads to the old root."""
    old = draw.draw(st.integers(1, len(data)))
    changed = draw.draw(st.integers(0, old - 1))
    forked = [*data[:changed], b"not what it was", *data[changed + 1 :]]
    proof = merkle.consistency_proof([merkle.leaf_hash(item) for item in forked], old)
    assert not merkle.verify_consistency(old, len(data), proof, mth(data[:old]), mth(forked))


def test_consistency_where_there_is_nothing_to_prove() -> None:
    hashes = [merkle.leaf_hash(item) for item in INPUTS]
    root = merkle.root(hashes)
    assert merkle.consistency_proof(hashes, 0) == merkle.consistency_proof(hashes, 8) == []
    assert merkle.verify_consistency(0, 8, [], merkle.EMPTY, root)
    assert merkle.verify_consistency(8, 8, [], root, root)
    assert merkle.verify_consistency(0, 0, [], merkle.EMPTY, merkle.EMPTY)
    assert not merkle.verify_consistency(0, 8, [], root, root)
    assert not merkle.verify_consistency(0, 0, [], root, root)
    assert not merkle.verify_consistency(3, 8, [], merkle.root(hashes[:3]), root)
    for old in (-1, 9):
        with pytest.raises(IndexError, match="does not begin"):
            merkle.consistency_proof(hashes, old)
