"""Messages delivered twice, dropped, out of order; workers that die at any step; two regions.

Whatever happens: one result for a revision, equal digests, one winner; and once the reconciler has looked often enough,
every run is final, every region that was asked has the day, and nothing is owed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from support.contexts import A, B, Sent, Steps, World

from lumen_workers.domain.errors import LeaseLost
from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import OwedState, RunStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.flow import CROSS_VERIFY, MAX_LOST, advance, start
from lumen_workers.engine.reconcile import QUEUE_PATIENCE, reconcile

DAY = date(2026, 1, 31)
REGIONS = st.sampled_from([A, B])


class Dead(BaseException):
    """The process was killed."""


class Mortal:
    """Forwards to ``real`` until so many calls are used up; from then on every call raises: the process is dead.

    ``after``: the last call has its effect, but its answer is not seen.
    """

    def __init__(self, real: Any, life: list[int], after: bool) -> None:
        self._real, self._life, self._after = real, life, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real):
            return Mortal(real, self._life, self._after)

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "renew":  # from a thread of its own, so it does not count
                if self._life[0] <= 0:
                    raise LeaseLost("dead")
                return real(*args, **kwargs)
            self._life[0] -= 1
            if self._life[0] < 0 or (self._life[0] == 0 and not self._after):
                raise Dead
            answer = real(*args, **kwargs)
            if self._life[0] == 0:
                raise Dead
            return answer

        return call


class Machine(RuleBasedStateMachine):
    messages: Bundle[Sent] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self._folder.name))
        self.steps = Steps()
        self.asked: set[str] = set()
        self.workers = 0

    def teardown(self) -> None:
        try:
            self._settle_down()
        finally:
            self.world.close()
            self._folder.cleanup()

    def _context(self, region: str, life: int | None = None, after: bool = False) -> Context:
        self.workers += 1
        ctx = self.world.context(region, holder=f"{region}/{self.workers}", schedule={})
        if life is None:
            return ctx
        left = [life]
        store = cast(Store, Mortal(self.world.store, left, after))
        return replace(ctx, store=store, dispatcher=cast(Any, Mortal(self.world.outbox, left, after)))

    def _work(self, region: str, work: Callable[[Context], object], life: int | None, after: bool) -> None:
        with suppress(Dead, LeaseLost):
            work(self._context(region, life, after))

    def _do(self, message: Sent, life: int | None = None, after: bool = False) -> None:
        def work(ctx: Context) -> None:
            if message.task == f"lumen.{CROSS_VERIFY}":
                ctx.store.owed.settle(CROSS_VERIFY, message.payload["key"], OwedState.DONE, by=ctx.region)
            else:
                stage = message.task.rpartition(".")[2]
                advance(ctx, self.steps.pipeline, stage, message.payload["run_id"], message.payload["attempt"])

        self._work(message.region, work, life, after)

    @rule(target=messages, region=REGIONS, life=st.none() | st.integers(1, 12), after=st.booleans())
    def ask(self, region: str, life: int | None, after: bool) -> Any:
        self._work(region, lambda ctx: start(ctx, self.steps.pipeline, DAY, "ab" * 16), life, after)
        if any(run.region == region for run in self.world.store.runs.rows()):
            self.asked.add(region)
        return multiple(*self.world.outbox.take())

    @rule(target=messages, message=consumes(messages), twice=st.booleans())
    def deliver(self, message: Sent, twice: bool) -> Any:
        self._do(message)
        return multiple(*self.world.outbox.take(), *([message] if twice else []))

    @rule(target=messages, message=consumes(messages), life=st.integers(1, 25), after=st.booleans())
    def deliver_to_one_who_dies(self, message: Sent, life: int, after: bool) -> Any:
        self._do(message, life, after)
        return multiple(*self.world.outbox.take())

    @rule(message=consumes(messages))
    def drop(self, message: Sent) -> None:
        pass

    @rule(seconds=st.sampled_from([1, 11, 61, 121]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(target=messages, region=REGIONS, life=st.none() | st.integers(1, 25), after=st.booleans())
    def reconcile(self, region: str, life: int | None, after: bool) -> Any:
        self._work(region, lambda ctx: reconcile(ctx, {"daily": self.steps.pipeline}), life, after)
        return multiple(*self.world.outbox.take())

    @invariant()
    def one_result_and_equal_digests(self) -> None:
        runs, results = self.world.store.runs.rows(), self.world.store.runs.results("daily")
        assert len(results) <= 1
        finished = [run for run in runs if run.digest is not None]
        assert {run.digest for run in finished} == {result.digest for result in results}
        assert [run.run_id for run in runs if run.winner] == [result.run_id for result in results]
        assert sum(run.status is RunStatus.DONE for run in runs) == len(results)
        assert "digest_mismatch" not in self.world.alarms()

    @invariant()
    def one_open_run_a_region(self) -> None:
        regions = [run.region for run in self.world.store.runs.open()]
        assert len(regions) == len(set(regions))

    def _settle_down(self) -> None:
        """Nothing dies or is lost any more."""
        for _ in range(MAX_LOST + 3):
            for region in (A, B):
                self._work(region, lambda ctx: reconcile(ctx, {"daily": self.steps.pipeline}), None, False)
            while messages := self.world.outbox.take():
                for message in messages:
                    self._do(message)
            self.world.clock.advance(QUEUE_PATIENCE.total_seconds() * 2**MAX_LOST)
        store = self.world.store
        assert store.runs.open() == []
        ended = {run.region for run in store.runs.rows() if run.digest is not None}
        given_up = {alarm.detail.split(" was lost")[0] for alarm in store.notices.alarms() if alarm.kind == "run_lost"}
        assert self.asked - ended <= {run.region for run in store.runs.rows() if run.run_id in given_up}
        assert all(row.state is OwedState.DONE for row in store.owed.rows())
        assert bool(store.owed.rows()) == bool(ended)


Machine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestMachine = Machine.TestCase
