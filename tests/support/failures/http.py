"""httpx and urllib against servers that fail."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from functools import partial

import httpx
from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer

STATUSES = {
    302: "build",
    400: "build",
    401: "token_expired",
    403: "token_expired",
    404: "build",
    407: "token_expired",
    408: "external_api",
    409: "build",
    410: "build",
    413: "build",
    422: "build",
    425: "external_api",
    429: "external_api",
    500: "external_api",
    501: "external_api",
    502: "external_api",
    503: "external_api",
    504: "external_api",
    507: "external_api",
}


def get(peers: Peers, path: str, **options: object) -> None:
    httpx.get(f"{peers.web}/{path}", trust_env=False, **options).raise_for_status()  # type: ignore[arg-type]


def _urlopen(peers: Peers, path: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"{peers.web}/{path}", timeout=5)
    except urllib.error.HTTPError as error:
        with error:
            raise


def _urlopen_url(url: str) -> None:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5)


def _connect_timeout(peers: Peers) -> None:
    httpx.get(f"http://{HOST}:{peers.blackhole.port}", timeout=httpx.Timeout(5, connect=0.1), trust_env=False)


def _write_timeout(_: Peers) -> None:
    with Peer(None) as peer:
        httpx.post(
            f"http://{HOST}:{peer.port}",
            content=bytes(64 * 2**20),
            timeout=httpx.Timeout(5, write=0.1),
            trust_env=False,
        )


def _pool_timeout(peers: Peers) -> None:
    limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(5, pool=0.05)
    with (
        httpx.Client(limits=limits, timeout=timeout, trust_env=False) as client,
        client.stream("GET", f"{peers.web}/short"),
    ):
        client.get(f"{peers.web}/status/200")


def _tls(kind: str, peers: Peers) -> None:
    httpx.get(peers.tls(kind).url, verify=peers.certificates.client(), trust_env=False)


def _new_only(peers: Peers) -> None:
    context = peers.certificates.client(minimum_version=ssl.TLSVersion.TLSv1_3)
    httpx.get(peers.tls("old").url, verify=context, trust_env=False)


def _plain_urlopen_tls(kind: str, peers: Peers) -> None:
    handler = urllib.request.HTTPSHandler(context=peers.certificates.client())
    urllib.request.build_opener(urllib.request.ProxyHandler({}), handler).open(peers.tls(kind).url, timeout=5)


def _read_twice(peers: Peers) -> None:
    with httpx.stream("GET", f"{peers.web}/status/200", trust_env=False) as response:
        list(response.iter_raw())
        list(response.iter_raw())


def _incomplete(peers: Peers) -> None:
    connection = http.client.HTTPConnection(peers.web.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/short")
        with connection.getresponse() as response:
            response.read()
    finally:
        connection.close()


def _proxy_refused(peers: Peers) -> None:
    httpx.get("http://example.invalid/", proxy=f"http://{HOST}:{peers.closed}", trust_env=False)


def _proxy_denied(peers: Peers) -> None:
    # A proxy that answers CONNECT with something else than 200.
    httpx.get("https://example.invalid/", proxy=peers.web, trust_env=False)


CASES: list[Case] = [
    *(
        case(
            f"httpx {status}",
            truth,
            f"HTTP status {status}",
            partial(lambda peers, s: get(peers, f"status/{s}"), s=status),
        )
        for status, truth in STATUSES.items()
    ),
    *(
        case(
            f"urllib {status}",
            truth,
            f"HTTP status {status}",
            partial(lambda peers, s: _urlopen(peers, f"status/{s}"), s=status),
        )
        for status, truth in {401: "token_expired", 404: "build", 429: "external_api", 503: "external_api"}.items()
    ),
    case("httpx 503, wait 5", "external_api", "HTTP status 503", lambda p: get(p, "status/503?retry=5"), wait=(5, 5)),
    case(
        "httpx 429, wait 1.5",
        "external_api",
        "HTTP status 429",
        lambda p: get(p, "status/429?retry=1.5"),
        wait=(1.5, 1.5),
    ),
    case(
        "httpx 429, wait a day",
        "external_api",
        "HTTP status 429",
        lambda p: get(p, "status/429?retry=86400"),
        wait=(3600, 3600),
    ),
    case("httpx 503, wait -5", "external_api", "HTTP status 503", lambda p: get(p, "status/503?retry=-5")),
    case("httpx 503, wait a while", "external_api", "HTTP status 503", lambda p: get(p, "status/503?retry=a%20while")),
    case(
        "httpx 503, wait until",
        "external_api",
        "HTTP status 503",
        lambda p: get(p, "status/503?retry=date120"),
        wait=(119, 121),
    ),
    case(
        "httpx 503, wait until then", "external_api", "HTTP status 503", lambda p: get(p, "status/503?retry=date-120")
    ),
    case(
        "urllib 503, wait 9",
        "external_api",
        "HTTP status 503",
        lambda p: _urlopen(p, "status/503?retry=9"),
        wait=(9, 9),
    ),
    case(
        "httpx read timeout",
        "network",
        "name httpx.ReadTimeout (httpx.TransportError)",
        lambda p: get(p, "slow", timeout=0.1),
    ),
    case("httpx connect timeout", "network", "name httpx.ConnectTimeout (httpx.TransportError)", _connect_timeout),
    case("httpx write timeout", "network", "name httpx.WriteTimeout (httpx.TransportError)", _write_timeout),
    case("httpx pool timeout", "network", "name httpx.PoolTimeout (httpx.TransportError)", _pool_timeout),
    case(
        "httpx refused",
        "network",
        "name httpx.ConnectError (httpx.TransportError)",
        lambda p: httpx.get(f"http://{HOST}:{p.closed}", trust_env=False),
    ),
    case(
        "httpx unknown host",
        "network",
        "name httpx.ConnectError (httpx.TransportError)",
        lambda _: httpx.get("http://lumen.invalid", trust_env=False),
    ),
    case("httpx reset", "network", "name httpx.ReadError (httpx.TransportError)", lambda p: get(p, "reset")),
    case(
        "httpx no answer", "network", "name httpx.RemoteProtocolError (httpx.TransportError)", lambda p: get(p, "empty")
    ),
    case(
        "httpx short answer",
        "network",
        "name httpx.RemoteProtocolError (httpx.TransportError)",
        lambda p: get(p, "short"),
    ),
    case(
        "httpx bad chunks",
        "network",
        "name httpx.RemoteProtocolError (httpx.TransportError)",
        lambda p: get(p, "chunks"),
    ),
    case(
        "httpx not HTTP",
        "network",
        "name httpx.RemoteProtocolError (httpx.TransportError)",
        lambda p: get(p, "garbage"),
    ),
    case("httpx proxy refused", "network", "name httpx.ConnectError (httpx.TransportError)", _proxy_refused),
    case("httpx proxy denies", "network", "name httpx.ProxyError (httpx.TransportError)", _proxy_denied),
    case(
        "httpx redirects for ever",
        "external_api",
        "name httpx.TooManyRedirects",
        lambda p: get(p, "redirect", follow_redirects=True),
    ),
    case("httpx not gzip", "external_api", "name httpx.DecodingError", lambda p: get(p, "packed")),
    case(
        "httpx no such scheme",
        "build",
        "name httpx.UnsupportedProtocol",
        lambda _: httpx.get("gopher://x", trust_env=False),
    ),
    case("httpx bad URL", "build", "name httpx.InvalidURL", lambda _: httpx.get("http://x:port", trust_env=False)),
    case(
        "httpx bad header",
        "build",
        "name httpx.LocalProtocolError",
        lambda p: get(p, "status/200", headers={"x": "a\nb"}),
    ),
    case("httpx read twice", "build", "name httpx.StreamConsumed (httpx.StreamError)", _read_twice),
    *(
        case(f"httpx TLS {kind}", "network", "name httpx.ConnectError (httpx.TransportError)", partial(_tls, kind))
        for kind in ("self_signed", "expired", "future", "elsewhere", "torn", "plain")
    ),
    case("httpx TLS too old", "network", "name httpx.ConnectError (httpx.TransportError)", _new_only),
    *(
        case(
            f"urllib TLS {kind}",
            "network",
            "cause: name ssl.SSLCertVerificationError",
            partial(_plain_urlopen_tls, kind),
        )
        for kind in ("self_signed", "expired", "elsewhere")
    ),
    case("urllib TLS plain", "network", "cause: name ssl.SSLError", partial(_plain_urlopen_tls, "plain")),
    case("urllib refused", "network", "cause: errno ECONNREFUSED", lambda p: _urlopen_url(f"http://{HOST}:{p.closed}")),
    case(
        "urllib unknown host", "network", "cause: name socket.gaierror", lambda _: _urlopen_url("http://lumen.invalid")
    ),
    case(
        "urllib no answer",
        "network",
        "*http.client.RemoteDisconnected (builtins.ConnectionError)",
        lambda p: _urlopen(p, "empty"),
    ),
    case(
        "urllib not HTTP",
        "network",
        "name http.client.BadStatusLine (http.client.HTTPException)",
        lambda p: _urlopen(p, "garbage"),
    ),
    case("urllib no such scheme", "build", 'text "unknown url type"', lambda _: _urlopen_url("gopher://x")),
    case("urllib no such file", "environment", "cause: errno ENOENT", lambda _: _urlopen_url("file:///nowhere/at/all")),
    case(
        "http.client short answer",
        "network",
        "name http.client.IncompleteRead (http.client.HTTPException)",
        _incomplete,
    ),
    case("http.client bad URL", "build", "name http.client.InvalidURL", lambda _: http.client.HTTPConnection("x:port")),
]
