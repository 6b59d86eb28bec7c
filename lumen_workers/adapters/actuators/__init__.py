"""How a rule's value reaches its loop: ``make_actuator`` makes what a loop declares, ``check_actuator`` checks it.

Checking is part of reading the configuration, so an actuator's module is imported only when one is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lumen_workers.adapters.actuators.options import CeleryOptions, NoOptions, RedisOptions, WebhookOptions
from lumen_workers.adapters.options import Options, parse_options, resolve_inside, split_kind
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports import Actuator
from lumen_workers.domain.recipients import WebhookTarget, is_loopback
from lumen_workers.domain.records import LoopSpec


class Order(NamedTuple):
    """A checked declaration, and where relative paths begin. ``secret`` signs what has no secret of its own."""

    spec: LoopSpec
    argument: str
    options: Options
    home: Path
    secret: str | None

    def where(self, key: str = "actuator") -> str:
        """For messages."""
        return f"loop {self.spec.name}: {key}"

    def read(self, file: str | None, key: str) -> str | None:
        """The line of a secret's file. Raises ConfigError."""
        from lumen_workers.config.secrets import read_secret

        where = self.where(f"actuator_options.{key}")
        return None if file is None else read_secret(resolve_inside(file, self.home, where), where)


def _none(_order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.none import NoneActuator

    return NoneActuator()


def _poll(_order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.poll import PollActuator

    return PollActuator()


def _file(order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.file import FileActuator

    relative = order.argument or f"loops/{order.spec.name}/rules.json"
    return FileActuator(resolve_inside(relative, order.home, order.where()))


def _webhook(order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.webhook import WebhookActuator

    options = order.options
    assert isinstance(options, WebhookOptions)
    secret = order.read(options.secret_file, "secret_file") or order.secret
    target = WebhookTarget(url=order.argument, secret=secret, token=order.read(options.token_file, "token_file"))
    if target.secret is None and not is_loopback(urlsplit(target.url).hostname or ""):
        raise ConfigError(
            f"{order.where()}: {target.origin} is another machine, so what it is told must be signed; set "
            "actuator_options.secret_file or LUMEN_RULES_SECRET"
        )
    return WebhookActuator(target, timeout_s=options.timeout_s)


def _redis(order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.redis import RedisActuator

    options = order.options
    assert isinstance(options, RedisOptions)
    url, _, key = order.argument.partition(" ")
    return RedisActuator(
        url,
        key.strip() or f"lumen:rules:{order.spec.name}",
        wait=options.ack == "key",
        timeout_s=options.timeout_s,
        password=order.read(options.password_file, "password_file"),
        ca=options.ca_file,
    )


def _celery(order: Order) -> Actuator:
    from lumen_workers.adapters.actuators.celery import CeleryActuator
    from lumen_workers.config.broker import celery_url, tls_options
    from lumen_workers.config.secrets import variable

    options = order.options
    assert isinstance(options, CeleryOptions)
    url = options.broker_url or variable(options.broker_env or "", order.where("actuator_options.broker_env"))
    return CeleryActuator(
        celery_url(url),
        options.apply,
        workers=options.workers,
        timeout_s=options.timeout_s,
        tls=tls_options(url, ca=Path(options.ca_file) if options.ca_file else None, cert=None, key=None),
        control_exchange=options.control_exchange,
    )


class Kind(NamedTuple):
    """A kind of actuator: what may stand behind its colon, whether it must, its options, and how it is made."""

    form: str
    needs: bool
    options: type[Options]
    make: Callable[[Order], Actuator]

    @property
    def takes(self) -> bool:
        """Whether anything may stand behind the colon."""
        return ":" in self.form


KINDS = {
    "file": Kind("file[:PATH]", False, NoOptions, _file),
    "none": Kind("none", False, NoOptions, _none),
    "poll": Kind("poll", False, NoOptions, _poll),
    "webhook": Kind("webhook:URL", True, WebhookOptions, _webhook),
    "redis": Kind("redis:URL [KEY]", True, RedisOptions, _redis),
    "celery": Kind("celery", False, CeleryOptions, _celery),
}


def check_actuator(spec: LoopSpec) -> None:
    """Check kind, argument and options without touching anything. Raises ConfigError, one line."""
    _checked(spec, Path())


def make_actuator(spec: LoopSpec, home: Path, secret: str | None = None) -> Actuator:
    """The actuator that ``spec`` declares; ``file`` without a path writes ``<home>/loops/<loop>/rules.json``.

    Raises ConfigError as ``check_actuator`` does, for a relative path that leaves ``home``, and for a secret that is
    not there. ``secret`` signs for webhooks that have none of their own.
    """
    order = _checked(spec, home, secret)
    return KINDS[split_kind(spec.actuator)[0]].make(order)


def _checked(spec: LoopSpec, home: Path, secret: str | None = None) -> Order:
    name, argument = split_kind(spec.actuator)
    where = f"loop {spec.name}: actuator"
    kind = KINDS.get(name)
    if kind is None:
        forms = ", ".join(kind.form for kind in KINDS.values())
        raise ConfigError(f"{where}: unknown kind {name!r}; known: {forms}")
    if (
        spec.actuator.endswith(":")
        or (argument and not kind.takes)
        or (kind.needs and (not argument or argument.startswith(":")))
    ):
        raise ConfigError(f"{where}: {spec.actuator.partition('://')[0]!r} must have the form {kind.form}")
    options = parse_options(kind.options, spec.actuator_options, f"{where}_options")
    if isinstance(options, WebhookOptions):
        _check_url(argument, ("http", "https"), where)
        if argument.startswith("http:") and not (options.plain_http or is_loopback(urlsplit(argument).hostname or "")):
            raise ConfigError(
                f"{where}: http is for this machine only; give an https URL, or set actuator_options.plain_http"
            )
    if isinstance(options, RedisOptions):
        _check_url(argument.partition(" ")[0], ("redis", "rediss", "unix"), where)
    if isinstance(options, CeleryOptions):
        _check_celery(options, spec, f"{where}_options")
    return Order(spec, argument, options, home, secret)


def _check_url(text: str, schemes: tuple[str, ...], where: str) -> None:
    """A URL without a password. The message does not repeat it: it may hold one."""
    try:
        parts = urlsplit(text)
        right = parts.scheme in schemes and parts.port != 0 and parts.password is None and text.isprintable()
        right = right and bool(parts.path if parts.scheme in ("unix", "redis+socket") else parts.hostname)
    except ValueError:
        right = False
    if not right or (text.startswith("http") and "@" in parts.netloc):
        raise ConfigError(f"{where}: give a URL that begins with {'://, '.join(schemes)}:// and holds no password")


def _check_celery(options: CeleryOptions, spec: LoopSpec, where: str) -> None:
    if unknown := sorted(set(options.apply) - set(spec.rules)):
        declared = ", ".join(spec.rules) or "none"
        raise ConfigError(f"{where}.apply.{unknown[0]}: the loop declares no such rule; declared: {declared}")
    if left := sorted(set(spec.rules) - set(options.apply)):
        raise ConfigError(f"{where}.apply: rule {left[0]} is missing; say what it sets")
    for rule, setting in options.apply.items():
        least = spec.rules[rule].min
        if setting.set == "rate_limit" and least <= 0:
            raise ConfigError(f"{where}.apply.{rule}: Celery takes 0 for no limit at all; declare a min above 0")
        if setting.set == "pool" and least < 1:
            raise ConfigError(f"{where}.apply.{rule}: a pool has one process at least; declare a min of 1 or more")
    if options.broker_url is not None:
        _check_url(options.broker_url, ("redis", "rediss", "redis+socket", "unix"), f"{where}.broker_url")
