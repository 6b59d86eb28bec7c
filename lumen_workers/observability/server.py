"""The exporter over HTTP: metrics, health, the last runs."""

from __future__ import annotations

import hmac
import ipaddress
import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, LumenError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import Run
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.signals import rhythms

MOST_RUNS: Final = 100
_PLAIN: Final = "text/plain; charset=utf-8"


class Exporter:
    """Answers requests from one store. ``store`` gives it, opening it at first use; scrapes wait for each other."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        store: Callable[[], Store],
        collector: StoreCollector,
        token: str | None = None,
    ) -> None:
        """Bind (port 0: any free one). Raises ConfigError for an open address without ``token``, EnvironmentFault."""
        if token is None and not is_loopback(host):
            raise ConfigError(
                f"{host} can be reached from other machines: set LUMEN_EXPORTER_TOKEN, or listen on 127.0.0.1"
            )
        self.store = store
        self.collector = collector
        self.token = token
        self.turn = threading.Lock()

        class Bound(_Handler):
            exporter = self

        try:
            self._server = _Server((host, port), Bound)
        except OSError as error:
            raise EnvironmentFault(
                f"the exporter cannot listen on {host}:{port}: {error.strerror}; choose another with --port or "
                "LUMEN_EXPORTER_PORT (0 takes any free one)"
            ) from None
        self.host, self.port = host, int(self._server.server_address[1])

    def serve(self) -> None:
        """Answer until :meth:`stop`."""
        with self._server:
            self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End :meth:`serve`; call it from another thread."""
        self._server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    exporter: Exporter
    server_version = "lumen"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """One request."""
        url = urlsplit(self.path)
        answer = {
            "/": self._home,
            "/metrics": self._metrics,
            "/rhythm_metrics": self._rhythm,
            "/healthz": self._health,
            "/api/runs": self._runs,
        }.get(url.path)
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, "there are /metrics, /rhythm_metrics, /healthz and /api/runs\n")
        elif url.path not in ("/", "/healthz") and not self._may():
            headers = {"WWW-Authenticate": "Bearer"}
            self._send(HTTPStatus.UNAUTHORIZED, "give the exporter's token as a bearer token\n", headers=headers)
        else:
            try:
                answer(url.query)
            except LumenError as error:
                self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{' '.join(str(error).split())}\n")

    def _home(self, query: str) -> None:  # noqa: ARG002
        self._send(HTTPStatus.FOUND, "", headers={"Location": "/metrics"})

    def _metrics(self, query: str) -> None:  # noqa: ARG002
        self._tell(self.exporter.collector)

    def _rhythm(self, query: str) -> None:  # noqa: ARG002
        """S14's own page of metrics."""
        self._tell(self.exporter.collector.only(rhythms))

    def _tell(self, collector: Collector) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        with self.exporter.turn:
            body = encode(collector)
        self._send(HTTPStatus.OK, body, content_type)

    def _health(self, query: str) -> None:  # noqa: ARG002
        self.exporter.store().now()
        self._send(HTTPStatus.OK, "ok\n")

    def _runs(self, query: str) -> None:
        text = parse_qs(query).get("limit", ["10"])[0]
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_RUNS:
            self._send(HTTPStatus.BAD_REQUEST, f"limit is a number from 1 to {MOST_RUNS}\n")
            return
        rows = [run_row(run) for run in self.exporter.store().runs.rows(limit=int(text))]
        self._send(HTTPStatus.OK, json.dumps(rows, ensure_ascii=False), "application/json; charset=utf-8")

    def _may(self) -> bool:
        token = self.exporter.token
        if token is None:
            return True
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, f"Bearer {token}".encode())

    def _send(
        self,
        status: HTTPStatus,
        body: str | bytes,
        content_type: str = _PLAIN,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """A scrape every few seconds is nothing to tell."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run_row(run: Run) -> dict[str, Any]:
    """What a panel of the last runs shows."""
    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "day": run.day.isoformat(),
        "region": run.region,
        "executed_by": run.executed_by,
        "status": run.status.value,
        "error_class": run.error_class,
        "trace_id": run.trace_id,
        "root": run.digest,
        "started": iso(run.started) if run.started else None,
        "ended": iso(run.ended) if run.ended else None,
    }
