"""One telling as a mail: the bytes that go behind DATA."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.notices import Telling
from lumen_workers.domain.recipients import Mailbox

_SEVEN_BITS: Final = SMTP.clone(cte_type="7bit")  # servers need not offer 8BITMIME


def compose(telling: Telling, sender: Mailbox, to: Mailbox) -> bytes:
    """The whole message; the same telling makes the same bytes, and so the same ``Message-ID``.

    Raises UsageError where a header would have a line break, OSError for an attachment that cannot be read.
    """
    message = EmailMessage(_SEVEN_BITS)
    message["From"] = _address(sender)
    message["To"] = _address(to)
    message["Subject"] = _header(telling.title, "title")
    message["Date"] = format_datetime(telling.ts)
    message["Message-ID"] = message_id(telling.message_id, sender.address)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Lumen-Message-Id"] = _header(telling.message_id, "message id")
    if telling.trace_id is not None:
        message["X-Lumen-Trace-Id"] = _header(telling.trace_id, "trace id")
    message.set_content(_body(telling), charset="utf-8")
    for path in telling.attachments:
        _attach(message, path)
    if telling.attachments:
        # A line of a part can start with it only by intent: it is a hash over the parts.
        digest = hashlib.sha256(b"".join(part.as_bytes() for part in message.iter_parts())).hexdigest()
        message.set_boundary(f"=_{digest[:40]}")
    return message.as_bytes()


def message_id(ours: str, sender: str) -> str:
    """``<lumen.HEX@domain of the sender>``, HEX being the first 128 bits of SHA-256 over our message id."""
    return f"<lumen.{hashlib.sha256(ours.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"


def _address(box: Mailbox) -> Address:
    return Address(_header(box.name, "name"), addr_spec=_header(box.address, "address"))


def _header(text: str, what: str) -> str:
    if any(not char.isprintable() for char in text):
        raise UsageError(f"{what} {text!r:.100} of a mail has a line break or a control character; write it without")
    return text


def _body(telling: Telling) -> str:
    parts = [telling.text]
    if telling.facts:
        parts.append("\n".join(f"{key}: {_plain(value)}" for key, value in telling.facts.items()))
    if telling.trace_id is not None:
        parts.append(f"trace {telling.trace_id}")
    return "\n\n".join(parts) + "\n"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _attach(message: EmailMessage, path: Path) -> None:
    name = _header(path.name, "attachment")
    kind, encoding = mimetypes.guess_type(name)
    main, _, sub = (kind if kind and not encoding else "application/octet-stream").partition("/")
    message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=name)
