"""The failure table: what is done about each class. How an error gets its class: ``pipelines/verdicts``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lumen_workers.domain.failures import AlarmSeverity, Policy

EXIT_CODES: Final = {
    "network": 3,
    "token_expired": 4,
    "external_api": 5,
    "dependency": 6,
    "build": 7,
    "environment": 8,
    "unknown": 9,
}
CLASSES: Final = tuple(EXIT_CODES)

PAGE, TICKET = AlarmSeverity.PAGE, AlarmSeverity.TICKET

POLICIES: Final[Mapping[str, Policy]] = {
    # Passes by itself; where it does not, somebody has to see to the line or the peer.
    "network": Policy(transient=True, reruns=2, backoff_s=(5.0, 30.0), ticket=True, severity=TICKET, budget=20),
    "external_api": Policy(transient=True, reruns=2, backoff_s=(5.0, 30.0), ticket=True, severity=TICKET, budget=20),
    # Stays until a person has done something. A failed stage is a ticket (S18): the day can be made up for.
    # Back-off and budget serve whoever sets `reruns` in configs/reruns.yaml.
    "token_expired": Policy(transient=False, reruns=0, backoff_s=(30.0,), ticket=True, severity=TICKET, budget=5),
    "dependency": Policy(transient=False, reruns=0, backoff_s=(30.0,), ticket=True, severity=TICKET, budget=5),
    "build": Policy(transient=False, reruns=0, backoff_s=(30.0,), ticket=True, severity=TICKET, budget=5),
    # A full disk stops the sampler too, and a sample that was not taken is gone for good: somebody is called.
    "environment": Policy(transient=False, reruns=0, backoff_s=(30.0,), ticket=True, severity=PAGE, budget=5),
    # One more look, for much of what nobody foresaw passes; then a person's.
    "unknown": Policy(transient=False, reruns=1, backoff_s=(30.0,), ticket=True, severity=TICKET, budget=5),
}
