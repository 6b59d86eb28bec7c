"""Settings: environment variables over YAML files over defaults, as one frozen value."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lumen_workers.config.broker import celery_url, database, tls_options
from lumen_workers.config.contacts import contacts
from lumen_workers.config.experiments.bayes import BayesFile
from lumen_workers.config.experiments.rhythm import RhythmFile
from lumen_workers.config.experiments.tuning import TuningFile
from lumen_workers.config.files import ArchiveFile, LoopsFile, LumenFile, RegionName, Regions, explain, read
from lumen_workers.config.gateway import GatewayFile
from lumen_workers.config.notify import DistributionFile, NotifyFile, PeopleEnvironment
from lumen_workers.config.reruns import RerunsFile
from lumen_workers.domain.errors import ConfigError, UsageError
from lumen_workers.domain.recipients import Contacts
from lumen_workers.domain.records import EffectOptions, LoopSpec, RuleSpec
from lumen_workers.domain.regions import StandIn, default_stand_ins


def _project() -> Path:
    """Where ``beat_schedule.py`` and ``configs/`` stand. The file is not run here: it may have a mistake in it."""
    found = find_spec("beat_schedule")
    if found is None or found.origin is None:
        raise ConfigError("beat_schedule.py is not there: start in the project's folder, or install the project")
    return Path(found.origin).resolve().parent


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Environment(BaseSettings):
    """Every environment variable of ours that is read. Empty ones count as not set."""

    model_config = SettingsConfigDict(env_prefix="LUMEN_", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Path("var")
    configs: Path | None = None
    host: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,200}$")
    region: RegionName | None = None
    lane: str | None = Field(None, pattern="^[a-z]{1,20}$")
    regions: Annotated[Regions | None, NoDecode, BeforeValidator(_split)] = None
    zone: str | None = None
    locale: Literal["en", "ko"] | None = None
    broker_url: str | None = None
    broker_ca: Path | None = None
    broker_cert: Path | None = None
    broker_key: Path | None = None
    messages: Literal["plain", "signed"] | None = None
    store_url: str | None = None
    archive: Path | None = None
    key_pass: SecretStr | None = Field(
        None, validation_alias=AliasChoices("key_pass", "LUMEN_KEY_PASS", "LUMEN_SIGNER_PASS")
    )
    ca_pass: SecretStr | None = None
    gateway_phrase: SecretStr | None = None
    gateway_confirm: SecretStr | None = None
    pipeline_version: str | None = Field(None, pattern="^[0-9a-f]{8,64}$")
    log: Literal["pretty", "json"] = "pretty"
    demo_exit: bool = Field(False, validation_alias=AliasChoices("demo_exit", "DEMO_EXIT", "LUMEN_DEMO_EXIT"))
    flower_port: int | None = Field(None, ge=1, le=65535)
    exporter_port: int | None = Field(None, ge=0, le=65535)
    exporter_token: SecretStr | None = Field(None, min_length=16)
    web_port: int | None = Field(None, ge=0, le=65535)
    web_token: SecretStr | None = Field(None, min_length=16)
    web_token_file: Path | None = None
    textfile_dir: Path | None = None
    pushgateway_url: SecretStr | None = Field(
        None, validation_alias=AliasChoices("pushgateway_url", "PUSHGATEWAY_URL", "LUMEN_PUSHGATEWAY_URL")
    )
    rules_secret: SecretStr | None = Field(None, min_length=16)
    lease_s: float = Field(10.0, ge=2, le=600)
    alert_url: SecretStr | None = None
    alert_secret: SecretStr | None = None
    alert_token: SecretStr | None = None

    effect_pre_s: float = Field(30.0, gt=1, le=3600)
    effect_post_s: float = Field(30.0, gt=1, le=3600)
    effect_min_samples: int = Field(50, ge=2, le=1_000_000)
    effect_iqr: bool = False
    effect_iqr_k: float = Field(1.5, gt=0, le=10)
    effect_ema: bool = False
    effect_ema_alpha: float = Field(0.2, gt=0, le=1)

    qb_phase_good: float = Field(-0.01, ge=-1, le=0)
    qb_risk_good: float = Field(-0.01, ge=-1, le=0)
    qb_crea_good: float = Field(0.01, ge=0, le=1)
    rl_phase_bad: float = Field(0.03, ge=0, le=1)
    rl_entr_bad: float = Field(0.03, ge=0, le=1)


def variables() -> tuple[str, ...]:
    """Every ``LUMEN_…`` variable that is read, other names of the same one included."""
    names = [f"LUMEN_{name.upper()}" for name in Environment.model_fields]
    aliases = [field.validation_alias for field in Environment.model_fields.values()]
    others = [name for alias in aliases if isinstance(alias, AliasChoices) for name in alias.choices]
    more = [name for name in others if isinstance(name, str) and name.startswith("LUMEN_")]
    return tuple(dict.fromkeys((*names, *more)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the composition root works from."""

    env: Environment
    lumen: LumenFile
    archive: ArchiveFile
    reruns: RerunsFile
    gateway: GatewayFile
    tuning: TuningFile
    bayes: BayesFile
    rhythm: RhythmFile
    loops: Mapping[str, LoopSpec]
    contacts: Contacts

    @property
    def home(self) -> Path:
        return self.env.home

    def file(self, name: str) -> Path:
        """The configuration file of that name: in ``LUMEN_CONFIGS``, else the shipped one. Raises ConfigError."""
        return _find(self.env, name)

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Every region of the system, in order."""
        return self.env.regions or self.lumen.regions

    @cached_property
    def region(self) -> str:
        """The region that this process works for: ``LUMEN_REGION``, else the first."""
        region = self.env.region or self.regions[0]
        if region not in self.regions:
            raise ConfigError(f"LUMEN_REGION={region} is not among the regions: {', '.join(self.regions)}")
        return region

    @cached_property
    def stand_ins(self) -> dict[str, StandIn]:
        """Region → who stands in for it, and how long it must have been silent. Raises ConfigError."""
        file = self.lumen.stand_in
        found = default_stand_ins(self.regions, timedelta(seconds=file.after_s))
        for region, names in file.order.items():
            if unknown := [name for name in (region, *names) if name not in self.regions]:
                origin, known = _find(self.env, "lumen.yaml"), ", ".join(self.regions)
                raise ConfigError(f"{origin}: stand_in.order: unknown region {unknown[0]!r}; known: {known}")
            if region in names:
                raise ConfigError(f"{_find(self.env, 'lumen.yaml')}: stand_in.order.{region}: it names itself")
            found[region] = replace(found[region], regions=names)
        return found

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of report days and cron entries."""
        name = self.env.zone or self.lumen.zone
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            origin = "LUMEN_ZONE" if self.env.zone else f"{_find(self.env, 'lumen.yaml')}: zone"
            raise ConfigError(f"{origin}: {name!r} is not a known time zone, such as Asia/Seoul") from None

    @property
    def locale(self) -> str:
        return self.env.locale or self.lumen.locale

    @property
    def store_url(self) -> str:
        return self.env.store_url or f"sqlite:///{self.home / 'lumen.db'}"

    @property
    def broker_url(self) -> str | None:
        """``LUMEN_BROKER_URL``, else the broker that `lumen run` keeps for this home, else None. For Celery."""
        if self.env.broker_url:
            return celery_url(self.env.broker_url)
        try:
            return self.broker_file.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    @cached_property
    def broker_tls(self) -> dict[str, Any]:
        """How the broker is verified, in redis-py's names; empty without TLS. Raises ConfigError, EnvironmentFault."""
        env = self.env
        return tls_options(env.broker_url, ca=env.broker_ca, cert=env.broker_cert, key=env.broker_key)

    @property
    def broker_database(self) -> int:
        """The database of ``LUMEN_BROKER_URL``; 0 unless it names one."""
        return database(self.env.broker_url)

    @property
    def signed(self) -> bool:
        """Whether messages are signed, and unsigned ones refused."""
        return (self.env.messages or self.lumen.messages) == "signed"

    @property
    def broker_file(self) -> Path:
        """Where `lumen run` notes the URL of its private broker."""
        return self.home / "run" / "broker.url"

    @property
    def archive_root(self) -> Path:
        """The local directory remote."""
        return self.env.archive or self.home / "archive"

    @cached_property
    def effect_options(self) -> EffectOptions:
        env = self.env
        return EffectOptions(
            pre_s=env.effect_pre_s,
            post_s=env.effect_post_s,
            min_samples=env.effect_min_samples,
            iqr=env.effect_iqr,
            iqr_k=env.effect_iqr_k,
            ema=env.effect_ema,
            ema_alpha=env.effect_ema_alpha,
        )

    @cached_property
    def config_digest(self) -> str:
        """SHA-256 over what the built bytes may depend on. Paths, secrets and the region are not in it."""
        env = self.env.model_dump(mode="json", include={n for n in type(self.env).model_fields if n[:3] in _DIGESTED})
        data = {
            "zone": self.zone.key,
            "locale": self.locale,
            "environment": env,
            "archive": self.archive.model_dump(mode="json"),
            "loops": {
                name: {
                    "rate_hz": loop.rate_hz,
                    "source": loop.source.partition(":")[0],
                    "rules": {r.name: [r.initial, r.min, r.max] for r in loop.rules.values()},
                }
                for name, loop in self.loops.items()
            },
        }
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def check_region(self, region: str) -> str:
        """``region`` if it is one of ours. Raises UsageError."""
        if region not in self.regions:
            raise UsageError(f"unknown region {region!r}; the regions are {', '.join(self.regions)}")
        return region

    def loop(self, name: str) -> LoopSpec:
        """A declared loop. Raises UsageError."""
        if name not in self.loops:
            raise UsageError(f"unknown loop {name!r}; the declared loops are {', '.join(self.loops)}")
        return self.loops[name]


_DIGESTED = ("eff", "qb_", "rl_")


def load(*, home: Path | None = None, region: str | None = None) -> Settings:
    """Read everything. ``home`` and ``region`` win over the environment. Raises ConfigError."""
    overrides: dict[str, Any] = {}
    if home is not None:
        overrides["home"] = home
    if region is not None:
        overrides["region"] = region
    try:
        env = Environment(**overrides)
    except ValidationError as error:
        raise ConfigError(explain("environment", error, Environment, lambda key: f"LUMEN_{key.upper()}")) from None
    try:
        people = PeopleEnvironment()
    except ValidationError as error:
        raise ConfigError(explain("environment", error, PeopleEnvironment, str.upper)) from None
    env = env.model_copy(update={"home": env.home.expanduser().absolute()})
    settings = Settings(
        env=env,
        lumen=read(_find(env, "lumen.yaml"), LumenFile),
        archive=read(_find(env, "archive.yaml"), ArchiveFile),
        reruns=read(_find(env, "reruns.yaml"), RerunsFile),
        gateway=read(_find(env, "gateway_activation.yaml"), GatewayFile),
        tuning=read(_find(env, "self_tuning.yaml"), TuningFile),
        bayes=read(_find(env, "bayes_priors.yaml"), BayesFile),
        rhythm=read(_find(env, "rhythm.yaml"), RhythmFile),
        loops=_loops(read(_find(env, "loops.yaml"), LoopsFile)),
        contacts=_contacts(env, people),
    )
    for loop in settings.loops.values():
        if loop.region is not None and loop.region not in settings.regions:
            origin = _find(env, "loops.yaml")
            known = ", ".join(settings.regions)
            raise ConfigError(f"{origin}: loops.{loop.name}.region: unknown region {loop.region!r}; known: {known}")
    _ = (
        settings.region,
        settings.zone,
        settings.stand_ins,
    )  # what is wrong with them is said now, not when they are first needed
    return settings


def _find(env: Environment, name: str) -> Path:
    """The file in ``LUMEN_CONFIGS``, else the shipped one."""
    if env.configs is not None:
        if not env.configs.is_dir():
            raise ConfigError(f"LUMEN_CONFIGS={env.configs} is not a folder")
        if (env.configs / name).exists():
            return env.configs / name
    return _project() / "configs" / name


def _contacts(env: Environment, people: PeopleEnvironment) -> Contacts:
    notify, distribution = _find(env, "notify.yaml"), _find(env, "lumen_distribution.yaml")
    return contacts(
        (notify, read(notify, NotifyFile)),
        (distribution, read(distribution, DistributionFile)),
        people,
        alert_url=env.alert_url,
        alert_secret=env.alert_secret,
        alert_token=env.alert_token,
    )


def _loops(file: LoopsFile) -> dict[str, LoopSpec]:
    return {
        name: LoopSpec(
            name=name,
            rate_hz=loop.rate_hz,
            source=loop.source,
            source_options=loop.options,
            region=loop.region,
            rules={rule: RuleSpec(name=rule, **bounds.model_dump()) for rule, bounds in loop.rules.items()},
            actuator=loop.actuator,
            actuator_options=loop.actuator_options,
            ack_within_s=loop.ack_within_s,
        )
        for name, loop in file.loops.items()
    }
