"""What may stand in ``actuator_options``, for each kind. Kept free of what the actuators themselves import."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lumen_workers.adapters.options import Options

Timeout = Annotated[float, Field(ge=0.05, le=60.0)]


class NoOptions(Options):
    """``file``, ``none`` and ``poll`` have none."""


class WebhookOptions(Options):
    """``webhook:URL``. Without ``secret_file`` LUMEN_RULES_SECRET signs; ``token_file``: sent as a bearer.

    ``timeout_s``: for each step of the request; all of it may take twice as long. ``plain_http``: allow http to another
    machine.
    """

    secret_file: str | None = None
    token_file: str | None = None
    timeout_s: Timeout = 5.0
    plain_http: bool = False


class RedisOptions(Options):
    """``redis:URL [KEY]``; the key is ``lumen:rules:<loop>`` unless one is given.

    ``ack``: ``key`` waits until the loop has set ``<key>:ack``, ``none`` takes the SET for it. ``password_file`` holds
    the password of the URL's user, ``ca_file`` the authorities (PEM) of a ``rediss://`` server; ``timeout_s``: for each
    step.
    """

    ack: Literal["key", "none"] = "key"
    password_file: str | None = None
    ca_file: str | None = None
    timeout_s: Timeout = 2.0


class Setting(Options):
    """What a rule is in a Celery worker: the rate limit of a task (``task``, so many a second, minute or hour), or
    how many processes its pool has."""

    set: Literal["rate_limit", "pool", "prefetch"]
    task: str | None = Field(default=None, min_length=1)
    per: Literal["s", "m", "h"] = "s"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.set == "prefetch":
            raise ValueError(
                "Celery has no remote command for the prefetch count (growing the pool raises it); set pool instead"
            )
        if (self.task is None) == (self.set == "rate_limit"):
            raise ValueError("rate_limit needs task" if self.task is None else f"{self.set} takes no task")
        return self


class CeleryOptions(Options):
    """``celery``: the workers of another app, by its broker.

    ``broker_env`` names the environment variable that holds the broker's URL; ``broker_url`` is for one without a
    password. ``apply``: rule → what it sets. ``workers``: the names that must answer; without it, all that do.
    ``timeout_s``: how long their answers are waited for. ``control_exchange`` where the app does not use Celery's own.
    """

    broker_env: str | None = Field(default=None, pattern="^[A-Z][A-Z0-9_]{0,99}$")
    broker_url: str | None = None
    ca_file: str | None = None
    apply: dict[str, Setting] = Field(min_length=1)
    workers: list[str] = Field(default_factory=list)
    timeout_s: Timeout = 5.0
    control_exchange: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        if (self.broker_env is None) == (self.broker_url is None):
            raise ValueError("give broker_env (the name of a variable) or broker_url, one of them")
        return self
