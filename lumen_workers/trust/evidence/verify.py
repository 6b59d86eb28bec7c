"""Verify an evidence file against a pinned root: 18 checks, each with a name and, where it fails, a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lumen_workers.domain.clock import from_us
from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.dsse import Envelope, EnvelopeFault, parse_envelope, verify_by
from lumen_workers.trust.evidence.form import Evidence, FormFault, parse_evidence
from lumen_workers.trust.evidence.plain import NotPlain, digest_of
from lumen_workers.trust.evidence.policy import Verdict
from lumen_workers.trust.evidence.question import MANIFEST, Fails, LogView, Question, Skips
from lumen_workers.trust.evidence.report import CHECKS, Check, EvidenceReport, one_line
from lumen_workers.trust.evidence.roots import RootFault, Roots, find_root
from lumen_workers.trust.notes import BadSignature, Note, VerifierKey, cosigned_at, is_signed, parse_note
from lumen_workers.trust.pki import certificates
from lumen_workers.trust.pki.chain import Chain, ChainFault, check_chain, load_certificate
from lumen_workers.trust.pki.crl import Crl, CrlFault, Revocation, check_crl
from lumen_workers.trust.pki.documents import DocumentFault, Trust, read_trust
from lumen_workers.trust.statement import PAYLOAD_TYPE, Said, StatementFault, parse_statement
from lumen_workers.trust.tlog.entries import parse_entry
from lumen_workers.trust.tlog.policy import witnessed_at
from lumen_workers.trust.tlog.proof import TlogProof, parse_proof
from lumen_workers.trust.tlog.tree import LogFault

_DAY_RE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_FUTURE: Final = timedelta(minutes=5)
"""A witness's clock may be so much before ours."""


def verify_evidence(data: bytes | None, question: Question) -> EvidenceReport:
    """Do all checks that can be done. Never raises for what ``data`` or the files are; None: there is no such file.

    1. ``read``: the file's form. 2. ``root``: it is the pinned one, or rotations lead to it. 3. ``trust``: the root's
    word on logs and witnesses. 4. ``envelope``: DSSE. 5. ``chain``: certificates. 6. ``signature``: over the
    pre-authentication encoding, by enough distinct keys. 7. ``statement``: parsed once, from the verified bytes.
    8. ``entry``: the log's entry is of this envelope and signer. 9. ``checkpoint``: a known log signed it.
    10. ``inclusion``: the entry is under it. 11. ``time``: when a quorum of witnesses had seen it. 12. ``crl``.
    13. ``validity`` and 14. ``revocation`` at that time. 15. ``subjects``: files have their digests.
    16. ``snapshot``: a day's folder. 17. ``log``: it still holds what it promised. 18. ``policy``: the verdict counts.
    """
    return _Verifier(data, question).run()


class _Verifier:
    _evidence: Evidence
    _roots: Roots
    _trust: Trust
    _envelope: Envelope
    _chains: tuple[Chain, ...]
    _said: Said
    _proof: TlogProof
    _note: Note
    _checkpoint: Checkpoint
    _log_key: VerifierKey
    _crl: Crl

    def __init__(self, data: bytes | None, question: Question) -> None:
        self._data = data
        self._ask = question
        self._checks: list[Check] = []
        self._signed_at: datetime | None = None
        self._revoked: Revocation | None = None
        self._merkle_root: str | None = None

    def run(self) -> EvidenceReport:
        needs = {
            "root": ("read",),
            "trust": ("root",),
            "envelope": ("read",),
            "chain": ("root",),
            "signature": ("envelope", "chain"),
            "statement": ("signature",),
            "entry": ("envelope", "chain"),
            "checkpoint": ("trust",),
            "inclusion": ("entry", "checkpoint"),
            "time": ("inclusion",),
            "crl": ("root",),
            "validity": ("chain",),
            "revocation": ("chain", "crl"),
            "subjects": ("statement",),
            "snapshot": ("statement", "subjects"),
            "log": ("checkpoint", "entry"),
        }
        held: set[str] = set()
        for name in CHECKS[:-1]:
            missing = [other for other in needs.get(name, ()) if other not in held]
            if missing:
                self._checks.append(Check(name=name, status="skipped", reason=f"needs:{missing[0]}"))
            elif self._try(name, getattr(self, f"_{name}_check")):
                held.add(name)
        verdict = self._verdict()
        self._try("policy", lambda: self._policy_check(verdict))
        return EvidenceReport(
            verdict=verdict,
            checks=tuple(self._checks),
            root=certificates.fingerprint(self._evidence.trust_file.root) if "read" in held else None,
            development="root" in held and certificates.is_development(self._roots.root),
            signed_at=self._signed_at,
            signer=self._chains[0].identity if "signature" in held else None,
            day=self._day() if "statement" in held else None,
            merkle_root=self._merkle_root,
        )

    def _try(self, name: str, check: Callable[[], str | None]) -> bool:
        """Do one check and note what came of it; True: what follows may build on it."""
        try:
            detail = check() or ""
        except Skips as skipped:
            self._checks.append(Check(name=name, status="skipped", reason=skipped.reason, detail=str(skipped)))
            return True
        except (Fails, FormFault, RootFault, DocumentFault, EnvelopeFault, ChainFault) as fault:
            self._checks.append(Check(name=name, status="failed", reason=fault.reason, detail=one_line(fault)))
            return False
        except (StatementFault, CrlFault, LogFault) as fault:
            self._checks.append(Check(name=name, status="failed", reason=fault.reason, detail=one_line(fault)))
            return False
        self._checks.append(Check(name=name, status="ran", detail=one_line(detail)))
        return True

    def _read_check(self) -> None:
        if self._data is None:
            raise Fails("evidence_missing", "there is no evidence file")
        self._evidence = parse_evidence(self._data)

    def _root_check(self) -> str:
        self._roots = find_root(self._evidence.trust_file, self._ask.roots, self._ask.trust_file)
        return certificates.common_name(self._roots.root)

    def _trust_check(self) -> str:
        self._trust = read_trust(self._evidence.trust_file.trust, self._roots.root)
        newer = self._ask.trust_file
        if newer is not None and newer.root == self._evidence.trust_file.root:
            known = read_trust(newer.trust, self._roots.root)
            if known.version >= self._trust.version:
                self._trust = known
            elif not self._ask.at_hand:
                raise Fails("trust_version_lower", f"version {known.version} was given, {self._trust.version} is here")
        return f"version {self._trust.version}"

    def _envelope_check(self) -> None:
        self._envelope = parse_envelope(self._evidence.envelope)
        if self._envelope.payload_type != PAYLOAD_TYPE:
            raise Fails("payload_type_mismatch", f"the payload is {self._envelope.payload_type[:80]!r}")

    def _chain_check(self) -> str:
        found = [load_certificate(der) for der in self._evidence.certificates]
        if not found:
            raise Fails("chain_malformed", "there is no certificate")
        signers = [found[0], *(item for item in found[1:] if not _is_authority(item))]
        self._chains = tuple(check_chain(signer, found, self._roots.root) for signer in signers)
        return self._chains[0].identity

    def _signature_check(self) -> str:
        signatures, signed = self._envelope.signatures, self._envelope.signed
        if not signatures:
            raise Fails("signature_missing", "nobody signed it")
        by = {
            certificates.public_bytes(chain.public): number
            for number, chain in reversed(list(enumerate(self._chains)))
            if any(verify_by(chain.public, item.sig, signed) for item in signatures)
        }
        if 0 not in by.values():
            raise Fails("signature_invalid", "the first certificate's key did not sign it")
        if len(by) < self._ask.policy.threshold:
            raise Fails("threshold_not_met", f"{len(by)} distinct keys signed it, {self._ask.policy.threshold} must")
        return f"{len(by)} of {len(signatures)}"

    def _statement_check(self) -> str:
        self._said = parse_statement(self._envelope.payload)
        if self._said.builder != self._chains[0].identity:
            raise Fails("builder_mismatch", f"built by {self._said.builder[:80]!r}, signed by another")
        return self._said.build_type

    def _entry_check(self) -> None:
        try:
            entry = parse_entry(self._evidence.entry)
        except ValueError as error:
            raise Fails("entry_malformed", str(error)) from None
        try:
            digest = merkle.sha256(self._evidence.envelope_bytes).hex()
        except ValueError:
            digest = ""  # a text that no bytes stand for
        if entry.envelope_sha256 != digest or entry.signer_serial != self._chains[0].serial:
            raise Fails("entry_mismatch", "the log's entry is of another envelope or signer")

    def _checkpoint_check(self) -> str:
        try:
            self._proof = parse_proof(self._evidence.proof)
        except ValueError as error:
            raise Fails("proof_malformed", str(error)) from None
        self._note, self._checkpoint = _opened(self._proof.checkpoint)
        key = self._trust.policy.log(self._checkpoint.origin)
        if key is None:
            raise Fails("log_unknown", f"the root does not name the log {self._checkpoint.origin[:80]!r}")
        self._log_key = key
        _check_signed(self._note, key)
        return f"{self._checkpoint.origin}, {self._checkpoint.size} entries"

    def _inclusion_check(self) -> str:
        proof, checkpoint = self._proof, self._checkpoint
        if proof.index >= checkpoint.size:
            raise Fails("index_out_of_range", f"no entry {proof.index} in a log of {checkpoint.size}")
        leaf = merkle.leaf_hash(self._evidence.entry)
        if not merkle.verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root):
            raise Fails("inclusion_invalid", "the proof does not lead to the checkpoint's root")
        return f"entry {proof.index}"

    def _time_check(self) -> str:
        policy = self._trust.policy
        own = {self._log_key.public.public_bytes_raw()}
        own |= {chain.public.public_bytes_raw() for chain in self._chains if isinstance(chain.public, Ed25519PublicKey)}
        try:
            for witness in policy.witnesses.values():
                if witness.key.public.public_bytes_raw() in own and cosigned_at(self._note, witness.key) is not None:
                    raise Fails("self_asserted_time", f"{witness.key.name} is the log or the signer itself")
            seconds = witnessed_at(self._note, policy)
        except BadSignature as error:
            raise Fails("cosignature_invalid", str(error)) from None
        if seconds is None:
            raise Skips("no_quorum", "no quorum of witnesses has seen it")
        try:
            at = from_us(seconds * 1_000_000)
        except (ValueError, OverflowError):
            raise Fails("time_in_future", "a witness's time is out of range") from None
        if at > self._ask.now + _FUTURE:
            raise Fails("time_in_future", f"a witness says {at}")
        self._signed_at = at
        return f"{at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def _at(self) -> datetime:
        return self._signed_at or self._ask.now

    def _crl_check(self) -> str:
        own = check_crl(self._evidence.trust_file.crl, self._roots.root)
        given = [self._ask.crl] if self._ask.crl is not None else []
        newer = self._ask.trust_file
        if newer is not None and newer.root == self._evidence.trust_file.root:
            given.append(newer.crl)
        self._crl = own
        for der in given:
            known = check_crl(der, self._roots.root)
            if known.number < own.number and not (self._ask.at_hand and der is not self._ask.crl):
                raise Fails("crl_number_lower", f"list {known.number} was given, {own.number} is here")
            self._crl = max(self._crl, known, key=lambda item: item.number)
        if self._crl.this_update > self._ask.now + _FUTURE:
            raise Fails("crl_not_yet_valid", f"the list begins on {self._crl.this_update:%Y-%m-%d}")
        if self._at >= self._crl.next_update:
            raise Fails("crl_stale", f"the list ended on {self._crl.next_update:%Y-%m-%d}")
        return f"number {self._crl.number}"

    def _validity_check(self) -> str:
        chain, at = self._chains[0], self._at
        begin, end = max(item.begin for item in self._chains), min(item.end for item in self._chains)
        if at < begin:
            raise Fails("not_yet_valid", f"the certificate begins on {begin:%Y-%m-%d}")
        if at >= end:
            raise Fails("expired", f"the certificate ended on {end:%Y-%m-%d}, and no witness saw it before")
        retired = self._roots.retired
        if retired is not None and (self._signed_at is None or at >= retired):
            raise Fails("root_retired", f"another root followed on {retired:%Y-%m-%d}, and no witness saw it before")
        return f"until {chain.end:%Y-%m-%d}"

    def _revocation_check(self) -> str:
        for chain in self._chains:
            for certificate in chain.path:
                found = self._crl.revoked.get(certificate.serial_number)
                if found is not None and (self._revoked is None or found.since < self._revoked.since):
                    self._revoked = found
        if self._revoked is None:
            return "not revoked"
        if self._signed_at is None or self._signed_at >= self._revoked.since:
            raise Fails("revoked_before", f"revoked as of {self._revoked.since:%Y-%m-%d %H:%M} UTC")
        return f"revoked later, on {self._revoked.since:%Y-%m-%d}"

    def _subjects_check(self) -> str:
        for name in (MANIFEST,) if self._ask.whole else self._ask.files:
            if name not in self._said.subjects:
                raise Fails("file_not_attested", f"{name} is no subject")
        if self._ask.files:
            places = {name: (path.parent, path.name) for name, path in self._ask.files.items()}
        elif self._ask.folder is not None:
            places = {name: (self._ask.folder, name) for name in self._said.subjects}
        else:
            raise Skips("no_files", "no files were given")
        for name, (folder, relative) in places.items():
            try:
                digest = digest_of(folder, relative)
            except FileNotFoundError:
                raise Fails("subject_missing", name) from None
            except (NotPlain, OSError):
                raise Fails("subject_not_a_file", f"{name} is no plain file, or cannot be read") from None
            if digest != self._said.subjects[name]:
                raise Fails("subject_digest_mismatch", f"{name} is not what was signed")
        return f"{len(places)} of {len(self._said.subjects)}"

    def _snapshot_check(self) -> str:
        day, asked = self._day(), self._ask.day
        if asked is not None and day != asked.isoformat():
            raise Fails("day_mismatch", f"it is of {day or 'no day'}, not of {asked}")
        if MANIFEST not in self._said.subjects:
            raise Skips("no_snapshot", "it is not of a day")
        if self._ask.folder is None or self._ask.files or self._ask.snapshot is None:
            raise Skips("no_files", "the day's folder was not given")
        self._merkle_root = self._ask.snapshot(self._ask.folder, self._said)
        return f"root {self._merkle_root[:16]}…"

    def _log_check(self) -> str:
        if self._ask.log is None:
            raise Skips("no_log", "no log was asked")
        try:
            data = self._ask.log.checkpoint()
            if data is None:
                raise Fails("log_unreachable", "the log has no checkpoint")
            note, now = _opened(data)
            _check_signed(note, self._log_key)
            if now.origin != self._checkpoint.origin:
                raise Fails("log_unknown", f"it is the log {now.origin[:80]!r}")
            return self._still_there(self._ask.log, now)
        except OSError as error:
            raise Fails("log_unreachable", one_line(error)) from None

    def _still_there(self, log: LogView, now: Checkpoint) -> str:
        old = self._checkpoint
        if now.size < old.size:
            raise Fails("log_rolled_back", f"it has {now.size} entries, it had {old.size}")
        tree = log.tree(now.size)
        if tree.root() != now.root:
            raise Fails("log_truncated", "its tiles are not what its checkpoint says")
        if not merkle.verify_consistency(old.size, now.size, tree.consistency(old.size), old.root, now.root):
            raise Fails("log_forked", f"its first {old.size} entries are not what they were")
        if log.entry(self._proof.index, now.size) != self._evidence.entry:
            raise Fails("entry_mismatch", f"its entry {self._proof.index} is another one")
        return f"{now.size} entries"

    def _verdict(self) -> Verdict:
        failed = [check.name for check in self._checks if check.status == "failed"]
        if failed:
            return Verdict.REVOKED_BEFORE if failed[0] == "revocation" else Verdict.INVALID
        if self._revoked is not None:
            return Verdict.REVOKED_AFTER
        if self._signed_at is None:
            return Verdict.NO_TIME
        ended = min(chain.end for chain in self._chains) <= self._ask.now
        return Verdict.EXPIRED_BUT_TIMESTAMPED if ended else Verdict.VALID

    def _policy_check(self, verdict: Verdict) -> str:
        policy = self._ask.policy
        if verdict in (Verdict.INVALID, Verdict.REVOKED_BEFORE):
            raise Skips(f"needs:{next(check.name for check in self._checks if check.status == 'failed')}")
        if policy.quorum_required and self._signed_at is None:
            raise Fails("quorum_required", "the policy wants a time that witnesses vouch for")
        if not policy.development and certificates.is_development(self._roots.root):
            raise Fails("development_root", "the root was made up for development")
        if policy.builders and self._said.builder not in policy.builders:
            raise Fails("builder_not_allowed", f"{self._said.builder} is not among the policy's")
        if policy.crl_current and self._ask.now >= self._crl.next_update:
            raise Fails("crl_not_current", "the policy wants a list that is current now; give one with --crl")
        if verdict not in policy.accept:
            raise Fails("verdict_not_accepted", f"the policy does not take {verdict}")
        return verdict.value

    def _day(self) -> str | None:
        day = self._said.external.get("day")
        return day if isinstance(day, str) and _DAY_RE.fullmatch(day) else None


def _opened(data: bytes) -> tuple[Note, Checkpoint]:
    try:
        note = parse_note(data)
        return note, parse_checkpoint(note.text)
    except ValueError as error:
        raise Fails("checkpoint_malformed", str(error)) from None


def _check_signed(note: Note, key: VerifierKey) -> None:
    try:
        signed = is_signed(note, key)
    except BadSignature:
        signed = False
    if not signed:
        raise Fails("checkpoint_signature_invalid", f"{key.name} did not sign the checkpoint")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
