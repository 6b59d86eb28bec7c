"""boto3's S3 and STS clients against a server that refuses, and without one."""

from __future__ import annotations

import functools
import os
from functools import partial
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer, silent

CODES = {
    "ExpiredToken": "token_expired",
    "InvalidAccessKeyId": "token_expired",
    "SignatureDoesNotMatch": "token_expired",
    "AccessDenied": "token_expired",
    "RequestTimeTooSkewed": "environment",
    "RequestTimeout": "network",
    "SlowDown": "external_api",
    "InternalError": "external_api",
    "ServiceUnavailable": "external_api",
    "OperationAborted": "external_api",
    "NoSuchKey": "build",
    "NoSuchBucket": "build",
    "EntityTooLarge": "build",
    "PreconditionFailed": "build",
}
STS_CODES = {
    "ExpiredToken": "token_expired",
    "InvalidClientTokenId": "token_expired",
    "Throttling": "external_api",
    "ThrottlingException": "external_api",
    "RequestLimitExceeded": "external_api",
}
_CONFIG = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=0.2,
    read_timeout=0.2,
    s3={"addressing_style": "path"},
    proxies={},
)
_NOBODY = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@functools.cache
def client(service: str, url: str, *, keys: bool = True, partly: bool = False) -> Any:
    """A client that tries once. Without keys there are none anywhere."""
    given = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"} if keys else {}
    with mock.patch.dict(os.environ, _NOBODY):
        return boto3.session.Session().client(
            service, endpoint_url=url, region_name="ap-northeast-2", config=_CONFIG, **given
        )


def _get(key: str, peers: Peers) -> None:
    client("s3", peers.aws).get_object(Bucket="bucket", Key=key)


def _identity(code: str, peers: Peers) -> None:
    client("sts", f"{peers.aws}/sts/{code}").get_caller_identity()


def _silent(_: Peers) -> None:
    with Peer(silent) as peer:
        client("s3", f"http://{HOST}:{peer.port}").list_buckets()


def _upload(key: str, peers: Peers) -> None:
    path = peers.folder() / "bundle.tar.gz"
    path.write_bytes(b"x")
    client("s3", peers.aws).upload_file(str(path), "bucket", key)


def _upload_of_nothing(peers: Peers) -> None:
    client("s3", peers.aws).upload_file(str(peers.folder() / "nothing"), "bucket", "key")


def _assume_without_profile(_: Peers) -> None:
    with mock.patch.dict(os.environ, _NOBODY):
        boto3.session.Session(profile_name="nobody")


def _half_a_key(_: Peers) -> None:
    with mock.patch.dict(os.environ, _NOBODY | {"AWS_ACCESS_KEY_ID": "AKIA"}):
        os.environ.pop("AWS_SECRET_ACCESS_KEY", None)
        boto3.session.Session().client("s3", region_name="us-west-2").list_buckets()


def _no_region(_: Peers) -> None:
    with mock.patch.dict(os.environ, _NOBODY):
        boto3.session.Session().client("ec2", aws_access_key_id="a", aws_secret_access_key="b")


def _waiter(peers: Peers) -> None:
    client("s3", peers.aws).get_waiter("object_exists").wait(
        Bucket="bucket", Key="AccessDenied", WaiterConfig={"MaxAttempts": 1}
    )


CASES: list[Case] = [
    *(
        case(
            f"S3 {code}",
            truth,
            f"botocore code {code}",
            partial(_get, code),
            wait=(7, 7) if code in ("SlowDown", "ServiceUnavailable") else None,
        )
        for code, truth in CODES.items()
    ),
    *(
        case(f"STS {code}", truth, f"botocore code {code}", partial(_identity, code))
        for code, truth in STS_CODES.items()
    ),
    case("S3 code that nobody knows, 507", "external_api", "HTTP status 507", partial(_get, "XMinioStorageFull")),
    case("S3 code that nobody knows, 400", "build", "HTTP status 400", partial(_get, "InvalidRequest")),
    case(
        "S3 head, 403",
        "token_expired",
        "HTTP status 403",
        lambda p: client("s3", p.aws).head_object(Bucket="bucket", Key="AccessDenied"),
    ),
    case(
        "S3 head, 404",
        "build",
        "HTTP status 404",
        lambda p: client("s3", p.aws).head_object(Bucket="bucket", Key="NoSuchKey"),
    ),
    case("S3 upload refused", "token_expired", "cause: botocore code ExpiredToken", partial(_upload, "ExpiredToken")),
    case(
        "S3 upload too fast", "external_api", "cause: botocore code SlowDown", partial(_upload, "SlowDown"), wait=(7, 7)
    ),
    case("S3 upload of nothing", "environment", "errno ENOENT", _upload_of_nothing),
    case("S3 waiter refused", "token_expired", "HTTP status 403", _waiter),
    case("S3 hangs up", "network", "name botocore.exceptions.*", partial(_get, "torn")),
    case(
        "S3 garbled answer",
        "external_api",
        "HTTP status 500",
        lambda p: client("s3", f"{p.aws}/garbled").list_objects_v2(Bucket="garbled"),
    ),
    case(
        "S3 refused",
        "network",
        "name botocore.exceptions.EndpointConnectionError",
        lambda p: client("s3", f"http://{HOST}:{p.closed}").list_buckets(),
    ),
    case(
        "S3 unknown host",
        "network",
        "name botocore.exceptions.EndpointConnectionError",
        lambda _: client("s3", "http://lumen.invalid").list_buckets(),
    ),
    case(
        "S3 connect timeout",
        "network",
        "name botocore.exceptions.ConnectTimeoutError",
        lambda p: client("s3", f"http://{HOST}:{p.blackhole.port}").list_buckets(),
    ),
    case("S3 read timeout", "network", "name botocore.exceptions.ReadTimeoutError", _silent),
    case(
        "S3 bad certificate",
        "network",
        "name botocore.exceptions.SSLError",
        lambda p: client("s3", p.tls("self_signed").url).list_buckets(),
    ),
    case(
        "S3 no credentials",
        "token_expired",
        "name botocore.exceptions.NoCredentialsError",
        lambda p: client("s3", p.aws, keys=False).list_buckets(),
    ),
    case("S3 half a key", "token_expired", "name botocore.exceptions.PartialCredentialsError", _half_a_key),
    case(
        "S3 bad parameter",
        "build",
        "name botocore.exceptions.ParamValidationError*",
        lambda p: client("s3", p.aws).get_object(Bucket="bucket"),
    ),
    case(
        "S3 bad bucket name",
        "build",
        "name botocore.exceptions.ParamValidationError*",
        lambda p: client("s3", p.aws).get_object(Bucket="!", Key="k"),
    ),
    case(
        "AWS unknown service", "build", "name botocore.exceptions.UnknownServiceError*", lambda p: client("s33", p.aws)
    ),
    case("AWS unknown profile", "build", "name botocore.exceptions.ProfileNotFound*", _assume_without_profile),
    case("AWS no region", "build", "name botocore.exceptions.NoRegionError*", _no_region),
    case("AWS bad endpoint", "build", "name builtins.ValueError", lambda _: client("s3", "no url")),
]
