"""What people and ticks do with a loop's gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lumen_workers.domain.errors import CheckFailed, NotFound, UsageError
from lumen_workers.domain.gateway import LOCK, UNLOCK, Act, Gateway, Key, Moved, Status, Step
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.loop import alignment, phrases
from lumen_workers.loop.alignment import Alignment
from lumen_workers.loop.gateway import GatewayOptions, after, due

_TRIES: Final = 10


class Gatekeeper:
    """The gateways of the declared loops. Each act is one transaction; of two at once the second looks again."""

    def __init__(self, store: Store, loops: Mapping[str, LoopSpec], options: GatewayOptions) -> None:
        self._store = store
        self._loops = loops
        self._options = options

    def look(self, loop: str, by: str) -> Moved | None:
        """Do what the newest samples ask for; None: nothing, or another did it. One step a look.

        A desync rolls the loop's last automatic change back, if the options say so. Raises NotFound.
        """
        gateway = self._store.gateways.get(loop)
        if gateway is None:
            return None
        spec, limits, now = self._loop(loop), self._options.of(loop), self._store.now()
        found = due(gateway, alignment.look(self._store, loop, limits, now), limits, now)
        if found is None:
            return None
        act, why = found
        undo = spec.rules if act is Act.DESYNC and self._options.rollback_on_desync else None
        return self._store.gateways.move(loop, gateway, [self._step(loop, gateway.status, act, by, why)], undo=undo)

    def init(self, loop: str, by: str) -> Gateway:
        """Begin anew; the phrases stay. Raises UsageError while locked."""
        return self._act(loop, lambda gateway: [self._step(loop, _status(gateway), Act.INIT, by)])

    def bind(self, loop: str, by: str) -> Gateway:
        """Bind the loop: it is declared, at the rate that the file names. Raises UsageError."""
        return self._act(loop, lambda gateway: self._begun(loop, gateway, by, again=True))

    def sign(
        self, loop: str, phrase: str, by: str, *, confirm: str | None = None, signer: str | None = None
    ) -> Gateway:
        """Set the phrases, the first time; later, check the signing one. Begins and binds the gateway where it must.

        ``confirm``: the phrase for locking, where it is another one. Raises CheckFailed for a wrong phrase, UsageError.
        """

        def steps(gateway: Gateway | None) -> Sequence[Step]:
            begun = self._begun(loop, gateway, by)
            status = begun[-1].status if begun else _status(gateway)
            key = None if gateway is None else gateway.key
            if key is None:
                key = self._new_key(phrase, confirm, signer or by)
                why = "phrase set"
            elif not phrases.is_phrase(phrase, key.phrase_sha256):
                raise CheckFailed(
                    f"loop {loop!r}: this is not the signing phrase; nothing was changed "
                    "(`lumen gateway rekey` sets another)"
                )
            else:
                self._check_pinned(phrase)
                why = "phrase checked"
            return [*begun, self._step(loop, status, Act.SIGN, by, why, key)]

        self._act(loop, steps)
        self.look(loop, by)
        return self._known(loop)

    def rekey(
        self, loop: str, phrase: str, by: str, *, why: str, confirm: str | None = None, signer: str | None = None
    ) -> Gateway:
        """Set other phrases, on purpose; the audit log tells. Raises UsageError while locked, and without a reason."""
        if not why.strip():
            raise UsageError("say why the phrase is replaced; the audit log keeps it")

        def steps(gateway: Gateway | None) -> Sequence[Step]:
            if gateway is None or gateway.key is None:
                raise UsageError(f"loop {loop!r} has no phrase yet; `lumen gateway sign` sets it")
            key = self._new_key(phrase, confirm, signer or by)
            step = self._step(loop, gateway.status, Act.REKEY, by, why, key)
            return [replace(step, detail={**step.detail, "instead_of": gateway.key.signer})]

        return self._act(loop, steps)

    def lock(self, loop: str, confirm: str, by: str, note: str = "") -> Gateway:
        """Lock in, by way of resonating where samples flow by now. A refusal changes nothing.

        Raises CheckFailed for a wrong confirm phrase or a loop that is not aligned, UsageError.
        """

        def steps(gateway: Gateway | None) -> Sequence[Step]:
            limits, now = self._options.of(loop), self._store.now()
            seen = alignment.look(self._store, loop, limits, now)
            begun = []
            if gateway is not None and (found := due(gateway, seen, limits, now)) and found[0] is Act.RESONATE:
                begun = [self._step(loop, gateway.status, Act.RESONATE, by, found[1])]
            status = after(begun[-1].status if begun else _status(gateway), Act.LOCK, loop)
            if gateway is None or gateway.key is None:
                raise UsageError(f"loop {loop!r} has no phrase yet; `lumen gateway sign` sets it")
            if not phrases.is_phrase(confirm, gateway.key.confirm_sha256):
                raise CheckFailed(f"loop {loop!r}: this is not the confirm phrase; the gateway stays {gateway.status}")
            if not seen.locked:
                raise CheckFailed(f"loop {loop!r} is seeking, not phase-locked: {seen.why}; it locks in once it is")
            detail = {"phase_diff": seen.phase_diff, "risk_band": seen.risk_band}
            return [*begun, Step(act=Act.LOCK, status=status, by=by, why=note, detail=detail)]

        return self._act(loop, steps, {"cmd": LOCK, "by": by, "note": note})

    def unlock(self, loop: str, by: str, note: str = "") -> Gateway:
        """Leave the lock, by hand. Nothing is rolled back. Raises UsageError when it is not locked."""
        return self._act(
            loop,
            lambda gateway: [self._step(loop, _status(gateway), Act.UNLOCK, by, note)],
            {"cmd": UNLOCK, "by": by, "note": note},
        )

    def seen(self, loop: str) -> Alignment:
        """What the loop's newest samples say."""
        return alignment.look(self._store, loop, self._options.of(loop), self._store.now())

    def _act(
        self,
        loop: str,
        steps: Callable[[Gateway | None], Sequence[Step]],
        command: Mapping[str, str] | None = None,
    ) -> Gateway:
        """Take the steps that follow from the gateway as it is; look again when another was quicker."""
        self._loop(loop)
        for _ in range(_TRIES):
            gateway = self._store.gateways.get(loop)
            taken = steps(gateway)
            if not taken and gateway is not None:
                return gateway
            moved = self._store.gateways.move(loop, gateway, taken, command=command)
            if moved is not None:
                return moved.gateway
        raise CheckFailed(f"the gateway of loop {loop!r} does not stand still; try again")

    def _begun(self, loop: str, gateway: Gateway | None, by: str, *, again: bool = False) -> list[Step]:
        """The steps to ``binding`` where the gateway is not there yet; ``again``: it must not be."""
        steps, status = [], _status(gateway)
        if status is None:
            steps.append(self._step(loop, status, Act.INIT, by))
            status = Status.INITIALIZING
        if status is Status.INITIALIZING or again:
            self._check_rate(loop)
            steps.append(self._step(loop, status, Act.BIND, by))
        return steps

    def _step(self, loop: str, status: Status | None, act: Act, by: str, why: str = "", key: Key | None = None) -> Step:
        options = self._options
        detail: dict[str, object] = {}
        if act is Act.INIT:
            detail = {"gateway": options.gateway_id, "version": options.version}
        elif act is Act.BIND:
            rate = self._store.loops.rates().get(loop)
            detail = {"rate_hz": rate, "sync_mode": options.sync_mode, "personas": dict(options.personas)}
        elif key is not None:
            detail = {"signer": key.signer}
        return Step(act=act, status=after(status, act, loop), by=by, why=why, detail=detail, key=key)

    def _new_key(self, phrase: str, confirm: str | None, signer: str) -> Key:
        signing = phrases.digest(phrases.check_new(phrase, "signing phrase"))
        self._check_pinned(phrase)
        confirming = signing if confirm is None else phrases.digest(phrases.check_new(confirm, "confirm phrase"))
        return Key(signer=self._options.signer or signer, phrase_sha256=signing, confirm_sha256=confirming)

    def _check_pinned(self, phrase: str) -> None:
        pinned = self._options.phrase_sha256
        if pinned is not None and not phrases.is_phrase(phrase, pinned):
            raise CheckFailed("the phrase has not the hash that gateway_activation.yaml names; nothing was changed")

    def _check_rate(self, loop: str) -> None:
        rate, wanted = self._store.loops.rates().get(loop), self._options.rate_hz
        if wanted is not None and rate != wanted:
            raise UsageError(
                f"loop {loop!r} runs at {rate} Hz, and gateway_activation.yaml binds loops of {wanted} Hz: "
                "set loop.loop_rate_hz there, or leave it empty for any rate"
            )

    def _known(self, loop: str) -> Gateway:
        gateway = self._store.gateways.get(loop)
        if gateway is None:
            raise NotFound(f"loop {loop!r} has no gateway")
        return gateway

    def _loop(self, name: str) -> LoopSpec:
        if name not in self._loops:
            raise NotFound(f"unknown loop {name!r}; loops.yaml has: {', '.join(sorted(self._loops)) or 'none'}")
        return self._loops[name]


def _status(gateway: Gateway | None) -> Status | None:
    return None if gateway is None else gateway.status
