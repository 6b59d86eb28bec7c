"""Ways out to people: ``make_channels`` makes every channel, whether or not somebody is reached by it."""

from __future__ import annotations

from collections.abc import Mapping

from lumen_workers.adapters.channels.email import EmailChannel
from lumen_workers.adapters.channels.log import LogChannel
from lumen_workers.adapters.channels.webhook import WebhookChannel
from lumen_workers.domain.ports import Channel
from lumen_workers.domain.recipients import Contacts


def make_channels(contacts: Contacts) -> Mapping[str, Channel]:
    """Channels by name; nothing is connected yet. A row for somebody who is no longer configured gets NotFound."""
    channels: tuple[Channel, ...] = (
        LogChannel(),
        WebhookChannel(contacts.webhooks),
        EmailChannel(contacts.mail, contacts.mailboxes),
    )
    return {channel.name: channel for channel in channels}
