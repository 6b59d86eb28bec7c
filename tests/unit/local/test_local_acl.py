"""The access list: who gets a password from where, and what no user ever may."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from lumen_workers.domain.errors import EnvironmentFault, UsageError
from lumen_workers.local.acl import COMMANDS, Dialect, password_of, users, write

REGIONS = ("ap-northeast-2", "us-west-2")
PASSWORD = "correct-horse-battery"


def test_passwords_are_hashed_and_the_default_user_is_off() -> None:
    text = users(dict.fromkeys(REGIONS, PASSWORD), REGIONS, Dialect.REDIS_7)
    first, *lines = text.splitlines()
    assert first == "user default off"
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    assert [line.split()[1:4] for line in lines] == [[region, "on", f"#{digest}"] for region in REGIONS]
    assert PASSWORD not in text


def test_only_redis_7_can_tell_writing_from_reading() -> None:
    seven, older = (users({REGIONS[0]: PASSWORD}, REGIONS, dialect) for dialect in Dialect)
    assert seven.endswith("(+lpush +llen +exists ~us-west-2.jobs ~us-west-2.jobs??[369])\n")
    assert "(" not in older
    assert " ~us-west-2.jobs " in older
    assert "~us-west-2.sampler" not in seven + older


def test_one_region_alone_has_nobody_to_write_to() -> None:
    assert "(" not in users({"a": PASSWORD}, ["a"], Dialect.REDIS_7)


def test_channels_are_those_of_the_database() -> None:
    assert "&/3.celery.pidbox &/3.celeryev/*" in users({"a": PASSWORD}, ["a"], Dialect.REDIS_7, 3)


def test_no_command_is_dangerous() -> None:
    families = {command.partition("|")[0] for command in COMMANDS}
    assert not families & {"flushall", "flushdb", "config", "keys", "debug", "acl", "shutdown", "eval", "info", "scan"}
    assert {command for command in COMMANDS if command.startswith("script")} == {"script|load", "script|exists"}


def test_a_password_is_made_once_and_kept_to_oneself(tmp_path: Path) -> None:
    folder = tmp_path / "acl"
    made = password_of("us-west-2", folder, None)
    path = folder / "us-west-2.password"
    assert len(made) >= 32
    assert path.read_text() == f"{made}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert password_of("us-west-2", folder, None) == made


def test_the_password_in_the_brokers_url_is_its_users(tmp_path: Path) -> None:
    url = "rediss://us-west-2:correct%2Dhorse%40battery@host/0"
    assert password_of("us-west-2", None, url) == "correct-horse@battery"
    assert password_of("us-west-2", tmp_path, url) == "correct-horse@battery"
    assert password_of("us-west-2", tmp_path, None) == "correct-horse@battery"
    with pytest.raises(UsageError, match="no password of ap-northeast-2; name a folder for passwords with --out"):
        password_of("ap-northeast-2", None, url)


def test_a_file_that_others_read_or_that_holds_no_password_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.password"
    path.write_text("short\n")
    path.chmod(0o600)
    with pytest.raises(EnvironmentFault, match="holds no password") as caught:
        password_of("a", tmp_path, None)
    assert "short" not in str(caught.value)
    path.chmod(0o644)
    with pytest.raises(EnvironmentFault, match=r"others may read it \(mode 0644\); run: chmod 600"):
        password_of("a", tmp_path, None)


def test_the_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("old")
    path.chmod(0o644)
    write(path, "user default off\n")
    assert path.read_text() == "user default off\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(EnvironmentFault, match="--out"):
        write(tmp_path / "none" / "users.acl", "x")
