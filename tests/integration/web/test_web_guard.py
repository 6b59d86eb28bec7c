"""Who may ask, and how much may be sent; and the command itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.peers import unused_port
from support.webs import web
from support.workers import guarded, lumen

TOKEN = "sesame-open-now-please"
LOOPS = "loops:\n  demo: {source: push, rate_hz: 5, actuator: poll, rules: {x: {initial: 1, min: 0, max: 2}}}\n"


def test_a_token_is_asked_for_everywhere_but_of_health(tmp_path: Path) -> None:
    with web(tmp_path, token=TOKEN) as site:
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
            answer = site.client.get("/v1/rules/demo", headers=wrong)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text
            assert site.client.post("/v1/samples", json={}, headers=wrong).status_code == 401
            assert site.client.get("/nowhere", headers=wrong).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert site.client.get("/v1/rules/demo", headers=right).status_code == 200
        assert site.client.get("/v1/rules/demo", headers=right | {"Host": "lumen.example.org"}).status_code == 200
        assert site.client.get("/healthz").text == "ok\n"


def test_without_a_token_only_names_of_this_machine_lead_here(tmp_path: Path) -> None:
    with web(tmp_path) as site:
        port = site.url.rpartition(":")[2]
        for name in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "[::1]"):
            assert site.client.get("/healthz", headers={"Host": name}).status_code == 200
        for name in ("evil.example.org", f"evil.example.org:{port}", "127.0.0.1.evil.org", ""):
            answer = site.client.get("/v1/rules/demo", headers={"Host": name})
            assert answer.status_code == 403, name


def test_large_bodies_are_not_read(tmp_path: Path) -> None:
    with web(tmp_path, most_bytes=1000) as site:
        headers = {"Content-Type": "application/json"}
        assert site.client.post("/v1/samples", content=b"x" * 1000, headers=headers).status_code == 400
        told = site.client.post("/v1/samples", content=b"x" * 1001, headers=headers)
        assert (told.status_code, told.json()) == (413, {"error": "the body may have 1000 bytes; send less at once"})

        def pieces() -> Iterator[bytes]:
            for _ in range(5):
                yield b"x" * 300

        assert site.client.post("/v1/samples", content=pieces(), headers=headers).status_code == 413


def test_what_is_not_there(tmp_path: Path) -> None:
    with web(tmp_path) as site:
        for path in ("/", "/docs", "/openapi.json", "/v1/rules"):
            answer = site.client.get(path)
            assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
        assert site.client.put("/v1/rules/demo").status_code == 405


def test_a_store_that_is_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lumen_workers.domain.errors import StoreUnavailable

    with web(tmp_path) as site:

        def away() -> None:
            raise StoreUnavailable("the store does not answer")

        monkeypatch.setattr(site.store, "now", away)
        answer = site.client.get("/healthz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json() == {"error": "the store does not answer"}


def home(tmp_path: Path) -> dict[str, str]:
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "loops.yaml").write_text(LOOPS)
    return {"LUMEN_HOME": str(tmp_path / "home"), "LUMEN_CONFIGS": str(configs)}


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    import os

    env = {**os.environ, **home(tmp_path), "LUMEN_WEB_PORT": str(unused_port())}
    command = guarded([sys.executable, "-m", "lumen_workers", "web"])
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said == f"web at http://127.0.0.1:{env['LUMEN_WEB_PORT']}\n"
            url = said.split()[-1]
            with httpx.Client(base_url=url, trust_env=False) as client:
                assert client.get("/healthz").text == "ok\n"
                assert client.get("/v1/rules/demo").json()["rules"] == {"x": 1.0}
                # The connection stays open: the end must not wait for it.
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("--bind", "0.0.0.0"), {}, "0.0.0.0 can be reached from other machines: set LUMEN_WEB_TOKEN"),
        (("--port", "0"), {"LUMEN_WEB_TOKEN": "short"}, "LUMEN_WEB_TOKEN"),
        (("--port", "0"), {"LUMEN_WEB_TOKEN_FILE": "/nowhere/token"}, "LUMEN_WEB_TOKEN_FILE: /nowhere/token cannot be"),
    ],
)
def test_it_does_not_start_open_to_others(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    ended = lumen("web", *arguments, **home(tmp_path), **env)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = lumen("web", "--port", str(other.getsockname()[1]), **home(tmp_path))
    assert ended.returncode == 8
    assert "choose another with --port or LUMEN_WEB_PORT (0 takes any free one)" in ended.stderr
