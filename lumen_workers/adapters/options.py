"""Options of sources and actuators: strict models, and one clear line for what is wrong in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lumen_workers.domain.errors import ConfigError


class Options(BaseModel):
    """Base of all option models: unknown keys, converted types, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Options)


def parse_options(model: type[Model], given: Mapping[str, Any], where: str) -> Model:
    """``given`` as a ``model``. Raises ConfigError: ``where`` and the key, what stands there, what is allowed."""
    try:
        return model.model_validate(dict(given))
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"] if not str(part).startswith("[")]
    path = ".".join([where, *keys])
    schema = model.model_json_schema()
    if first["type"] == "extra_forbidden":
        known = ", ".join(_find(schema, keys[:-1]).get("properties", {})) or "none"
        raise ConfigError(f"{path}: unknown key; allowed: {known}")
    allowed = _allowed(_find(schema, keys))
    if first["type"] == "missing":
        raise ConfigError(f"{path}: missing" + (f"; allowed: {allowed}" if allowed else ""))
    if first["type"] == "value_error":
        raise ConfigError(f"{path}: {first['ctx']['error']}")
    raise ConfigError(f"{path}: {first['input']!r} is not allowed; allowed: {allowed or first['msg']}")


def split_kind(text: str) -> tuple[str, str]:
    """``kind:argument`` → both; the argument is empty when there is none."""
    kind, _, argument = text.partition(":")
    return kind, argument


def resolve_inside(text: str, home: Path, where: str) -> Path:
    """An absolute path as it is; a relative one under ``home``, which it may not leave (ConfigError)."""
    path = Path(text)
    if path.is_absolute():
        return path
    root = home.resolve()
    resolved = (root / path).resolve()
    if not resolved.is_relative_to(root):
        raise ConfigError(f"{where}: {text!r} leaves the home; give an absolute path, or one inside {home}")
    return resolved


def _find(schema: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of the key path, empty when there is none."""
    node = dict(schema)
    for key in (None, *keys):
        if key is not None:
            below = node.get("properties", {}).get(key, node.get("additionalProperties", {}))
            node = dict(below) if isinstance(below, Mapping) else {}
        options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
        if len(options) == 1:
            node = dict(options[0])
        if "$ref" in node:
            node = dict(schema["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def _allowed(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(map(str, node["enum"]))
    words = {"integer": "a whole number", "number": "a number", "string": "a text", "boolean": "true or false"}
    parts = [words.get(node.get("type", ""), "a mapping" if node.get("type") == "object" else "")]
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    for word, bound in (("from", low), ("above", above), ("to", high), ("below", below)):
        if bound is not None:
            parts.append(f"{word} {bound:g}")
    return " ".join(part for part in parts if part)
