"""A Redis key that the loop reads, and another one that it sets to acknowledge."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lumen_workers.adapters.actuators.document import MOST_BYTES, compact, read_ack
from lumen_workers.domain.errors import ExternalApiError, NetworkError, TokenExpired
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import RuleEvent


class RedisActuator:
    """``redis:URL [KEY]``: SET of the document. The loop sets ``<key>:ack`` to the event's id, or to JSON that names it
    (``{"event_id": …, "applied_at": …}``); without ``wait`` the SET itself counts."""

    name: str = "redis"

    def __init__(
        self, url: str, key: str, *, wait: bool, timeout_s: float, password: str | None = None, ca: str | None = None
    ) -> None:
        self._url, self._key, self._wait = url, key, wait
        self._options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        if password is not None:
            self._options["password"] = password
        if urlsplit(url).scheme == "rediss":
            self._options |= {
                "ssl_cert_reqs": "required",
                "ssl_check_hostname": True,
                "ssl_min_version": ssl.TLSVersion.TLSv1_2,
                **({} if ca is None else {"ssl_ca_certs": ca}),
            }

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack | None:
        """Raises NetworkError, TokenExpired where Redis refuses us, ExternalApiError for any other no of its."""
        data = compact(loop, rules, event)
        said = self._ask(("SET", self._key, data), ("GETRANGE", f"{self._key}:ack", 0, MOST_BYTES))
        return self._read(said) if self._wait else Ack()

    def acknowledged(self, loop: str, event: RuleEvent) -> Ack | None:  # noqa: ARG002
        """Looks at the second key."""
        return self._read(self._ask(("GETRANGE", f"{self._key}:ack", 0, MOST_BYTES))) if self._wait else None

    @staticmethod
    def _read(said: bytes) -> Ack | None:
        text = said.strip()
        if not text or text.startswith(b"{"):
            return read_ack(text)
        return Ack(event_id=text.decode("utf-8", "replace"))

    def _ask(self, *commands: tuple[Any, ...]) -> bytes:
        """The last command's answer. A connection of its own: changes are rare."""
        import redis

        where = f"{urlsplit(self._url).scheme}://{urlsplit(self._url).netloc.rpartition('@')[2]}"
        answer: bytes = b""
        try:
            with redis.Redis.from_url(self._url, **self._options) as client:
                for command in commands:
                    answer = client.execute_command(*command)
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise TokenExpired(f"{where} refuses us {self._key}: {error}; correct the user or its password") from error
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise NetworkError(f"{where} cannot be reached: {error}") from error
        except redis.RedisError as error:
            raise ExternalApiError(f"{where} did not take {self._key}: {error}") from error
        return answer
