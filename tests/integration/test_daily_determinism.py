"""The same seal gives the same bytes: in other processes, regions, time zones, locales, and on another database."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import day_bounds, to_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.runs import Seal
from lumen_workers.domain.signals import Block
from lumen_workers.effects.tracker import compute_due
from lumen_workers.findings.speaker import speak
from lumen_workers.findings.thresholds import Thresholds

A, B = "ap-northeast-2", "us-west-2"
DAY = date(2026, 3, 1)
START, END = day_bounds(DAY, ZoneInfo("Asia/Seoul"))
CODE = "0123456789abcdef" * 4
PLAIN = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}
STRANGE = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "ko_KR.UTF-8", "LANG": "tr_TR.UTF-8"}


def fill(store: Store, locale: str = "en") -> None:
    """Twenty minutes of two loops with changes that did something, their effects and what findings say of them."""
    rng = np.random.default_rng(7)
    for loop, rate in (("demo", 5), ("main", 5)):
        store.loops.register(loop, rate, "mock")
        ts = to_us(START) + np.arange(6000, dtype=np.int64) * 200_000
        values = np.clip(rng.normal(0.4, 0.02, (6000, 4)), 0, 1)
        for n in range(6):
            values[900 * n + 450 :, 2] += 0.05 if n % 2 == 0 else -0.05
            values[900 * n + 450 :, 0] += 0.04 if n % 2 else -0.04
        for low in range(0, 6000, 500):
            store.samples.add(loop, Block(ts[low : low + 500], np.round(values[low : low + 500], 6)))
        for n in range(6):
            at = START + timedelta(seconds=90 + 180 * n)
            event = RuleEvent(
                event_id=f"{loop}-{n}",
                loop=loop,
                seq=0,
                ts=at,
                actor="Sena",
                rule="creative_min",
                old=0.2 + n / 100,
                new=0.21 + n / 100,
                note='한글, "quoted" and\nin two lines',
                applied_at=at,
            )
            store.rules.insert([event])
        compute_due(store, loop, EffectOptions(), END)
        assert speak(store, loop, Thresholds(), locale).quotes


class Home:
    """A home, a store and a way to run `lumen` for it in a process of its own."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.url = url or f"sqlite:///{home}/lumen.db"

    def store(self) -> Store:
        return open_store(self.url)

    def seal(self) -> Seal:
        """The first of the day."""
        store = self.store()
        try:
            return store.runs.seals("daily", DAY)[0]
        finally:
            store.close()

    def lumen(self, *words: str, env: Mapping[str, str] = PLAIN, umask: int = 0o022, check: bool = True) -> Any:
        base = {key: value for key, value in os.environ.items() if not key.startswith(("LUMEN_", "LC_", "LANG", "TZ"))}
        ours = {"LUMEN_HOME": str(self.home), "LUMEN_STORE_URL": self.url, "LUMEN_PIPELINE_VERSION": CODE}
        done = subprocess.run(
            [sys.executable, "-c", "from lumen_workers.cli.main import main; main()", *words, "--json"],
            env={**base, **ours, **env},
            umask=umask,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return json.loads(done.stdout) if check else done

    def daily(self, region: str, env: Mapping[str, str] = PLAIN, umask: int = 0o022) -> dict[str, Any]:
        run: dict[str, Any] = self.lumen("daily", "--day", str(DAY), "--region", region, env=env, umask=umask)
        assert run["status"] in ("done", "superseded"), run
        return run

    def tree(self, archive: str = "archive", name: str = str(DAY)) -> dict[str, str]:
        """Every file of the snapshot that no region may make differently, with its digest."""
        root = self.home / archive / name
        files = [p for p in root.rglob("*") if p.is_file()]
        paths = {p.relative_to(root).as_posix(): p for p in files}
        return {
            path: hashlib.sha256(file.read_bytes()).hexdigest()
            for path, file in sorted(paths.items())
            if not path.startswith(("signatures/", "runs/")) and not path.endswith(".lumen.json")
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    store = made.store()
    fill(store)
    store.close()
    return made


def test_two_regions_in_other_surroundings_build_the_same_bytes(home: Home) -> None:
    first = home.daily(A)
    second = home.daily(B, {**STRANGE, "LUMEN_ARCHIVE": str(home.home / "other")}, umask=0o077)
    assert first["digest"] == second["digest"]
    assert (first["winner"], second["status"]) == (True, "superseded")
    trees = home.tree(), home.tree("other")
    assert trees[0] == trees[1]
    assert {"files/loops/main/logs/metrics.csv", f"files/controls/reports/report_{DAY}.pdf"} < set(trees[0])
    assert home.lumen("archive", "verify", str(DAY))["ok"]


def test_both_may_publish_to_one_archive_and_a_day_run_again_is_nothing_new(home: Home) -> None:
    runs = [home.daily(A), home.daily(B, STRANGE), home.daily(A, STRANGE), home.daily(B)]
    assert [run["run_id"] for run in runs[2:]] == [run["run_id"] for run in runs[:2]]
    assert len(home.lumen("runs", "list")) == 2
    verified = home.lumen("archive", "verify", str(DAY))
    assert (verified["ok"], verified["root"]) == (True, runs[0]["digest"])
    assert sorted(p.name for p in (home.home / "archive" / str(DAY) / "signatures").iterdir()) == [
        f"{A}.sig",
        f"{B}.sig",
    ]


def test_an_attempt_from_the_same_seal_in_an_empty_workspace_gives_the_same_bytes(home: Home, tmp_path: Path) -> None:
    """Two separate runs of one region: the second knows the seal only."""
    copy = Home(tmp_path / "copy")
    home.daily(A)
    seal = home.seal()
    fresh = copy.store()
    fill(fresh)
    fresh.runs.seal(seal)
    fresh.close()
    copy.daily(A, STRANGE, umask=0o077)
    assert copy.tree() == home.tree()


def test_late_samples_make_a_second_revision_in_both_regions_and_the_first_stays(home: Home) -> None:
    first = home.daily(A)
    before = home.tree()
    store = home.store()
    late = to_us(START) + 3_600_000_000 + np.arange(50, dtype=np.int64) * 200_000
    store.samples.add("main", Block(late, np.full((50, 4), 0.25)))
    store.close()
    joined = home.daily(B)
    assert (joined["revision"], joined["digest"]) == (1, first["digest"])
    second, other = home.daily(A), home.daily(B, STRANGE)
    assert (second["revision"], other["revision"]) == (2, 2)
    assert second["digest"] == other["digest"] != first["digest"]
    assert home.tree() == before
    assert (home.home / "archive" / f"{DAY}.r2").is_dir()


def test_a_korean_day_is_the_same_everywhere_too(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    store = home.store()
    fill(store, "ko")
    store.close()
    first = home.daily(A, {**PLAIN, "LUMEN_LOCALE": "ko"})
    second = home.daily(B, {**STRANGE, "LUMEN_LOCALE": "ko", "LUMEN_ARCHIVE": str(home.home / "other")})
    assert first["digest"] == second["digest"]
    text = (home.home / "archive" / str(DAY) / f"files/controls/reports/report_{DAY}.md").read_text(encoding="utf-8")
    assert any("가" <= letter <= "힣" for letter in text)


def test_what_is_tampered_with_after_freezing_is_named_by_path(home: Home) -> None:
    home.daily(A)
    metrics = home.home / "archive" / str(DAY) / "files/loops/main/logs/metrics.csv"
    metrics.write_bytes(metrics.read_bytes()[:-1] + b"9")
    done = home.lumen("archive", "verify", str(DAY), check=False)
    assert done.returncode == 1
    faults = {fault["path"] for fault in json.loads(done.stdout)["faults"]}
    assert "files/loops/main/logs/metrics.csv" in faults


@pytest.mark.postgres
def test_the_same_rows_in_postgresql_and_in_sqlite_give_the_same_bytes(
    home: Home, tmp_path: Path, postgres_url_factory: Callable[[], str]
) -> None:
    sqlite = home.daily(A)
    seal = home.seal()
    other = Home(tmp_path / "pg", postgres_url_factory())
    store = other.store()
    fill(store)
    assert store.loops.watermark() == seal.watermark
    assert store.runs.seal(seal) == seal
    store.close()
    shutil.copytree(home.home / "keys", other.home / "keys")
    postgres = other.daily(A, STRANGE)
    assert postgres["digest"] == sqlite["digest"]
    assert other.tree() == home.tree()
