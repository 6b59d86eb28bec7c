"""A PostgreSQL that goes away under a running sampler and comes back: no tick is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.loops import loop_spec
from support.servers import PostgresServer

from lumen_workers.adapters.sources import make_source
from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import SystemClock
from lumen_workers.loop.coverage import coverage
from lumen_workers.loop.lane import SamplerLane

AWAY_S = 4.0
LEASE = timedelta(seconds=2)
"""Shorter than the outage: the lease runs out meanwhile."""


@pytest.mark.deadlines
@pytest.mark.postgres
def test_samples_wait_on_disk_until_the_server_is_back(
    postgres_server: PostgresServer, postgres_url_factory: Callable[[], str], tmp_path: Path
) -> None:
    store = open_store(postgres_url_factory())
    spec = loop_spec(source="mock", rate_hz=20)
    lane = SamplerLane(
        loops=(spec,),
        region="here",
        host="host",
        pid=1,
        make_source=lambda loop: make_source(loop, store=store, home=tmp_path),
        store=store,
        clock=SystemClock(),
        spool_dir=tmp_path / "spool",
        lease_ttl=LEASE,
    )
    thread = threading.Thread(target=lane.burst)
    thread.start()
    try:
        time.sleep(1.5)
        postgres_server.stop()
        try:
            time.sleep(AWAY_S)
            assert list((tmp_path / "spool").glob("*.spool")), "nothing was spooled"
        finally:
            postgres_server.start()
        time.sleep(3.0)
    finally:
        lane.stop()
        thread.join(30)
    found = coverage(store.samples, spec.name, spec.rate_hz, 0, 2**62)
    store.close()
    assert found.present >= spec.rate_hz * (AWAY_S + 3.0)
    assert found.missing == 0
    assert list((tmp_path / "spool").glob("*.spool")) == []
