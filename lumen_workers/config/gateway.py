"""``configs/gateway_activation.yaml`` (S01). It holds no secret: a phrase is set by a command."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lumen_workers.config.files import WITHHELD, Fingerprint, LoopName, Number, Rate, Strict
from lumen_workers.domain.gateway import SYNC_MODE
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.loop.alignment import Limits
from lumen_workers.loop.gateway import GatewayOptions

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Share = Annotated[Number, Field(ge=0, le=1)]
Seconds = Annotated[Number, Field(ge=1, le=3600)]


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError("is a path inside the loop's folder")
    return value


def _no_secret(value: Any) -> Any:
    if value is not None:
        why = "is a secret and does not stand in a file: leave it empty, `lumen gateway sign` asks for it"
        raise PydanticCustomError(WITHHELD, why)
    return value


def _signal(value: str) -> str:
    if value not in SIGNALS:
        raise ValueError(f"is one of {', '.join(SIGNALS)}")
    return value


def _file_name(value: str) -> str:
    if not value.endswith(".yaml") or PurePosixPath(value).name != value:
        raise ValueError("is a file's name that ends in .yaml")
    return value


InnerPath = Annotated[str, AfterValidator(_inside)]
Secret = Annotated[None, BeforeValidator(_no_secret)]
Signal = Annotated[str, AfterValidator(_signal)]

_PERSONAS: Final = {
    "lumen": "observer_field",
    "lubit": "build_core",
    "sena": "ethics_field",
    "elo": "integrator",
    "binoche": "origin_field",
}


class HeadFile(Strict):
    """``gateway``. ``status`` is where every gateway begins."""

    id: Word = "lumen_field_v0_8"
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")] = "0.8"
    status: Literal["initializing"] = "initializing"


class PathsFile(Strict):
    """Where a session finds the loop's files, below the folder that `lumen export` writes."""

    metrics: InnerPath = "logs/metrics.csv"
    entities: InnerPath = "logs/entities.csv"
    commands: InnerPath = "controls/commands.jsonl"
    rules_history: InnerPath = "controls/rules_history.jsonl"


class GatewayLoopFile(Strict):
    """``loop``. ``loop_rate_hz`` empty binds loops of any rate."""

    loop_rate_hz: Rate | None = 5
    sync_mode: Word = SYNC_MODE
    paths: PathsFile = PathsFile()


class ThresholdsFile(Strict):
    """``resonance.thresholds``: told in the status; they decide nothing."""

    creative_band_min: Share = 0.22
    risk_band_max: Share = 0.35


class LimitsFile(Strict):
    """``resonance.phase_lock``, for one loop."""

    phase_diff_max: Share | None = None
    risk_band_below: Annotated[Number, Field(gt=0, le=1.01)] | None = None


class PhaseLockFile(Strict):
    """``resonance.phase_lock``: aligned while phase_diff is at most, and risk_band below, these means."""

    phase_diff_max: Share = 0.05
    risk_band_below: Annotated[Number, Field(gt=0, le=1.01)] = 0.2
    window_s: Annotated[Number, Field(ge=1, le=60)] = 5.0
    loops: dict[LoopName, LimitsFile] = Field(default_factory=dict)


class ResonanceFile(Strict):
    """``resonance``."""

    metrics: Annotated[tuple[Signal, ...], Field(min_length=1, strict=False)] = SIGNALS
    thresholds: ThresholdsFile = ThresholdsFile()
    alignment: Literal["phase_lock"] = "phase_lock"
    phase_lock: PhaseLockFile = PhaseLockFile()


class SafetyFile(Strict):
    """``safety``. ``checksum`` auto: the session file carries one, and it is checked."""

    checksum: Literal["auto", "off"] = "auto"
    rollback_on_desync: bool = True
    desync_tolerance_s: Seconds = 30.0


class SignatureFile(Strict):
    """``signature``. ``resonance_hash_sha256``: only a phrase with this hash may be set."""

    phrase: Secret = None
    signer: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    resonance_hash_sha256: Fingerprint | None = None
    confirm_phrase: Secret = None


class HandoffFile(Strict):
    """``handoff``: whether a session file is kept, its name in the home, and whether the log tells of it."""

    persist_session: bool = True
    next_session_restore: Annotated[str, AfterValidator(_file_name)] = "session_restore_lumen_v0_8.yaml"
    log_handoff_point: bool = True


class GatewayFile(Strict):
    """``configs/gateway_activation.yaml``."""

    gateway: HeadFile = HeadFile()
    loop: GatewayLoopFile = GatewayLoopFile()
    personas: dict[Word, Word] = _PERSONAS
    resonance: ResonanceFile = ResonanceFile()
    safety: SafetyFile = SafetyFile()
    signature: SignatureFile = SignatureFile()
    handoff: HandoffFile = HandoffFile()

    def options(self) -> GatewayOptions:
        """What the gateway is run with."""
        lock, thresholds = self.resonance.phase_lock, self.resonance.thresholds

        def limits(phase: float | None = None, risk: float | None = None) -> Limits:
            return Limits(
                phase_diff_max=lock.phase_diff_max if phase is None else phase,
                risk_band_below=lock.risk_band_below if risk is None else risk,
                window_s=lock.window_s,
                tolerance_s=self.safety.desync_tolerance_s,
                creative_band_min=thresholds.creative_band_min,
                risk_band_max=thresholds.risk_band_max,
            )

        return GatewayOptions(
            gateway_id=self.gateway.id,
            version=self.gateway.version,
            rate_hz=self.loop.loop_rate_hz,
            sync_mode=self.loop.sync_mode,
            personas=self.personas,
            limits=limits(),
            loops={name: limits(own.phase_diff_max, own.risk_band_below) for name, own in lock.loops.items()},
            rollback_on_desync=self.safety.rollback_on_desync,
            signer=self.signature.signer,
            phrase_sha256=self.signature.resonance_hash_sha256,
        )
