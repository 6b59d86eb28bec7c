"""The composition root: settings in, a context with real adapters out. The only place that knows both."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lumen_workers.adapters.actuators import check_actuator, make_actuator
from lumen_workers.adapters.channels import make_channels
from lumen_workers.adapters.environment import make_environment
from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.adapters.sources import check_source, is_sampled, make_source
from lumen_workers.adapters.store import open_store
from lumen_workers.archive.freeze import FreezeOptions
from lumen_workers.config import Settings
from lumen_workers.config.files import SignerFile
from lumen_workers.domain.clock import Clock, SystemClock
from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault
from lumen_workers.domain.failures import Policy
from lumen_workers.domain.ports import Actuator, Channel, Dispatcher, Remote, Signer, Store
from lumen_workers.domain.ports.environment import EnvironmentSource
from lumen_workers.domain.recipients import Routes
from lumen_workers.domain.records import LoopSpec
from lumen_workers.engine.context import Context
from lumen_workers.engine.schedule import Entry
from lumen_workers.findings.thresholds import Thresholds
from lumen_workers.loop.lane import SamplerLane
from lumen_workers.loop.rates import at_rates
from lumen_workers.loop.rules import Rules
from lumen_workers.pipelines.failures import POLICIES
from lumen_workers.pipelines.verdicts import judge

if TYPE_CHECKING:
    from lumen_workers.trust.evidence.attest import Attestor
    from lumen_workers.trust.notes import NoteSigner
    from lumen_workers.trust.tlog.policy import Policy as LogPolicy

PACKAGE = Path(__file__).resolve().parent

_ANSWERS = ("token_expired", "build")


def check(settings: Settings) -> None:
    """Every loop's source and actuator options and the rhythm's source, opening nothing. Raises ConfigError."""
    for loop in settings.loops.values():
        check_source(loop)
        check_actuator(loop)
    environment_of(settings)


def open_home(settings: Settings) -> Path:
    """Make the home. Raises EnvironmentFault."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise EnvironmentFault(
            f"home {settings.home} is not a folder; choose another with --home or LUMEN_HOME"
        ) from None
    except OSError as error:
        raise EnvironmentFault(
            f"home {settings.home} cannot be made: {error.strerror}; choose another with --home or LUMEN_HOME"
        ) from None
    try:
        probe = settings.home / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EnvironmentFault(
            f"home {settings.home} is not writable: {error.strerror}; choose another with --home or LUMEN_HOME"
        ) from None
    return settings.home


def store_of(settings: Settings) -> Store:
    """The store, migrated, with every declared loop registered."""
    open_home(settings)
    check(settings)
    store = open_store(settings.store_url)
    known = store.loops.rates()
    for loop in at_rates(settings.loops.values(), store.loops.settings()):
        if known.get(loop.name) != loop.rate_hz:
            store.loops.register(loop.name, loop.rate_hz, loop.source)
    return store


def build(settings: Settings, dispatcher: Dispatcher, schedule: Mapping[str, Entry]) -> Context:
    """One process's context. Keys, actuators and the sampler lane are made when they are first asked for."""
    store = store_of(settings)
    clock = SystemClock()
    holder = f"{settings.region}/{settings.env.host}/{os.getpid()}"
    home = settings.home

    @functools.cache
    def rules() -> Rules:
        return Rules(store, settings.loops, actuators(settings), refused=refused, by=holder)

    @functools.cache
    def lane() -> SamplerLane:
        return SamplerLane(
            loops=tuple(loop for loop in settings.loops.values() if is_sampled(loop)),
            region=settings.region,
            host=settings.env.host,
            pid=os.getpid(),
            make_source=functools.partial(make_source, store=store, home=home),
            store=store,
            clock=clock,
            spool_dir=home / "spool",
            stats_dir=home / "run",
            lease_ttl=timedelta(seconds=settings.env.lease_s),
        )

    return Context(
        store=store,
        clock=clock,
        remote=remote_of(settings),
        dispatcher=dispatcher,
        signer=functools.cache(functools.partial(signer_of, settings)),
        pins=functools.partial(pins_of, settings),
        attestor=functools.cache(functools.partial(attestor_of, settings, store, clock, holder)),
        roots=lambda: roots_of(settings, store.now()),
        region=settings.region,
        regions=settings.regions,
        holder=holder,
        home=home,
        zone=settings.zone,
        loops=settings.loops,
        schedule=schedule,
        code_version=settings.env.pipeline_version or code_version(),
        config_digest=settings.config_digest,
        settings={
            "zone": settings.zone.key,
            "locale": settings.locale,
            "effect_options": settings.effect_options.key(),
            "archive": settings.archive.model_dump(mode="json"),
        },
        lease_ttl=timedelta(seconds=settings.env.lease_s),
        judge=judge,
        policies=policies(settings),
        stand_ins=settings.stand_ins,
        routes=routes_of(settings),
        channels=functools.partial(channels_of, settings),
        locale=settings.locale,
        effect_options=settings.effect_options,
        thresholds=thresholds(settings),
        archive_options=FreezeOptions(**settings.archive.options.model_dump(exclude={"checksum"})),
        archive_label=settings.archive.meta.label,
        rules=rules,
        lane=lane,
        gateway=settings.gateway.options(),
        tuning=settings.tuning.options(),
        tuned_loops=tuple(name for name in settings.tuning.loops if name in settings.loops),
        priors=settings.bayes.options(),
        rhythm=settings.rhythm.options(),
        environment=functools.cache(functools.partial(environment_of, settings)),
    )


def remote_of(settings: Settings) -> Remote:
    """The archive."""
    return LocalRemote(settings.archive_root)


def channels_of(settings: Settings) -> Mapping[str, Channel]:
    """The ways out to people, by name; nothing is connected."""
    return make_channels(settings.contacts)


def environment_of(settings: Settings) -> EnvironmentSource | None:
    """Where readings of the surroundings come from. Raises ConfigError."""
    return make_environment(settings.rhythm.source, home=settings.home, timeout_s=settings.rhythm.timeout_s)


def routes_of(settings: Settings) -> Routes:
    """Who is told what."""
    return settings.contacts.routes


def signer_of(settings: Settings) -> Signer:
    """The key of this process's region: in the home, made and pinned at first use, or where ``signers`` says.

    Raises ConfigError where it is another home's: a second key for one region would contradict the pinned one.
    """
    from lumen_workers.trust.pins import open_signer

    keys, region = settings.home / "keys", settings.region
    elsewhere = settings.lumen.signers.get(region)
    if elsewhere is not None:
        signer = _signer_elsewhere(settings, elsewhere)
        _check_pinned(keys, region, signer)
        return signer
    if region in settings.lumen.peers and not (keys / f"{region}.pem").exists():
        raise ConfigError(
            f"the key of region {region} is not in {keys}: lumen.yaml has it under peers; set LUMEN_REGION to a region "
            "of this home"
        )
    return open_signer(keys, region, _key_pass(settings))


def _check_pinned(keys: Path, region: str, signer: Signer) -> None:
    """Pin the key of a signer elsewhere at its first use, once it has signed. Raises CheckFailed for another key."""
    from lumen_workers.trust.pins import Pins
    from lumen_workers.trust.signers.base import PROBE

    pins = Pins(keys)
    pinned = pins.get(region)
    if pinned is None:
        signer.sign(PROBE)
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        pins.pin(region, signer.fingerprint)
    elif pinned != signer.fingerprint:
        raise CheckFailed(
            f"the key that signers.{region} in lumen.yaml names is {signer.fingerprint}, pinned is {pinned}; "
            f"if the change is meant, `lumen pki rotate {region} --root DIR` pins it, and the former one counts as well"
        )


def _signer_elsewhere(settings: Settings, file: SignerFile) -> Signer:
    """A signer behind a command or on a token. Raises ConfigError for what is not there, and what the token raises."""
    from lumen_workers.config.secrets import passed_on, variable
    from lumen_workers.trust.pki.upkeep import public_from
    from lumen_workers.trust.signers.base import ElsewhereSigner
    from lumen_workers.trust.signers.command import CommandDevice
    from lumen_workers.trust.signers.pkcs11 import TokenDevice
    from lumen_workers.trust.signers.sessions import Token

    where, public = f"{settings.file('lumen.yaml')}: signers.{settings.region}", None
    if file.public_key is not None:
        try:
            public = public_from(file.public_key.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{where}: public_key {file.public_key} cannot be read: {error}") from None
    if file.pkcs11 is not None:
        pin, keys = variable(file.pkcs11.pin_env, where), settings.home / "keys"
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = Token(module=str(file.pkcs11.module), label=file.pkcs11.token, pin=pin, lock=keys / ".token.lock")
        device = TokenDevice(token, file.pkcs11.key)
        return ElsewhereSigner(device, public or device.public())
    assert file.command is not None
    assert public is not None
    return ElsewhereSigner(CommandDevice(file.command, env=passed_on(file.keep_env), limit_s=file.limit_s), public)


def rotate_key(settings: Settings) -> Signer:
    """A new key for this process's region, pinned before the one that it replaces.

    A key that is elsewhere is made anew there: here the new public half is pinned, once it has signed.
    """
    from lumen_workers.trust.pins import Pins, retire_signer, rotate_signer
    from lumen_workers.trust.signers.base import PROBE

    keys, elsewhere = settings.home / "keys", settings.lumen.signers.get(settings.region)
    if elsewhere is None:
        return rotate_signer(keys, settings.region, _key_pass(settings))
    signer = _signer_elsewhere(settings, elsewhere)
    signer.sign(PROBE)
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    Pins(keys).rotate(settings.region, signer.fingerprint)
    retire_signer(keys, settings.region, _key_pass(settings))
    return signer


def _key_pass(settings: Settings) -> str | None:
    secret = settings.env.key_pass
    return secret.get_secret_value() if secret else None


def log_signer_of(settings: Settings) -> NoteSigner:
    """The key of the home's log, made at first use."""
    from lumen_workers.engine.attesting import log_signer

    return log_signer(settings.home, origin=settings.lumen.log.origin, passphrase=_key_pass(settings))


def attestor_of(settings: Settings, store: Store, clock: Clock, holder: str) -> Attestor:
    """Who attests for this process's region. Keys and a development root are made at first use."""
    from lumen_workers.adapters.witnesses import AskWitnesses
    from lumen_workers.engine.attesting import make_attestor

    return make_attestor(
        home=settings.home,
        region=settings.region,
        signer=signer_of(settings),
        store=store,
        clock=clock,
        holder=holder,
        lease_ttl=timedelta(seconds=settings.env.lease_s),
        log=log_signer_of(settings),
        witnesses=AskWitnesses(functools.partial(_witness_policy, settings), settings.lumen.log.witness_s),
    )


def _witness_policy(settings: Settings) -> LogPolicy:
    """Who witnesses the home's log: the root's trust document says so."""
    from lumen_workers.engine.attesting import trust_home
    from lumen_workers.trust.pki.documents import read_trust

    home = trust_home(settings.home)
    return read_trust(home.trust_file().trust, home.root).policy


def roots_of(settings: Settings, now: datetime | None = None) -> tuple[str, ...]:
    """Fingerprints of the roots that count: this home's, then those of ``lumen.yaml``.

    With ``now`` (store time) a home without a root gets one for development. Raises what ``ensure_root`` raises.
    """
    from lumen_workers.engine.attesting import trust_home
    from lumen_workers.trust.pki.upkeep import ensure_root

    home = trust_home(settings.home)
    if now is not None:
        ensure_root(home, now)
    own = (home.root_fingerprint,) if home.exists else ()
    return tuple(dict.fromkeys((*own, *settings.lumen.roots)))


def pins_of(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """The pinned fingerprints, by region; no key is made. Raises ConfigError, EnvironmentFault."""
    from lumen_workers.trust.pins import Pins

    return Pins(settings.home / "keys").all(settings.lumen.peers)


def actuators(settings: Settings) -> Callable[[LoopSpec], Actuator]:
    """Makes a loop's actuator."""
    secret = settings.env.rules_secret
    return functools.partial(
        make_actuator, home=settings.home, secret=None if secret is None else secret.get_secret_value()
    )


def refused(error: Exception) -> bool:
    """Whether an actuator's error is a loop's no, which no second try will mend.

    What passes by itself is tried again. What this machine lacks (a full disk, a library) is nobody's answer, nor is
    what nobody foresaw.
    """
    return judge(error).error_class in _ANSWERS


def thresholds(settings: Settings) -> Thresholds:
    """What a finding needs."""
    env = settings.env
    return Thresholds(
        phase_good=env.qb_phase_good,
        risk_good=env.qb_risk_good,
        creative_good=env.qb_crea_good,
        phase_bad=env.rl_phase_bad,
        entropy_bad=env.rl_entr_bad,
    )


def policies(settings: Settings) -> Mapping[str, Policy]:
    """The failure table, with what ``reruns.yaml`` says otherwise."""
    return {name: replace(policy, **settings.reruns.changes(name)) for name, policy in POLICIES.items()}


@functools.cache
def code_version() -> str:
    """SHA-256 over the package's Python files (path and content, sorted), hex: the same code has the same version."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
