"""A server that answers as S3 and STS do when they refuse: the last word of the path is the error's code."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from support.failures.web_server import WebServer

STATUS = {
    "ExpiredToken": 400,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "AccessDenied": 403,
    "InvalidClientTokenId": 403,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "Throttling": 400,
    "ThrottlingException": 400,
    "RequestLimitExceeded": 400,
    "SlowDown": 503,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "OperationAborted": 409,
    "NoSuchKey": 404,
    "NoSuchBucket": 404,
    "InvalidRequest": 400,
    "EntityTooLarge": 400,
    "PreconditionFailed": 412,
    "XMinioStorageFull": 507,
}
"""The status that goes with each code."""

_S3 = "<Error><Code>{code}</Code><Message>said so</Message><RequestId>1</RequestId></Error>"
_STS = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
    "<Message>said so</Message></Error><RequestId>1</RequestId></ErrorResponse>"
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        words = self.path.partition("?")[0].strip("/").split("/")
        code = words[-1]
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self.close_connection = True
        if code == "torn":
            return
        if code == "garbled":
            self._answer(200, "<<<")
            return
        self._answer(STATUS[code], (_STS if words[0] == "sts" else _S3).format(code=code))

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Connection", "close")
        if status == 503:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class AwsServer(WebServer):
    """On a free port of the loopback address."""

    handler = _Handler
