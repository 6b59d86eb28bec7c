"""One chain of the audit log, checked line by line in bounded memory. It goes on after a fault and names each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from lumen_workers.trust.audit.faults import MOST_FAULTS, AttestedHead, AuditFault, ChainReport
from lumen_workers.trust.audit.gaps import Gaps
from lumen_workers.trust.audit.rows import GENESIS, AuditRow, digest, fault_of_form

_WINDOW: Final = 16
"""So far away a line is looked for that was given another number together with those behind it."""


class Head(NamedTuple):
    """A chain's length and its last line's hash."""

    seq: int
    sha256: str


@dataclass
class _Suspect:
    """A line that does not hold where it stands; ``place`` is where that is, counted without what was inserted."""

    row: AuditRow
    place: int
    copy_of: int | None = None


class _Position(NamedTuple):
    """The last place in the chain, the hashes that the next line may stand on (None: any), the line's number there."""

    at: int
    hashes: frozenset[str] | None
    line: int


class ChainCheck:
    """Feed it the rows in the order of their numbers; where :attr:`doubtful`, once more to :meth:`look_again`.

    A line's *place* is the number with which its hash holds; an honest line stands there. ``heads`` are the attested
    ones of this chain, ``head`` is what the store named before the rows were read (None: nothing names one).
    """

    def __init__(self, chain: str, heads: Sequence[AttestedHead] = (), head: Head | None = None) -> None:
        self.chain = chain
        self.rows = 0
        self._heads = sorted(heads, key=lambda attested: (attested.seq, attested.source))
        self._next_head = 0
        self._head = head
        self._faults: list[AuditFault] = []
        self._unnamed = 0
        self._gaps = Gaps(MOST_FAULTS)
        self._suspects: list[_Suspect] = []
        self._position = _Position(0, frozenset((GENESIS,)), 0)
        self._shift = 0
        self._fresh: _Position | None = None  # where the chain was before the line before, if that one is a suspect
        self._last = Head(0, GENESIS)

    @property
    def doubtful(self) -> bool:
        """Whether a second look at all rows can tell more."""
        return bool(self._suspects)

    def feed(self, row: AuditRow) -> None:
        """The next row."""
        self.rows += 1
        seq = row.get("seq")
        form = fault_of_form(row)
        if form is not None:
            number = seq if type(seq) is int else None
            self._fault(number, "malformed", form)
            self._fresh = None
            if number is not None:
                self._pass_over(number - self._shift, number)
            return
        self._last = Head(row["seq"], row["hash"])
        for place in dict.fromkeys((row["seq"] - self._shift, row["seq"])):
            if digest(row, place) == row["hash"]:
                self._fresh = None
                self._stand(row, place)
                return
        if not self._stand_shifted(row):
            self._suspect(row)

    def look_again(self, row: AuditRow) -> None:
        """Rows for the second time: is a doubtful one the copy of another?"""
        for suspect in self._suspects:
            if row.get("hash") == suspect.row["hash"] and row.get("seq") != suspect.row["seq"]:
                same = all(row.get(name) == value for name, value in suspect.row.items() if name != "seq")
                suspect.copy_of = row.get("seq") if same else suspect.copy_of

    def finish(self, head: Head | None = None, *, headed: bool = True) -> ChainReport:
        """What was found. ``head``: as the store names it after the rows were read; not ``headed``: nothing does."""
        self._resolve()
        for low, high in self._gaps.ranges:
            self._fault(
                low, "removed", f"line {low} is missing" if low == high else f"lines {low} to {high} are missing"
            )
        self._unnamed += self._gaps.dropped
        at = self._position.at
        if headed:
            self._check_head(head)
        beyond = [attested for attested in self._heads if attested.seq > at]
        if beyond and not any(fault.reason in ("truncated", "chain_missing") for fault in self._faults):
            said = f"{beyond[-1].source} names line {beyond[-1].seq}"
            if self.rows or (headed and head is not None):
                self._fault(at + 1, "truncated", f"the chain ends at line {at}, but {said}")
            else:
                self._fault(None, "chain_missing", said)
        return ChainReport(
            chain=self.chain,
            rows=self.rows,
            seq=self._last.seq,
            sha256=self._last.sha256,
            attested=self._heads[-1] if self._heads else None,
            faults=tuple(sorted(self._faults, key=lambda fault: (fault.seq is None, fault.seq or 0))),
            unnamed=self._unnamed,
        )

    def _check_head(self, after: Head | None) -> None:
        """Between the two looks at the head lines may have come."""
        at = self._position.at
        if after is None:
            if self.rows:
                self._fault(None, "unknown_chain", "no head names it")
            return
        before = self._head or after
        if before.seq > at:
            self._fault(at + 1, "truncated", f"the chain ends at line {at}, its head names line {before.seq}")
        elif at > after.seq:
            self._fault(after.seq + 1, "head_mismatch", f"the head names line {after.seq}, the chain ends at line {at}")

    def _stand(self, row: AuditRow, place: int) -> None:
        """A line whose hash holds at ``place``."""
        seq, at = row["seq"], self._position.at
        self._shift = seq - place
        if place > at:
            self._link(row, place)
            self._position = _Position(place, frozenset((row["hash"],)), seq)
        elif self._gaps.take(place):
            self._fault(seq, "reordered", f"it is line {place}")
        elif place < at:
            self._fault(seq, "duplicated", f"it is line {place}")
        elif self._position.hashes is None and self._suspects and self._suspects[-1].place == place:
            self._fault(self._suspects.pop().row["seq"], "inserted", f"line {place} stands behind it")
            self._position = _Position(place, frozenset((row["hash"],)), seq)
        elif self._position.hashes is not None and row["hash"] not in self._position.hashes:
            self._fault(self._position.line, "inserted", f"two lines are number {place}")
            self._position = self._position._replace(hashes=self._position.hashes | {row["hash"]})
        else:
            self._fault(seq, "duplicated", f"it is line {place}")
        self._compare(place, seq, row["hash"])

    def _link(self, row: AuditRow, place: int) -> None:
        at, hashes, line = self._position
        if place > at + 1:
            self._gaps.add(at + 1, place - 1)
        elif hashes is not None and row["prev"] not in hashes:
            self._fault(line or row["seq"], "edited", f"line {row['seq']} stands on another one")

    def _compare(self, place: int, seq: int, sha256: str) -> None:
        """With what others say of the line at ``place``."""
        if self._head is not None and self._head.seq == place and self._head.sha256 != sha256:
            self._fault(seq, "head_mismatch", "the head has another hash")
        while self._next_head < len(self._heads) and self._heads[self._next_head].seq <= place:
            head = self._heads[self._next_head]
            if head.seq == place and head.sha256 != sha256:
                self._fault(seq, "rewritten", f"{head.source} has another hash")
            self._next_head += 1

    def _stand_shifted(self, row: AuditRow) -> bool:
        """Whether this line and the one before hold under numbers that are off by the same: lines in front of them
        were taken out or put in, and the rest numbered anew.
        """
        if self._fresh is None:
            return False
        before = self._suspects[-1].row
        for shift in (step * sign for step in range(1, _WINDOW + 1) for sign in (1, -1)):
            if all(digest(each, each["seq"] - shift) == each["hash"] for each in (before, row)):
                self._suspects.pop()
                self._position, self._fresh = self._fresh, None
                self._stand(before, before["seq"] - shift)
                self._stand(row, row["seq"] - shift)
                return True
        return False

    def _suspect(self, row: AuditRow) -> None:
        place = row["seq"] - self._shift
        self._fresh = None
        if len(self._suspects) < MOST_FAULTS:
            self._fresh = self._position
            self._suspects.append(_Suspect(row, place))
        else:
            self._unnamed += 1
        self._pass_over(place, row["seq"])

    def _pass_over(self, place: int, seq: int) -> None:
        """Somebody stands at ``place``, and nobody knows who."""
        at = self._position.at
        if place > at:
            if place > at + 1:
                self._gaps.add(at + 1, place - 1)
            self._position = _Position(place, None, seq)

    def _resolve(self) -> None:
        """Name what is wrong with each suspect."""
        places = {suspect.place for suspect in self._suspects}
        known = places | set(self._gaps.numbers(3 * MOST_FAULTS))
        for suspect in self._suspects:
            seq, row = suspect.row["seq"], suspect.row
            near = range(max(1, suspect.place - _WINDOW), suspect.place + _WINDOW + 1)
            found = next((n for n in dict.fromkeys((*sorted(known), *near)) if digest(row, n) == row["hash"]), None)
            if suspect.copy_of is not None:
                self._fault(seq, "duplicated", f"it is line {suspect.copy_of}")
            elif found is None:
                self._fault(seq, "edited", "its hash does not hold")
            elif self._gaps.take(found) or found in places:
                self._fault(seq, "reordered", f"it is line {found}")
            elif found > self._position.at:
                self._fault(seq, "removed", f"line {found} stands here")
            else:
                self._fault(found, "inserted", f"line {found} stands as line {seq}")

    def _fault(self, seq: int | None, reason: str, detail: str) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(AuditFault(chain=self.chain, seq=seq, reason=reason, detail=detail))
        else:
            self._unnamed += 1
