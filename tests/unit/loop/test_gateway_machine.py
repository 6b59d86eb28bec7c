"""Whatever is done in whatever order, the gateway's log is a way through its states, and locked means aligned."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.gateways import BY, PHRASE, feed, gatekeeper
from support.store_records import T0

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.gateway import Act, Status
from lumen_workers.domain.journal import GATEWAY
from lumen_workers.loop.gateway import MOVES, GatewayOptions, is_locked
from lumen_workers.loop.phrases import digest

OPTIONS = GatewayOptions()
TOLERANCE = OPTIONS.limits.tolerance_s


class Machine(RuleBasedStateMachine):
    """Any order of acts, samples, silence and time, against what the specification says."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(T0)
        self.store = open_store("sqlite://", clock=self.clock)
        self.made = gatekeeper(self.store)
        self.lines = 0
        self.allowed = False

    def teardown(self) -> None:
        self.store.close()

    def attempt(self, act: str, *arguments: str) -> bool:
        """Whether it was done; a refusal leaves the gateway as it was."""
        before = self.store.gateways.get("main")
        try:
            getattr(self.made, act)("main", *arguments)
        except LumenError:
            assert self.store.gateways.get("main") == before
            return False
        return True

    @rule(phrase=st.sampled_from([PHRASE, "another horse altogether"]))
    def sign(self, phrase: str) -> None:
        before = self.store.gateways.get("main")
        fresh = before is None or before.key is None
        assert self.attempt("sign", phrase, BY) == (fresh or before.key.phrase_sha256 == digest(phrase))  # type: ignore[union-attr]

    @rule(phrase=st.sampled_from([PHRASE, "another horse altogether"]))
    def lock(self, phrase: str) -> None:
        seen = self.made.seen("main")
        before = self.store.gateways.get("main")
        if self.attempt("lock", phrase, BY):
            assert seen.locked
            assert before is not None
            assert before.key is not None
            assert before.key.confirm_sha256 == digest(phrase)
            self.allowed = True

    @rule()
    def unlock(self) -> None:
        self.attempt("unlock", BY)

    @rule()
    def init(self) -> None:
        self.attempt("init", BY)

    @rule()
    def bind(self) -> None:
        self.attempt("bind", BY)

    @rule()
    def look(self) -> None:
        self.made.look("main", "a/h/1")

    @rule(seconds=st.sampled_from([2.0, 10.0, 40.0]), aligned=st.booleans(), silent=st.booleans())
    def wait(self, seconds: float, aligned: bool, silent: bool) -> None:
        self.clock.advance(seconds)
        if not silent:
            feed(self.store, seconds, aligned=aligned)

    @precondition(lambda self: self.store.gateways.get("main") is not None)
    @invariant()
    def every_step_is_one_line_of_the_log(self) -> None:
        found = self.store.gateways.get("main")
        assert found is not None
        lines = self.store.journal.rows(GATEWAY, "main")
        assert len(lines) == found.version >= self.lines
        self.lines = len(lines)
        last = lines[-1]
        assert (last.entry_id, last.data["to"]) == (found.entry_id, found.status.value)
        for before, after in zip([None, *lines[:-1]], lines, strict=True):
            was = None if before is None else Status(before.data["to"])
            assert MOVES[Act(after.data["tag"])][was] is Status(after.data["to"])

    @invariant()
    def locked_means_aligned_not_long_ago(self) -> None:
        if not is_locked(self.store, "main", OPTIONS):
            return
        assert self.allowed, "nobody locked it"
        found = self.store.gateways.get("main")
        assert found is not None
        seen = self.made.seen("main")
        recently = (self.clock.now() - found.since) <= timedelta(seconds=TOLERANCE)
        assert recently or (seen.lost_s is not None and seen.lost_s <= TOLERANCE)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase
