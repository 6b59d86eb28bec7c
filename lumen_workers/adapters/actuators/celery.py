"""The workers of another Celery app, by Celery's own control commands.

The one actuator that imports Celery: it is the peer's protocol here, not what carries our messages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from lumen_workers.adapters.actuators.options import Setting
from lumen_workers.domain.errors import BuildError, ExternalApiError, LumenError, NetworkError
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import RuleEvent

_LOOK_S: Final = 0.2


class CeleryActuator:
    """``celery``. Every worker that is expected must answer that it did it; their answers are the acknowledgement.

    A worker forgets a rate limit and a pool's size when it ends; a new one begins with its app's own.
    """

    name: str = "celery"

    def __init__(
        self,
        broker_url: str,
        apply: Mapping[str, Setting],
        *,
        workers: Sequence[str],
        timeout_s: float,
        tls: Mapping[str, Any],
        control_exchange: str | None,
    ) -> None:
        self._broker_url, self._tls = broker_url, dict(tls)
        self._apply = dict(apply)
        self._workers, self._timeout_s = tuple(workers), timeout_s
        self._exchange = control_exchange

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack:  # noqa: ARG002
        """Set what differs or may differ, and wait for the answers.

        Raises NetworkError where the broker or a worker does not answer, BuildError where one says that it cannot (an
        unknown task, a pool that does not grow), ExternalApiError where it could not just now.
        """
        with self._control() as control:
            workers = self._expected(control)
            for rule, setting in self._apply.items():
                value = rules[rule]
                if setting.set == "rate_limit":
                    assert setting.task is not None
                    rate = f"{value:.12g}/{setting.per}"
                    answers = self._tell(control, workers, "rate_limit", task_name=setting.task, rate_limit=rate)
                    _check(answers, workers, f"rate limit {rate} of task {setting.task}")
                else:
                    self._resize(control, workers, round(value))
        return Ack()

    def acknowledged(self, loop: str, event: RuleEvent) -> None:
        """Their answers were all."""

    @contextmanager
    def _control(self) -> Any:
        from celery import Celery
        from celery.exceptions import OperationalError
        from redis.exceptions import RedisError

        app = Celery("lumen-control", broker=self._broker_url, set_as_current=False)
        app.conf.update(
            accept_content=["json"],
            broker_connection_timeout=self._timeout_s,
            broker_connection_retry=False,
            broker_connection_max_retries=0,
            broker_transport_options={"socket_timeout": self._timeout_s, "socket_connect_timeout": self._timeout_s},
            **({"broker_use_ssl": self._tls} if self._tls else {}),
            **({"control_exchange": self._exchange} if self._exchange else {}),
        )
        try:
            yield app.control
        except LumenError:
            raise
        except (OperationalError, RedisError, OSError) as error:
            raise NetworkError(f"the broker of the Celery app does not answer: {error}") from error
        finally:
            app.close()

    def _expected(self, control: Any) -> tuple[str, ...]:
        """Who must answer."""
        if self._workers:
            return self._workers
        answers = control.broadcast("ping", reply=True, timeout=min(1.0, self._timeout_s)) or []
        found = sorted({name for answer in answers for name in answer})
        if not found:
            raise NetworkError("no worker of the Celery app answers; start one, or name them under workers")
        return tuple(found)

    def _tell(self, control: Any, workers: Sequence[str], command: str, **arguments: Any) -> dict[str, Any]:
        """Worker → its answer, of those that answered in time."""
        answers = control.broadcast(
            command,
            arguments=arguments,
            destination=list(workers),
            reply=True,
            timeout=self._timeout_s,
            limit=len(workers),
        )
        return {name: said for answer in answers or [] for name, said in answer.items()}

    def _resize(self, control: Any, workers: Sequence[str], size: int) -> None:
        """Grow or shrink each pool to ``size``, as its worker counts itself."""
        what = f"pool of {size}"
        sizes = self._sizes(control, workers, what)
        for worker, present in sizes.items():
            step = size - present
            if step:
                command = "pool_grow" if step > 0 else "pool_shrink"
                _check(self._tell(control, [worker], command, n=abs(step)), [worker], what)
        deadline = time.monotonic() + self._timeout_s
        pause = threading.Event()
        while sizes != dict.fromkeys(workers, size):
            if time.monotonic() > deadline:
                raise ExternalApiError(f"{what}: the workers have {sizes}")
            pause.wait(_LOOK_S)
            sizes = self._sizes(control, workers, what)

    def _sizes(self, control: Any, workers: Sequence[str], what: str) -> dict[str, int]:
        answers = self._tell(control, workers, "stats")
        _check(answers, workers, what, fine=lambda said: "pool" in said)
        return {worker: len(answers[worker]["pool"].get("processes") or ()) for worker in workers}


def _check(
    answers: Mapping[str, Any],
    workers: Sequence[str],
    what: str,
    fine: Callable[[Any], bool] = lambda said: "ok" in said,
) -> None:
    """Every worker must have answered that it did it."""
    if silent := [worker for worker in workers if worker not in answers]:
        raise NetworkError(f"{what}: no answer from {', '.join(silent)}")
    for worker in workers:
        said = answers[worker]
        if not (isinstance(said, dict) and fine(said)):
            text = str(said.get("error", said) if isinstance(said, dict) else said)[:300]
            kind = ExternalApiError if "busy" in text else BuildError
            raise kind(f"{what}: worker {worker} says: {text}")
