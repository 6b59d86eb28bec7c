"""E-mail over SMTP with STARTTLS."""

from __future__ import annotations

from collections.abc import Mapping

from lumen_workers.domain.errors import ConfigError, NotFound
from lumen_workers.domain.notices import Telling
from lumen_workers.domain.recipients import Mailbox, MailServer

TIMEOUT_S = 20.0
"""For each step of the conversation."""

LIMIT_S = 120.0
"""For all of it, attachments included."""


class EmailChannel:
    """One mail a telling. On the loopback address it goes in the clear, to any other only within TLS."""

    name: str = "email"
    repeatable: bool = False

    def __init__(
        self,
        server: MailServer | None,
        mailboxes: Mapping[str, Mailbox],
        *,
        timeout_s: float = TIMEOUT_S,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._server = server
        self._mailboxes = mailboxes
        self._timeout_s = timeout_s
        self._limit_s = limit_s

    def tell(self, recipient: str, telling: Telling) -> None:
        """Send it. A second send of the same telling has the same ``Message-ID``.

        Raises NotFound for an unknown recipient, UsageError for a title that is no header, OSError for an attachment
        that cannot be read, and what ``smtp.send`` does.
        """
        from lumen_workers.adapters.channels.mail import compose
        from lumen_workers.adapters.channels.smtp import send

        to = self._mailboxes.get(recipient)
        if to is None:
            raise NotFound(
                f"there is no e-mail recipient {recipient!r}; notify.yaml and lumen_distribution.yaml name them"
            )
        if self._server is None:
            raise ConfigError("no mail server is set; set SMTP_HOST and SMTP_FROM")
        message = compose(telling, self._server.sender, to)
        send(self._server, to.address, message, timeout_s=self._timeout_s, limit_s=self._limit_s)
