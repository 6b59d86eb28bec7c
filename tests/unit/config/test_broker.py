"""The broker's URL and its TLS: never unverified, and no secret in what is said about a mistake."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from support.authority import Authority

from lumen_workers.config import load
from lumen_workers.config.broker import celery_url, database, tls_options
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, LumenError

SECRET = "hunter2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    "url",
    [
        f"user:{SECRET}@host:6379",
        f"//user:{SECRET}@host",
        f"redis://user:{SECRET}/x@host/0",
        f"redis://user:12/{SECRET}@host/0",
        f"redis://user:12?{SECRET}@host/0",
        f"redis://user:12#{SECRET}@host/0",
        f"redis://user:{SECRET}@host:port/0",
        f"redis://user:{SECRET}@[::1/0",
        f"amqp://user:{SECRET}@host",
        f"redis://host/0?password={SECRET}",
        f"rediss://user:{SECRET}@host/0?ssl_cert_reqs=none",
        f"rediss://user:{SECRET}@host/0?ssl_check_hostname=false",
        f"rediss://user:{SECRET}@host/0?ssl",
    ],
)
def test_a_url_that_is_not_safe_to_use_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^LUMEN_BROKER_URL: ") as caught:
        celery_url(url)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_in_percent_form_is_taken() -> None:
    url = "rediss://user:p%40ss%2Fw%23rd@host:6380/2"
    assert celery_url(url) == url


@pytest.mark.parametrize(
    ("url", "number"),
    [
        (None, 0),
        ("redis://host", 0),
        ("rediss://host:1/7", 7),
        ("unix:///run/r.sock?db=3", 3),
        ("redis+socket:///run/r.sock?virtual_host=4", 4),
        ("redis+socket:///run/r.sock", 0),
    ],
)
def test_the_database_is_known(url: str | None, number: int) -> None:
    assert database(url) == number


def test_tls_is_verified_with_or_without_an_authority_of_ones_own(authority: Authority) -> None:
    cert, key = authority.issue("client", client=True)
    plain = {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_min_version": ssl.TLSVersion.TLSv1_2}
    assert tls_options("rediss://host", ca=None, cert=None, key=None) == plain
    assert tls_options("rediss://host", ca=authority.file, cert=cert, key=key) == {
        **plain,
        "ssl_ca_certs": str(authority.file),
        "ssl_certfile": str(cert),
        "ssl_keyfile": str(key),
    }


@pytest.mark.parametrize("url", ["redis://host", "redis+socket:///run/r.sock", None])
def test_without_tls_there_are_no_options_and_files_for_it_are_a_mistake(url: str | None, authority: Authority) -> None:
    assert tls_options(url, ca=None, cert=None, key=None) == {}
    with pytest.raises(ConfigError, match="LUMEN_BROKER_CA: only for a LUMEN_BROKER_URL that begins with rediss://"):
        tls_options(url, ca=authority.file, cert=None, key=None)


def test_files_that_do_not_fit_are_named(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("client", client=True)
    _, other = authority.issue("other", client=True)
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")

    def fault(ca: Path | None = None, cert: Path | None = None, key: Path | None = None) -> LumenError:
        with pytest.raises(LumenError) as caught:
            tls_options("rediss://host", ca=ca, cert=cert, key=key)
        assert "\n" not in str(caught.value)
        return caught.value

    assert "LUMEN_BROKER_CERT and LUMEN_BROKER_KEY belong together" in str(fault(cert=cert))
    assert f"LUMEN_BROKER_CA={junk}: no certificates in PEM form" in str(fault(ca=junk))
    assert "cannot be read: No such file" in str(fault(ca=tmp_path / "none"))
    assert "not a certificate and its unencrypted private key" in str(fault(cert=cert, key=other))
    key.chmod(0o640)
    mistake = fault(cert=cert, key=key)
    assert isinstance(mistake, EnvironmentFault)
    assert str(mistake).endswith(f"others may use it (mode 0640); run: chmod 600 {key}")


def test_an_encrypted_key_asks_nobody_for_its_password(authority: Authority) -> None:
    cert, key = authority.issue("client", client=True)
    private = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(ConfigError, match="not a certificate and its unencrypted private key"):
        tls_options("rediss://host", ca=None, cert=cert, key=key)


def test_messages_are_plain_unless_file_or_variable_say_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not load(home=tmp_path).signed
    (tmp_path / "lumen.yaml").write_text("messages: signed\n")
    monkeypatch.setenv("LUMEN_CONFIGS", str(tmp_path))
    assert load(home=tmp_path).signed
    monkeypatch.setenv("LUMEN_MESSAGES", "plain")
    assert not load(home=tmp_path).signed
    monkeypatch.setenv("LUMEN_MESSAGES", "sealed")
    with pytest.raises(ConfigError, match="LUMEN_MESSAGES"):
        load(home=tmp_path)
