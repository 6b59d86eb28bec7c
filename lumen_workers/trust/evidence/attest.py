"""Make evidence: sign a statement, log it once, and put everything that verifies it into one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lumen_workers.domain.errors import LogRefused
from lumen_workers.domain.evidence import LogRow
from lumen_workers.domain.ports import Signer
from lumen_workers.domain.records import Record
from lumen_workers.trust import canonical, merkle
from lumen_workers.trust.checkpoints import parse_checkpoint
from lumen_workers.trust.dsse import sign_envelope
from lumen_workers.trust.evidence.form import make_evidence
from lumen_workers.trust.notes import parse_note
from lumen_workers.trust.pki.certificates import IDENTITY
from lumen_workers.trust.pki.home import Standing, TrustHome
from lumen_workers.trust.statement import PAYLOAD_TYPE, Statement
from lumen_workers.trust.tlog.entries import attestation_entry, parse_entry
from lumen_workers.trust.tlog.proof import TlogProof
from lumen_workers.trust.tlog.sequencer import Sequencer

WAIT_S: Final = 60.0
"""So long another process may hold the log before this one gives up."""


@dataclass(frozen=True, kw_only=True)
class Attested(Record):
    """What was made: the evidence file, the envelope's SHA-256 (hex), and where it stands in which log."""

    evidence: bytes
    envelope_sha256: str
    origin: str
    index: int
    root_fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Attestor:
    """Signs as ``region``. ``trust`` gives the home's trust, in order at present."""

    region: str
    signer: Signer
    trust: Callable[[], tuple[TrustHome, Standing]]
    sequencer: Sequencer

    @property
    def identity(self) -> str:
        """Who the signer's certificate says it is: the builder."""
        return f"{IDENTITY}{self.region}"

    def attest(self, statement: Statement, *, key: str, trace_id: str) -> Attested:
        """The evidence of ``statement``. ``key`` names it in the log: asked for again, what stands there is used.

        Raises TokenExpired where a certificate or list is missing or over, LogRefused where the log refuses or does
        not have the entry afterwards, NetworkError while another process holds the log.
        """
        home, standing = self.trust()
        envelope = canonical.dumps(sign_envelope(PAYLOAD_TYPE, statement.dump(), [self.signer]))
        entry = attestation_entry(envelope, serial=standing.certificate.serial_number, trace_id=trace_id)
        sequencer = self.sequencer
        row = sequencer.logs.enqueue(sequencer.origin, key, entry, envelope)
        index = sequencer.place(key, WAIT_S)
        return self._evidence(home, row, index)

    def _evidence(self, home: TrustHome, row: LogRow, index: int) -> Attested:
        entry = parse_entry(row.entry)
        proof = self.proof(row.entry, index)
        made = make_evidence(
            canonical.loads(row.envelope),
            home.certificates(self.region, entry.signer_serial),
            home.trust_file(),
            row.entry,
            proof.dump(),
        )
        return Attested(
            evidence=made,
            envelope_sha256=entry.envelope_sha256,
            origin=self.sequencer.origin,
            index=index,
            root_fingerprint=home.root_fingerprint,
        )

    def proof(self, entry: bytes, index: int) -> TlogProof:
        """Proof that ``entry`` is under the published checkpoint, looked at as a stranger would. Raises LogRefused."""
        folder = self.sequencer.folder
        data = folder.checkpoint()
        checkpoint = None if data is None else parse_checkpoint(parse_note(data).text)
        if data is None or checkpoint is None or index >= checkpoint.size:
            raise LogRefused(f"the log {self.sequencer.origin} has not published entry {index}")
        hashes = folder.tree(checkpoint.size).inclusion(index)
        if not merkle.verify_inclusion(merkle.leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root):
            raise LogRefused(f"entry {index} is not under the root of the log {self.sequencer.origin}")
        return TlogProof(index, tuple(hashes), data)
