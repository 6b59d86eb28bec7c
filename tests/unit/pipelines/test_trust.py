"""The trust's tick: what it keeps current by itself, and what it tells a person in time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from support.contexts import A, World

from lumen_workers.domain.errors import CheckFailed
from lumen_workers.engine.attesting import log_signer, trust_home
from lumen_workers.pipelines.trust import trust
from lumen_workers.trust.pki.authority import Authority


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def real(world: World) -> None:
    """A root of an operator's instead of one for development."""
    home, now = trust_home(world.folder / "trusted"), world.store.now()
    root = Authority.create(world.folder / "root", None, now)
    vkey = log_signer(world.folder / "trusted").key.vkey
    home.install(root.publish(now, policy=f"log {vkey}\nquorum none\n"))
    public = load_pem_public_key(world.keys[A].public_pem.encode())
    home.put(A, root.issue(A, public, now, 180), None)  # type: ignore[arg-type]


def test_a_development_home_renews_by_itself(world: World) -> None:
    assert trust(world.context()) == "in order, 0 entries logged"
    before = trust_home(world.folder / "trusted").certificate(A)
    world.clock.advance(timedelta(days=170).total_seconds())
    assert trust(world.context()) == "in order, 0 entries logged"
    assert trust_home(world.folder / "trusted").certificate(A) != before
    assert world.alarms() == set()


def test_what_ends_is_told_in_time_and_once(world: World) -> None:
    real(world)
    assert trust(world.context()) == "in order, 0 entries logged"
    world.clock.advance(timedelta(days=105).total_seconds())
    assert "the revocation list ends on 2026-06-01: `lumen pki crl --root DIR`" in trust(world.context())
    assert world.alarms() == {"trust_expiring"}
    world.clock.advance(timedelta(days=20).total_seconds())
    assert "revocation list ended" in trust(world.context())
    [alarm] = world.store.notices.alarms(standing=True)
    assert alarm.kind == "trust_expiring"
    real_again = Authority.open(world.folder / "root", None).publish(world.store.now())
    trust_home(world.folder / "trusted").install(real_again)
    assert trust(world.context()).startswith("in order")
    assert world.store.notices.alarms(standing=True) == []


def test_what_is_still_owed_is_logged(world: World) -> None:
    ctx = world.context()
    sequencer = ctx.attestor().sequencer
    world.store.logs.enqueue(sequencer.origin, "left behind", b"entry", b"envelope")
    assert trust(ctx) == "in order, 1 entries logged"
    lease = world.store.leases.acquire(f"log/{sequencer.origin}", "another", timedelta(seconds=60))
    assert lease is not None
    assert trust(ctx) == "another process writes the log"


def test_a_log_that_refuses_pages(world: World) -> None:
    ctx = world.context()
    world.store.logs.enqueue(ctx.attestor().sequencer.origin, "key", b"entry", b"envelope")
    trust(ctx)
    shutil.rmtree(world.folder / "trusted" / "log")
    with pytest.raises(CheckFailed, match="lost what was signed"):
        trust(ctx)
    assert world.alarms() == {"log_refuses"}
