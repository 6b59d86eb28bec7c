"""Another's tool reads our log: Go's own library for transparency logs, from the distribution's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.logs import SIGNER, TestLog
from support.servers import missing

from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.notes import Cosigner, parse_note, write_note
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.proof import TlogProof

pytestmark = pytest.mark.go

SOURCES = Path(os.environ.get("GOCODE", "/usr/share/gocode"))
WITNESS = Cosigner("example.org/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))

Check = Callable[[Path, bytes, str], tuple[int, str]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a module, a network or anything of the caller's."""
    go = shutil.which("go")
    if go is None or not (SOURCES / "src/golang.org/x/mod/sumdb").is_dir():
        missing("golang-go or golang-golang-x-mod-dev")
    made = tmp_path_factory.mktemp("go")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(made),
        "GO111MODULE": "off",
        "GOPATH": str(SOURCES),
        "GOCACHE": str(made / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    source = Path(__file__).parent / "go" / "main.go"
    subprocess.run([go, "build", "-o", made / "check", source], env=environment, check=True, timeout=300)
    return made / "check"


@pytest.fixture
def check(program: Path, tmp_path: Path) -> Check:
    def run(folder: Path, older: bytes, proof: str) -> tuple[int, str]:
        (tmp_path / "older").write_bytes(older)
        (tmp_path / "proof").write_text(proof)
        words = [str(item) for item in (program, folder, SIGNER.key.vkey, tmp_path / "older", tmp_path / "proof")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    return run


def published(log: TestLog) -> bytes:
    data = log.folder.checkpoint()
    assert data is not None
    return data


def proof_of(log: TestLog, index: int) -> str:
    return TlogProof(index, tuple(log.folder.tree(log.count).inclusion(index)), published(log)).dump()


@pytest.mark.parametrize(("first", "more"), [(1, 0), (1, 1), (255, 1), (256, 1), (300, 212), (513, 600)])
def test_go_reads_the_log_and_makes_the_same_proofs(tmp_path: Path, check: Check, first: int, more: int) -> None:
    log = TestLog(tmp_path / "log")
    log.fill(first)
    older = published(log)
    log.fill(more)
    for index in {0, log.count // 2, log.count - 1}:
        assert check(log.folder.path, older, proof_of(log, index)) == (0, str(log.count))


def test_a_cosignature_does_not_disturb_it(tmp_path: Path, check: Check) -> None:
    log = TestLog(tmp_path / "log")
    log.owe(3)
    asked = log.with_witnesses(lambda note, _size, _prove: [WITNESS.cosign(parse_note(note).text, 1_800_000_000)])
    assert asked.append() == 3
    assert WITNESS.key.name.encode() in published(log)
    assert check(log.folder.path, published(log), proof_of(log, 2)) == (0, "3")


def _older_of_a_fork(_folder: LogFolder, _older: bytes, proof: str) -> tuple[bytes, str]:
    text = Checkpoint(SIGNER.key.name, 100, bytes(32)).text()
    return write_note(text, [SIGNER.sign(text)]), proof


def _unsigned(folder: LogFolder, older: bytes, proof: str) -> tuple[bytes, str]:
    data = folder.checkpoint()
    assert data is not None
    folder.publish(data.replace(b"\n300\n", b"\n299\n"))
    return older, proof


def _tile(folder: LogFolder, older: bytes, proof: str) -> tuple[bytes, str]:
    path = folder.path / "tile/0/000"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    return older, proof


def _entry(folder: LogFolder, older: bytes, proof: str) -> tuple[bytes, str]:
    path = folder.path / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"attestation", b"attestatiom", 1))
    return older, proof


def _other_index(_folder: LogFolder, older: bytes, proof: str) -> tuple[bytes, str]:
    return older, proof.replace("index 7\n", "index 8\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_older_of_a_fork, "from 100 to 300: invalid transparency proof"),
        (_unsigned, "invalid signature for key"),
        (_tile, "entry 1: invalid transparency proof"),
        (_entry, "entry 0: invalid transparency proof"),
        (_other_index, "the proof of entry 8: invalid transparency proof"),
    ],
)
def test_go_refuses_what_is_wrong(
    tmp_path: Path, check: Check, harm: Callable[[LogFolder, bytes, str], tuple[bytes, str]], said: str
) -> None:
    """Or the tests above would say nothing."""
    log = TestLog(tmp_path / "log")
    log.fill(100)
    older = published(log)
    log.fill(200)
    code, answer = check(log.folder.path, *harm(log.folder, older, proof_of(log, 7)))
    assert code == 1
    assert said in answer
