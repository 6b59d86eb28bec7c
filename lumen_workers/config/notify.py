"""``configs/notify.yaml`` and ``configs/lumen_distribution.yaml``: who is told, and by what way."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumen_workers.config.files import LoopName, Strict, unique

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
"""Mailboxes as mail servers without SMTPUTF8 take them; quoted local parts are not among them."""


class PeopleEnvironment(BaseSettings):
    """The variables of the ways out that have no prefix of ours."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    smtp_host: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: SecretStr | None = None
    smtp_pass: SecretStr | None = None
    smtp_from: str | None = None
    slack_webhook: SecretStr | None = None


def check_address(value: str) -> str:
    """A plain ASCII mail address."""
    if not _ADDRESS.fullmatch(value):
        raise ValueError("is a mail address such as oncall@example.org, in ASCII (a domain in its xn-- form)")
    return value


def check_url(value: str) -> str:
    """An http or https URL without user and password. The message does not repeat it."""
    try:
        parts = urlsplit(value)
        right = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        right = False
    if not right or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("is an http or https URL in ASCII, without user and password")
    return value


def _shown(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("is a name of one line")
    return value


Address = Annotated[str, AfterValidator(check_address)]
Names = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(unique)]
SomeNames = Annotated[tuple[str, ...], Field(strict=False, min_length=1), AfterValidator(unique)]
DisplayName = Annotated[str, Field(max_length=80), AfterValidator(_shown)]

_KEYS: Final = {
    "log": set[str](),
    "email": {"address"},
    "webhook": {"kind", "url", "url_file", "secret_file", "token_file"},
}


class RecipientFile(Strict):
    """One recipient. Which keys it takes depends on its channel.

    A URL is checked where it is used: a mistake in it must not be told together with it.
    """

    channel: Literal["log", "webhook", "email"]
    address: Address | None = None
    kind: Literal["lumen", "slack"] = "lumen"
    url: str | None = None
    url_file: str | None = None
    secret_file: str | None = None
    token_file: str | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        given = self.model_fields_set - {"channel"}
        if wrong := sorted(given - _KEYS[self.channel]):
            takes = ", ".join(sorted(_KEYS[self.channel])) or "nothing else"
            raise ValueError(f"channel {self.channel} does not take {wrong[0]}; it takes {takes}")
        if self.channel == "email" and self.address is None:
            raise ValueError("channel email needs address")
        if self.url is not None and self.url_file is not None:
            raise ValueError("give url or url_file, not both")
        if self.kind == "slack" and (wrong := sorted(given & {"url", "secret_file", "token_file"})):
            raise ValueError(f"kind slack does not take {wrong[0]}: its URL is a secret; use url_file or SLACK_WEBHOOK")
        return self


class AlarmsFile(Strict):
    """Severity → recipients."""

    page: SomeNames = ("log",)
    ticket: SomeNames = ("log",)


class NotifyFile(Strict):
    """``configs/notify.yaml``. The recipient ``log`` is always there."""

    alarms: AlarmsFile = AlarmsFile()
    report: Names = ("log",)
    recipients: dict[LoopName, RecipientFile] = Field(default_factory=dict)


class EmailTarget(Strict):
    """A reader of the day's report; the name may be used in ``notify.yaml`` too."""

    name: DisplayName
    address: Address


class DistributionFile(Strict):
    """``configs/lumen_distribution.yaml``."""

    email_targets: Annotated[tuple[EmailTarget, ...], Field(strict=False)] = ()
