"""A witness: each answer of the protocol, and a memory that no second tree of one size gets past."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from support.plain_log import PlainLog, b64, cosigned, vkey

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.trust.notes import Cosigner, parse_vkey
from lumen_workers.trust.tlog import witness as module
from lumen_workers.trust.tlog.witness import SIZE_TYPE, Answer, Witness

NAME = "witness.example/w1"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
NOW = 1_790_000_000


def filled(folder: Path) -> PlainLog:
    made = PlainLog(folder)
    made.add(70)
    return made


@pytest.fixture
def log(tmp_path: Path) -> PlainLog:
    return filled(tmp_path / "log")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


def witness_of(folder: Path, *logs: PlainLog) -> Witness:
    return Witness(folder, Cosigner(NAME, PRIVATE), [parse_vkey(log.vkey) for log in logs])


def seen_at(answer: Answer, note: bytes) -> int:
    """The time of an answer that cosigns ``note``."""
    assert (answer.status, answer.body[-1], answer.body.count("\n")) == (200, "\n", 1), answer
    return cosigned(note, answer.body[:-1], NAME, PRIVATE.public_key().public_bytes_raw())


def test_trees_that_go_on_are_cosigned_one_after_the_other(log: PlainLog, folder: Path) -> None:
    witness, old = witness_of(folder, log), 0
    for number, size in enumerate((1, 2, 3, 4, 7, 8, 64, 65, 65, 70)):
        at = NOW + number
        assert seen_at(witness.add_checkpoint(log.request(old, size), at), log.checkpoint(size)) == at
        old = size


def test_an_empty_log_is_cosigned_and_goes_on(log: PlainLog, folder: Path) -> None:
    witness = witness_of(folder, log)
    seen_at(witness.add_checkpoint(log.request(0, 0), NOW), log.checkpoint(0))
    seen_at(witness.add_checkpoint(log.request(0, 0), NOW), log.checkpoint(0))
    seen_at(witness.add_checkpoint(log.request(0, 5), NOW), log.checkpoint(5))


def test_a_size_that_is_not_known_is_told(log: PlainLog, folder: Path) -> None:
    witness = witness_of(folder, log)
    assert witness.add_checkpoint(log.request(3, 9), NOW) == Answer(409, "0\n", SIZE_TYPE)
    seen_at(witness.add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    for old, size in ((0, 9), (8, 9), (0, 20), (8, 8), (0, 0), (10, 20)):
        assert witness.add_checkpoint(log.request(old, size), NOW) == Answer(409, "9\n", SIZE_TYPE)
    seen_at(witness.add_checkpoint(log.request(9, 20), NOW), log.checkpoint(20))


def test_what_is_cosigned_is_the_whole_text(log: PlainLog, folder: Path) -> None:
    text = log.checkpoint(5)[: log.checkpoint(5).rindex(b"\n\n") + 1].decode() + "an extension\n"
    key = parse_vkey(log.vkey)
    line = f"— {log.origin} {b64(key.key_id + log.private.sign(text.encode()))}"
    others = "— someone.else/x AAAAAAAAAAAA\n— witness.example/w1 AAAAAAAAAAAA\n"
    note = f"{text}\n{others}{line}\n".encode()
    seen_at(witness_of(folder, log).add_checkpoint(b"old 0\n\n" + note, NOW), note)


def refused(log: PlainLog) -> dict[str, tuple[bytes, int]]:
    """Requests to a witness that has seen 9 entries of ``log``, and the status of the answer."""
    good = log.request(9, 20)
    head, blank, note = good.partition(b"\n\n")
    lines = head.split(b"\n")
    stranger = PlainLog(log.folder, origin="stranger.example/log")
    forger = PlainLog(log.folder, origin=log.origin, seed=9)
    fork = PlainLog(log.folder, origin=log.origin)
    for other in (stranger, forger, fork):
        other.add(30, "other")
    return {
        "nothing": (b"", 400),
        "no empty line": (good.replace(b"\n\n", b"\n"), 400),
        "no old size": (good.removeprefix(b"old 9\n"), 400),
        "a size with a zero in front": (good.replace(b"old 9", b"old 09"), 400),
        "a negative size": (good.replace(b"old 9", b"old -9"), 400),
        "a size with a sign": (good.replace(b"old 9", b"old +9"), 400),
        "a size beyond all": (good.replace(b"old 9", b"old 9223372036854775808"), 400),
        "digits of another script": (good.replace(b"old 9", "old ٩".encode()), 400),
        "two spaces": (good.replace(b"old 9", b"old  9"), 400),
        "carriage returns": (good.replace(b"\n", b"\r\n"), 400),
        "a hash that is too short": (b"\n".join([*lines[:-1], lines[-1][:-4]]) + blank + note, 400),
        "a hash that is no base64": (b"\n".join([*lines[:-1], b"!" * 44]) + blank + note, 400),
        "more hashes than any tree is high": (b"\n".join([lines[0], *lines[1:2] * 64]) + blank + note, 400),
        "no checkpoint": (head + blank, 400),
        "a checkpoint without a signature": (head + blank + note.partition(b"\n\n")[0] + b"\n", 400),
        "a checkpoint that is no UTF-8": (head + blank + b"\xff" + note, 400),
        "a checkpoint of two lines": (head + blank + b"\n".join(note.split(b"\n")[1:]), 400),
        "an old size above the new one": (log.request(21, 20), 400),
        "an unknown log": (stranger.request(0, 20), 404),
        "another key": (forger.request(9, 20), 403),
        "a changed root": (good.replace(b64(log.root(20)).encode(), b64(log.root(19)).encode()), 403),
        "a changed size": (good.replace(b"\n20\n", b"\n21\n"), 403),
        "a signature of another text": (
            head + blank + note.replace(b"\n20\n", b"\n20\n" + b64(bytes(32)).encode() + b"\n"),
            403,
        ),
        "another tree of the same size": (fork.request(9, 9), 409),
        "a fork": (fork.request(9, 20), 422),
        "no proof": (lines[0] + blank + note, 422),
        "a proof that is cut": (b"\n".join(lines[:-1]) + blank + note, 422),
        "a proof with more": (b"\n".join([*lines, lines[-1]]) + blank + note, 422),
        "a proof in another order": (b"\n".join([lines[0], *lines[:0:-1]]) + blank + note, 422),
        "a proof where none is needed": (b"old 9\n" + lines[1] + b"\n\n" + log.checkpoint(9), 422),
    }


NAMES = sorted(refused(filled(Path())))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused_changes_nothing(log: PlainLog, folder: Path, name: str) -> None:
    witness = witness_of(folder, log)
    seen_at(witness.add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    body, status = refused(log)[name]
    answer = witness.add_checkpoint(body, NOW + 500)
    assert answer.status == status, answer
    assert "—" not in answer.body
    if status == 409:
        assert answer.kind != SIZE_TYPE, "there is no other size to come with"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    seen_at(witness.add_checkpoint(log.request(9, 20), NOW), log.checkpoint(20))


def test_logs_have_nothing_to_do_with_each_other(log: PlainLog, folder: Path, tmp_path: Path) -> None:
    other = PlainLog(tmp_path / "other", origin="other.example/log", seed=2)
    other.add(30, "other")
    witness = witness_of(folder, log, other)
    seen_at(witness.add_checkpoint(log.request(0, 60), NOW), log.checkpoint(60))
    seen_at(witness.add_checkpoint(other.request(0, 4), NOW), other.checkpoint(4))
    seen_at(witness.add_checkpoint(other.request(4, 30), NOW), other.checkpoint(30))
    assert witness.add_checkpoint(log.request(30, 60), NOW).body == "60\n"


def test_another_process_goes_on_where_one_ended(log: PlainLog, folder: Path) -> None:
    seen_at(witness_of(folder, log).add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    later = witness_of(folder, log)
    assert later.add_checkpoint(log.request(0, 20), NOW).body == "9\n"
    seen_at(later.add_checkpoint(log.request(9, 20), NOW), log.checkpoint(20))


@pytest.mark.parametrize("harm", [b"", b"garbage\n", b"other.example/log\n1\nAAAA\ntime 1\n"])
def test_a_damaged_memory_is_not_an_empty_one(log: PlainLog, folder: Path, harm: bytes) -> None:
    witness = witness_of(folder, log)
    seen_at(witness.add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    (path,) = folder.glob("*.checkpoint")
    kept = path.read_bytes()
    for damaged in (harm, kept[:-5], kept.replace(log.origin.encode(), b"x"), kept.rpartition(b"time")[0]):
        path.write_bytes(damaged)
        with pytest.raises(EnvironmentFault, match="no memory of a witness"):
            witness.add_checkpoint(log.request(0, 20), NOW)
    path.write_bytes(kept)
    seen_at(witness.add_checkpoint(log.request(9, 20), NOW), log.checkpoint(20))


def test_what_cannot_be_remembered_is_not_cosigned(
    log: PlainLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(OSError, match="No space"):
        witness_of(folder, log).add_checkpoint(log.request(0, 9), NOW)
    assert not list(folder.glob("*.checkpoint"))


def test_time_never_goes_back(log: PlainLog, folder: Path) -> None:
    """Whoever can set a witness's clock back must not get an old time for something new."""
    seen_at(witness_of(folder, log).add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    later = witness_of(folder, log)
    assert seen_at(later.add_checkpoint(log.request(9, 20), NOW - 60), log.checkpoint(20)) == NOW
    for now in (NOW - 61, NOW - 86_400, 0):
        answer = later.add_checkpoint(log.request(20, 30), now)
        assert (answer.status, "clock" in answer.body) == (503, True)
        assert later.add_checkpoint(log.request(20, 20), now).status == 503
    assert seen_at(later.add_checkpoint(log.request(20, 30), NOW + 1), log.checkpoint(30)) == NOW + 1


def test_time_that_was_told_for_an_old_tree_counts_as_well(log: PlainLog, folder: Path) -> None:
    witness = witness_of(folder, log)
    seen_at(witness.add_checkpoint(log.request(0, 9), NOW), log.checkpoint(9))
    assert seen_at(witness.add_checkpoint(log.request(9, 9), NOW + 5000), log.checkpoint(9)) == NOW + 5000
    assert witness_of(folder, log).add_checkpoint(log.request(9, 20), NOW + 100).status == 503


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=12))
def test_never_two_trees_of_one_size(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, bool]]
) -> None:
    """Whatever the log's operator asks, in whatever order, and however often the witness starts anew."""
    folder = tmp_path_factory.mktemp("state")
    histories = [PlainLog(folder), PlainLog(folder)]
    for history, what in zip(histories, ("a", "b"), strict=True):
        history.add(10, "same")
        history.add(30, what)
    witness, known = witness_of(folder, histories[0]), 0
    roots: dict[int, bytes] = {}
    for which, old, size, again in steps:
        answer = witness.add_checkpoint(histories[which].request(old, size), NOW)
        if answer.status == 200:
            assert (old, size >= known) == (known, True)
            assert roots.setdefault(size, histories[which].root(size)) == histories[which].root(size)
            known = size
        elif answer.kind == SIZE_TYPE:
            assert answer.body == f"{known}\n"
        if again:
            witness = witness_of(folder, histories[0])


def test_of_two_trees_at_once_one_is_cosigned(log: PlainLog, folder: Path) -> None:
    fork = PlainLog(folder)
    fork.add(30, "fork")
    bodies = [log.request(0, 20), fork.request(0, 20)]
    answers: list[Answer] = []
    gate = threading.Barrier(8)

    def ask(body: bytes) -> None:
        witness = witness_of(folder, log)
        gate.wait()
        answers.append(witness.add_checkpoint(body, NOW))

    threads = [threading.Thread(target=ask, args=(bodies[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7


def test_keys_that_are_no_logs(log: PlainLog, folder: Path) -> None:
    cosigner = Cosigner(NAME, PRIVATE)
    with pytest.raises(ValueError, match="witness's, not a log's"):
        Witness(folder, cosigner, [parse_vkey(vkey("w", PRIVATE, 4))])
    other = PlainLog(folder, seed=5)
    with pytest.raises(ValueError, match="two keys"):
        Witness(folder, cosigner, [parse_vkey(log.vkey), parse_vkey(other.vkey)])
