"""Asks witnesses for their cosignatures (C2SP tlog-witness), all at once and no longer than a deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

import httpx

from lumen_workers.trust.checkpoints import parse_checkpoint, parse_size
from lumen_workers.trust.notes import BadSignature, add_lines, cosigned_at, parse_note
from lumen_workers.trust.tlog.policy import Policy, Witness
from lumen_workers.trust.tlog.sequencer import Consistency
from lumen_workers.trust.tlog.witness import SIZE_TYPE

log = logging.getLogger(__name__)

_MOST: Final = 64 * 1024
_TRIES: Final = 3


class AskWitnesses:
    """``Witnesses`` of the policy that ``policy`` gives, for those that have a URL; ``within_s`` seconds in all."""

    def __init__(self, policy: Callable[[], Policy], within_s: float) -> None:
        self._policy = policy
        self._within = within_s

    def __call__(self, checkpoint: bytes, size: int, prove: Consistency) -> Sequence[str]:
        """The lines that hold. A witness that is away, slow or wrong is logged, and costs nothing but the time."""
        found = [item for item in self._policy().witnesses.values() if item.url is not None]
        if not found:
            return []
        ends = time.monotonic() + self._within
        pool = ThreadPoolExecutor(len(found), thread_name_prefix="witness")
        asked = {pool.submit(self._ask, item, checkpoint, size, prove, ends): item for item in found}
        done, late = wait(asked, timeout=self._within)
        pool.shutdown(wait=False, cancel_futures=True)
        for future in late:
            log.warning("witness %s: no answer within %g s", asked[future].key.name, self._within)
        lines = []
        for future in done:
            try:
                lines.append(future.result())
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
                log.warning("witness %s: %s: %s", asked[future].key.name, type(error).__name__, error)
        return lines

    def _ask(self, witness: Witness, checkpoint: bytes, size: int, prove: Consistency, ends: float) -> str:
        """One witness's line. It says how far it has got where that is not what we thought."""
        old = size
        for _ in range(_TRIES):
            status, kind, body = self._post(witness, old, prove(old), checkpoint, ends)
            if status == httpx.codes.OK:
                return _line(witness, checkpoint, body)
            if status != httpx.codes.CONFLICT or kind != SIZE_TYPE:
                raise ValueError(f"status {status}: {body[:200]!r}")
            known = parse_size(body.rstrip("\n"))
            if known > size or known == old:
                raise ValueError(f"it knows a tree of {known} entries that is not ours")
            old = known
        raise ValueError("it changed its mind too often")

    def _post(
        self, witness: Witness, old: int, proof: Sequence[bytes], checkpoint: bytes, ends: float
    ) -> tuple[int, str, str]:
        import base64

        head = [f"old {old}", *(base64.b64encode(item).decode() for item in proof)]
        content = "\n".join(head).encode() + b"\n\n" + checkpoint
        left = max(0.05, ends - time.monotonic())
        url = f"{str(witness.url).rstrip('/')}/add-checkpoint"
        with httpx.stream("POST", url, content=content, timeout=left, trust_env=False) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MOST or time.monotonic() > ends:
                    raise ValueError("its answer is too long")
            return answer.status_code, answer.headers.get("content-type", "").partition(";")[0], body.decode()


def _line(witness: Witness, checkpoint: bytes, body: str) -> str:
    """The line of a body that is the witness's and holds. Raises ValueError."""
    for line in body.split("\n"):
        try:
            note = parse_note(add_lines(checkpoint, [line]))
            if cosigned_at(note, witness.key) is not None and parse_checkpoint(note.text):
                return line
        except BadSignature:
            raise
        except ValueError:
            continue
    raise ValueError("its answer has no cosignature of its own")
