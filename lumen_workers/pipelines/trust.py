"""The trust's tick: keep certificates, lists and the log current, and say in time what a person has to renew."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from lumen_workers.domain.errors import LogRefused, TokenExpired
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.engine.context import Context
from lumen_workers.trust.pki.home import Standing

NOTICE: Final = timedelta(days=21)
"""So long before something ends, people are told."""

EXPIRING: Final = "trust_expiring"


def trust(ctx: Context) -> str:
    """Renew what a development root may renew, log what is still owed, ask witnesses again, and look at what ends.

    Raises what the log raises (it refuses, another process holds it, the disk is full), once the rest is done.
    """
    attestor, key = ctx.attestor(), f"trust/{ctx.region}"
    try:
        _, standing = attestor.trust()
    except TokenExpired as error:
        ctx.store.notices.raise_alarm(key, EXPIRING, AlarmSeverity.PAGE, f"{ctx.region} cannot attest: {error}")
        return str(error)
    ends = ending(standing, ctx.store.now())
    if ends:
        ctx.store.notices.raise_alarm(key, EXPIRING, AlarmSeverity.TICKET, f"{ctx.region}: {ends}")
    else:
        ctx.store.notices.resolve(key, ctx.holder)
    log = f"log/{attestor.sequencer.origin}"
    try:
        count = attestor.sequencer.append()
    except LogRefused as error:
        ctx.store.notices.raise_alarm(log, "log_refuses", AlarmSeverity.PAGE, str(error))
        raise
    return ends or ("another process writes the log" if count is None else f"in order, {count} entries logged")


def ending(standing: Standing, now: datetime) -> str:
    """What ends soon, and the command that makes it anew; empty where nothing does."""
    found = []
    if standing.certificate.not_valid_after_utc - now < NOTICE:
        found.append(
            f"its certificate ends on {standing.certificate.not_valid_after_utc:%Y-%m-%d}: "
            "`lumen pki issue REGION --root DIR`"
        )
    if standing.crl.next_update - now < NOTICE:
        found.append(f"the revocation list ends on {standing.crl.next_update:%Y-%m-%d}: `lumen pki crl --root DIR`")
    if standing.root.not_valid_after_utc - now < 10 * NOTICE:
        found.append(
            f"the root ends on {standing.root.not_valid_after_utc:%Y-%m-%d}: "
            "`lumen pki rotate --root DIR --new-root NEW`"
        )
    return "; ".join(found)
