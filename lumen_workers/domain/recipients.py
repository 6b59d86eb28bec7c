"""Who is told, and what a channel needs to know to reach them. Secrets are in no ``repr``."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from lumen_workers.domain.records import Record

LOG: Final = "log"
WEBHOOK: Final = "webhook"
EMAIL: Final = "email"
CHANNELS: Final = (LOG, WEBHOOK, EMAIL)


@dataclass(frozen=True, kw_only=True)
class Recipient(Record):
    """Somebody, or some program, that is told. ``name`` is what an outbox row keeps: it is stable and no secret.

    ``address`` is for people to read: a mail address, the scheme and host of a URL, or empty.
    """

    name: str
    channel: str
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class Routes(Record):
    """Who is told what. ``alarms``: severity → recipients; ``everyone``: all that are configured, in order."""

    alarms: Mapping[str, tuple[Recipient, ...]]
    report: tuple[Recipient, ...]
    everyone: tuple[Recipient, ...]


@dataclass(frozen=True, kw_only=True)
class WebhookTarget(Record):
    """Where a webhook goes. The whole URL counts as a secret: many carry one in their path.

    ``secret`` signs the body, ``token`` is sent as a bearer; ``slack``: the form that Slack reads, without either.
    """

    url: str = field(repr=False)
    slack: bool = False
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown."""
        return origin(self.url)


@dataclass(frozen=True, kw_only=True)
class Mailbox(Record):
    """A mail address (ASCII) and the name to show with it."""

    name: str
    address: str


@dataclass(frozen=True, kw_only=True)
class MailServer(Record):
    """The server that takes our mail. Without ``user`` there is no login."""

    host: str
    port: int = 587
    sender: Mailbox
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine: no TLS is asked of it."""
        return is_loopback(self.host)


@dataclass(frozen=True, kw_only=True)
class Contacts(Record):
    """All of it: the routes, and what the channels need, by recipient."""

    routes: Routes
    webhooks: Mapping[str, WebhookTarget] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    mail: MailServer | None = None


def origin(url: str) -> str:
    """``https://host:8443`` of ``https://user:word@host:8443/path?query``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or an address) is this machine by its spelling; nothing is looked up."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
