"""The short form of `make chaos`: a few events on one system, each checked as in the long form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chaos.harness.campaign import Campaign
from chaos.harness.events import EVENTS
from chaos.harness.record import Record, summary_of
from chaos.harness.system import SET_UPS

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.deadlines]

SHORT = ("kill-child-freeze", "redis-flush", "duplicates", "same-instant", "zombie", "kill-winner", "reset-store")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Two real regions that share broker, store and archive only."""
    made = Campaign(SET_UPS["short"], Record(tmp_path_factory.mktemp("chaos")), seed=20260131)
    yield made
    assert made.close() == []


@pytest.mark.parametrize("name", SHORT)
def test_it_holds_after(campaign: Campaign, name: str) -> None:
    event = next(event for event in EVENTS if event.name == name)
    line = campaign.run(SHORT.index(name) + 1, event)
    assert line["violations"] == []
    assert summary_of([line])["events"][name]["runs"] == 1
