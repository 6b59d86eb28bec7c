"""The files and variables of the ways out, put together into one value."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from lumen_workers.config.notify import (
    DistributionFile,
    NotifyFile,
    PeopleEnvironment,
    RecipientFile,
    check_address,
    check_url,
)
from lumen_workers.config.secrets import check_secret, read_secret
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.recipients import (
    EMAIL,
    LOG,
    WEBHOOK,
    Contacts,
    Mailbox,
    MailServer,
    Recipient,
    Routes,
    WebhookTarget,
    is_loopback,
)

OF_ALERT_URL: Final = "alert-webhook"
OF_SLACK: Final = "slack-webhook"
"""Names of the recipients that a variable alone makes."""

_TLS_PORT: Final = 465


def contacts(
    notify: tuple[Path, NotifyFile],
    distribution: tuple[Path, DistributionFile],
    people: PeopleEnvironment,
    *,
    alert_url: SecretStr | None,
    alert_secret: SecretStr | None,
    alert_token: SecretStr | None,
) -> Contacts:
    """Everybody and how to reach them. Files come with their paths, for messages. Raises ConfigError."""
    return _Book(notify, distribution, people, (alert_url, alert_secret, alert_token)).contacts()


class _Book:
    def __init__(
        self,
        notify: tuple[Path, NotifyFile],
        distribution: tuple[Path, DistributionFile],
        people: PeopleEnvironment,
        alert: tuple[SecretStr | None, SecretStr | None, SecretStr | None],
    ) -> None:
        self._path, self._file = notify
        self._readers_path, self._readers = distribution
        self._people = people
        self._url = _checked_url(alert[0], "LUMEN_ALERT_URL")
        self._secret = _checked(alert[1], "LUMEN_ALERT_SECRET")
        self._token = _checked(alert[2], "LUMEN_ALERT_TOKEN")
        self._slack = _checked_url(people.slack_webhook, "SLACK_WEBHOOK")
        self._everyone: dict[str, Recipient] = {}
        self._webhooks: dict[str, WebhookTarget] = {}
        self._mailboxes: dict[str, Mailbox] = {}

    def contacts(self) -> Contacts:
        declared: Mapping[str, RecipientFile] = {LOG: RecipientFile(channel="log"), **self._file.recipients}
        for name, recipient in declared.items():
            self._add(name, recipient)
        for number, reader in enumerate(self._readers.email_targets):
            if reader.name in self._everyone:
                where = f"{self._readers_path}: email_targets.{number}.name"
                raise ConfigError(f"{where}: {reader.name!r} is a recipient already; give each a name of its own")
            self._mail(reader.name, Mailbox(name=reader.name, address=reader.address))
        alarms = {"page": list(self._file.alarms.page), "ticket": list(self._file.alarms.ticket)}
        for name in self._implied(declared):
            for severity in ("page", "ticket") if name == OF_ALERT_URL else ("page",):
                if name not in alarms[severity]:
                    alarms[severity].append(name)
        report = dict.fromkeys([*self._file.report, *(reader.name for reader in self._readers.email_targets)])
        return Contacts(
            routes=Routes(
                alarms={severity: self._named(names, f"alarms.{severity}") for severity, names in alarms.items()},
                report=self._named(report, "report"),
                everyone=tuple(self._everyone.values()),
            ),
            webhooks=self._webhooks,
            mailboxes=self._mailboxes,
            mail=_server(self._people, needed=bool(self._mailboxes)),
        )

    def _add(self, name: str, recipient: RecipientFile) -> None:
        where = f"{self._path}: recipients.{name}"
        if name == LOG and recipient.channel != LOG:
            raise ConfigError(f"{where}: is always the log; give another recipient another name")
        if recipient.channel == EMAIL:
            assert recipient.address is not None  # the model asks for it
            self._mail(name, Mailbox(name=name, address=recipient.address))
        elif recipient.channel == WEBHOOK:
            self._hook(name, self._target(recipient, where), where)
        else:
            self._everyone[name] = Recipient(name=name, channel=LOG)

    def _implied(self, declared: Mapping[str, RecipientFile]) -> list[str]:
        """The recipients that variables make, unless one of the file uses the variable."""
        using = {r.kind for r in declared.values() if r.channel == WEBHOOK and r.url is None and r.url_file is None}
        names = []
        for name, variable, kind, url in (
            (OF_ALERT_URL, "LUMEN_ALERT_URL", "lumen", self._url),
            (OF_SLACK, "SLACK_WEBHOOK", "slack", self._slack),
        ):
            if url is None or kind in using:
                continue
            if name in self._everyone:
                raise ConfigError(
                    f"{name} is the recipient that {variable} makes; give the one in the files another name"
                )
            slack = kind == "slack"
            target = WebhookTarget(
                url=url, slack=slack, secret=None if slack else self._secret, token=None if slack else self._token
            )
            self._hook(name, target, variable)
            names.append(name)
        return names

    def _target(self, recipient: RecipientFile, where: str) -> WebhookTarget:
        slack = recipient.kind == "slack"
        variable = "SLACK_WEBHOOK" if slack else "LUMEN_ALERT_URL"
        ours = self._slack if slack else self._url
        key = f"{where}.{'url' if recipient.url is not None else 'url_file'}"
        given = recipient.url if recipient.url is not None else self._read(recipient.url_file, key)
        url = _url(given, key) if given is not None else ours
        if url is None:
            raise ConfigError(f"{where}: needs {'' if slack else 'url, '}url_file or the variable {variable}")
        if slack:
            return WebhookTarget(url=url, slack=True)
        token = self._read(recipient.token_file, f"{where}.token_file")
        if token is None and url == ours:
            token = self._token  # for nobody else: whoever gets it could use it there
        return WebhookTarget(
            url=url, secret=self._read(recipient.secret_file, f"{where}.secret_file") or self._secret, token=token
        )

    def _hook(self, name: str, target: WebhookTarget, where: str) -> None:
        clear = target.url.startswith("http://") and not is_loopback(urlsplit(target.url).hostname or "")
        if clear and (target.token is not None or target.slack):
            raise ConfigError(f"{where}: a token or a Slack URL goes over https only, except on the loopback address")
        self._webhooks[name] = target
        self._everyone[name] = Recipient(name=name, channel=WEBHOOK, address=target.origin)

    def _mail(self, name: str, box: Mailbox) -> None:
        self._mailboxes[name] = box
        self._everyone[name] = Recipient(name=name, channel=EMAIL, address=box.address)

    def _named(self, names: Mapping[str, None] | list[str], key: str) -> tuple[Recipient, ...]:
        for name in names:
            if name not in self._everyone:
                known = ", ".join(self._everyone)
                raise ConfigError(f"{self._path}: {key}: unknown recipient {name!r}; known: {known}")
        return tuple(self._everyone[name] for name in names)

    def _read(self, file: str | None, where: str) -> str | None:
        """A secret of a file; a relative path starts beside ``notify.yaml``."""
        return None if file is None else read_secret(self._path.parent / Path(file).expanduser(), where)


def _server(people: PeopleEnvironment, *, needed: bool) -> MailServer | None:
    """The mail server, where somebody is told by mail."""
    if not needed:
        return None
    if people.smtp_host is None or people.smtp_from is None:
        lacking = "SMTP_HOST" if people.smtp_host is None else "SMTP_FROM"
        raise ConfigError(f"{lacking} is not set, and there are e-mail recipients; set it, or take them out")
    if people.smtp_port == _TLS_PORT:
        raise ConfigError(
            "SMTP_PORT: 465 speaks TLS from its first byte; use the server's port with STARTTLS, mostly 587"
        )
    if (people.smtp_user is None) != (people.smtp_pass is None):
        raise ConfigError("SMTP_USER and SMTP_PASS go together; set both or neither")
    name, address = parseaddr(people.smtp_from)
    try:
        sender = Mailbox(name=name or "Lumen", address=check_address(address))
        if not people.smtp_from.isprintable():
            raise ValueError("has a line break or a control character")
    except ValueError as error:
        raise ConfigError(f"SMTP_FROM: {error}, not {people.smtp_from!r:.100}") from None
    return MailServer(
        host=people.smtp_host,
        port=people.smtp_port,
        sender=sender,
        user=_checked(people.smtp_user, "SMTP_USER"),
        password=_checked(people.smtp_pass, "SMTP_PASS"),
    )


def _checked(value: SecretStr | None, variable: str) -> str | None:
    return None if value is None else check_secret(value.get_secret_value(), variable)


def _checked_url(value: SecretStr | None, variable: str) -> str | None:
    return None if value is None else _url(value.get_secret_value(), variable)


def _url(value: str, where: str) -> str:
    try:
        return check_url(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
