"""Asks witnesses for their cosignatures (C2SP tlog-witness), all at once and no longer than a deadline."""

from __future__ import annotations

import base64
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from lumen_workers.adapters.deadline import Deadline
from lumen_workers.domain.errors import LumenError
from lumen_workers.trust.checkpoints import parse_size
from lumen_workers.trust.notes import BadSignature, cosigned_at, parse_note, write_note
from lumen_workers.trust.tlog.policy import Policy, Witness
from lumen_workers.trust.tlog.sequencer import Consistency
from lumen_workers.trust.tlog.witness import SIZE_TYPE

log = logging.getLogger(__name__)

AHEAD_S: Final = 300
"""A witness's clock may be so much before ours: verifiers take no later time either."""

BEHIND_S: Final = 86_400
"""And so much behind it. What is older was seen at another time than it says."""

_MOST: Final = 64 * 1024
_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    """By the policy's names: a cosignature line that holds, of each witness that gave one, and why others gave none."""

    lines: Mapping[str, str]
    silent: Mapping[str, str]


class AskWitnesses:
    """``Witnesses`` of the policy that ``policy`` gives, for those that have a URL; ``within_s`` seconds in all."""

    def __init__(self, policy: Callable[[], Policy], within_s: float, *, now: Callable[[], float] = time.time) -> None:
        self._policy = policy
        self._within = within_s
        self._now = now
        self._known: dict[str, int] = {}

    def __call__(self, checkpoint: bytes, size: int, prove: Consistency) -> Sequence[str]:
        """The lines that hold. A witness that is away, slow or wrong is logged, and costs nothing but the time."""
        try:
            known = self._policy().witnesses
            asked = self.ask(known.values(), checkpoint, size, prove)
        except (LumenError, ValueError, OSError) as error:
            log.warning("no witness can be asked: %s", error)
            return []
        for name, why in asked.silent.items():
            log.warning("witness %s: %s", known[name].key.name, why)
        return list(asked.lines.values())

    def ask(self, witnesses: Iterable[Witness], checkpoint: bytes, size: int, prove: Consistency) -> Asked:
        """Ask those that have a URL and have not signed this checkpoint yet. Raises ValueError for no checkpoint."""
        text = parse_note(checkpoint).text
        found = {item.name: item for item in witnesses if item.url is not None and not _signed(checkpoint, item)}
        ends = time.monotonic() + self._within
        answers: queue.SimpleQueue[tuple[str, str, str]] = queue.SimpleQueue()
        context = ssl.create_default_context() if found else None

        def work(name: str, witness: Witness) -> None:
            line = why = ""
            try:
                asking = _Asking(witness, checkpoint, text, context, ends, self._now)
                line = asking.line(self._known.get(witness.key.vkey, size), size, prove)
                self._known[witness.key.vkey] = size
            except Exception as error:  # noqa: BLE001
                # Whatever a peer can make fail: it is that witness's silence, and nobody else's.
                self._known.pop(witness.key.vkey, None)
                why = f"{type(error).__name__}: {error}"[:500]
            answers.put((name, line, why))

        for name, witness in found.items():
            # Not a pool, whose threads hold up the end of the process.
            threading.Thread(target=work, args=(name, witness), name=f"witness {name}", daemon=True).start()
        lines: dict[str, str] = {}
        silent = dict.fromkeys(found, f"no answer within {self._within:g} s")
        for _ in found:
            try:
                name, line, why = answers.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                break
            if line:
                lines[name] = line
                del silent[name]
            else:
                silent[name] = why
        return Asked(lines=lines, silent=silent)


class _Asking:
    """A conversation with one witness, which ends at ``ends`` (monotonic)."""

    def __init__(
        self,
        witness: Witness,
        checkpoint: bytes,
        text: str,
        context: ssl.SSLContext | None,
        ends: float,
        now: Callable[[], float],
    ) -> None:
        self._witness = witness
        self._checkpoint = checkpoint
        self._text = text
        self._context = context
        self._ends = ends
        self._now = now
        self._socket: socket.socket | None = None

    def line(self, guess: int, size: int, prove: Consistency) -> str:
        """Its line. Where it knows another size than ``guess``, it says so. Raises ValueError, httpx's errors."""
        old = min(guess, size)
        for _ in range(_TRIES):
            status, kind, body = self._post(old, prove(old))
            if status == httpx.codes.OK:
                return self._checked(body)
            if status != httpx.codes.CONFLICT or kind != SIZE_TYPE:
                raise ValueError(f"status {status}: {body[:200]!r}")
            known = parse_size(body.rstrip("\n"))
            if known > size or known == old:
                raise ValueError(f"it knows a tree of {known} entries that is not ours")
            old = known
        raise ValueError("it changed its mind too often")

    def _post(self, old: int, proof: Sequence[bytes]) -> tuple[int, str, str]:
        head = [f"old {old}", *(base64.b64encode(item).decode() for item in proof)]
        content = "\n".join(head).encode() + b"\n\n" + self._checkpoint
        url = f"{str(self._witness.url).rstrip('/')}/add-checkpoint"
        left = self._left()
        # Each step has its end; the deadline is for a peer whose every byte comes in time, and whose last never does.
        with (
            httpx.Client(verify=self._context or True, timeout=left, trust_env=False) as client,
            Deadline(left, lambda: self._socket),
            client.stream(
                "POST",
                url,
                content=content,
                headers={"Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "identity"},
                extensions={"trace": self._trace},
            ) as answer,
        ):
            body = b""
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > _MOST:
                    raise ValueError("its answer is too long")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            return answer.status_code, kind, body.decode()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        self._left()
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def _checked(self, body: str) -> str:
        """The line of a body that is the witness's own and holds. Raises ValueError."""
        for line in body.split("\n"):
            try:
                at = cosigned_at(parse_note(write_note(self._text, [line])), self._witness.key)
            except BadSignature:
                raise
            except ValueError:
                continue
            if at is not None:
                off = at - self._now()
                if not -BEHIND_S <= off <= AHEAD_S:
                    raise ValueError(f"its clock is {off:+.0f} s off ours")
                return line
        raise ValueError("its answer has no cosignature of its own")


def _signed(checkpoint: bytes, witness: Witness) -> bool:
    """Whether it has signed this already. Raises ValueError."""
    try:
        return cosigned_at(parse_note(checkpoint), witness.key) is not None
    except BadSignature:
        return False
