"""YAML files, read strictly: an unknown key, a wrong type or a value out of bounds is one line that names it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ids import NAME_RE, REGION_RE
from lumen_workers.domain.signals import RATES_HZ

WITHHELD: Final = "withheld"
"""The type of an error whose message must not repeat the value."""


class Strict(BaseModel):
    """Base of all file models."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` (without a point) as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """``values`` if each stands once."""
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"{', '.join(twice)} stands twice")
    return values


def foreign(name: str) -> str:
    """``name`` if it is no variable of ours: these hold passphrases."""
    if name.startswith("LUMEN_"):
        raise ValueError("LUMEN_… is not handed on; give the variable another name")
    return name


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
RegionName = Annotated[str, Field(pattern=REGION_RE.pattern, max_length=40)]
LoopName = Annotated[str, Field(pattern=NAME_RE.pattern)]
Regions = Annotated[tuple[RegionName, ...], Field(min_length=1, strict=False), AfterValidator(unique)]
FilePath = Annotated[Path, Field(strict=False)]
ForeignVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"), AfterValidator(foreign)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fingerprints = Annotated[tuple[Fingerprint, ...], Field(strict=False, min_length=1), AfterValidator(unique)]


class StandInFile(Strict):
    """Who stands in for a silent region: ``order`` names its stand-ins; a region without an entry has all others."""

    after_s: Annotated[Number, Field(ge=10, le=86_400)] = 30.0
    order: dict[RegionName, Annotated[tuple[RegionName, ...], Field(strict=False), AfterValidator(unique)]] = {}


class LogFile(Strict):
    """The transparency log: its name (made of its key, unless given) and how long witnesses are waited for."""

    origin: Annotated[str, Field(pattern=r"^[!-*,-~]{1,200}$")] | None = None
    witness_s: Annotated[Number, Field(gt=0, le=60)] = 5.0


class TokenFile(Strict):
    """A key on a token: the PKCS#11 library, the token's and the key's labels, the variable that has the PIN."""

    module: FilePath
    token: Annotated[str, Field(min_length=1, max_length=32)]
    key: Annotated[str, Field(min_length=1)]
    pin_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "LUMEN_PKCS11_PIN"


class SignerFile(Strict):
    """Where a region's key is, if not in the home: behind a command, or on a token.

    A command needs the file of its public key; a token has it, unless it keeps the private half only.
    """

    command: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, min_length=1)] | None = None
    pkcs11: TokenFile | None = None
    public_key: FilePath | None = None
    limit_s: Annotated[Number, Field(gt=0, le=120)] = 20.0
    keep_env: Annotated[tuple[ForeignVariable, ...], Field(strict=False), AfterValidator(unique)] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.pkcs11 is None):
            raise ValueError("give command (with public_key) or pkcs11")
        if self.command is not None and self.public_key is None:
            raise ValueError("command needs public_key, the file of its public key (PEM)")
        if self.command is None and self.model_fields_set & {"limit_s", "keep_env"}:
            raise ValueError("limit_s and keep_env go with command")
        return self


class LumenFile(Strict):
    """``configs/lumen.yaml``."""

    regions: Regions = ("ap-northeast-2", "us-west-2")
    zone: str = "Asia/Seoul"
    locale: Literal["en", "ko"] = "en"
    peers: dict[RegionName, Fingerprint | Fingerprints] = {}
    roots: Annotated[tuple[Fingerprint, ...], Field(strict=False), AfterValidator(unique)] = ()
    log: LogFile = LogFile()
    signers: dict[RegionName, SignerFile] = {}
    stand_in: StandInFile = StandInFile()
    messages: Literal["plain", "signed"] = "plain"

    @model_validator(mode="after")
    def _known_peers(self) -> Self:
        for name, named in (("peers", self.peers), ("signers", self.signers)):
            if unknown := [region for region in named if region not in self.regions]:
                raise ValueError(f"{name}: unknown region {unknown[0]}; the regions are {', '.join(self.regions)}")
        return self


class RuleFile(Strict):
    """A rule's bounds and its value before the first change."""

    initial: Number
    min: Number
    max: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.initial <= self.max:
            raise ValueError(f"needs min <= initial <= max, not {self.min:g} <= {self.initial:g} <= {self.max:g}")
        return self


def _rate(value: int) -> int:
    if value not in RATES_HZ:
        raise ValueError(f"is one of {', '.join(map(str, RATES_HZ))} (a period of whole milliseconds)")
    return value


Rate = Annotated[int, AfterValidator(_rate)]


class LoopFile(Strict):
    """One loop. ``options`` and ``actuator_options`` are checked by the source and the actuator."""

    source: str = "host"
    rate_hz: Rate = 5
    options: dict[str, Any] = {}
    region: RegionName | None = None
    actuator: str = "none"
    actuator_options: dict[str, Any] = {}
    ack_within_s: Annotated[Number, Field(ge=1, le=86_400)] | None = None
    rules: dict[LoopName, RuleFile] = {}


class LoopsFile(Strict):
    """``configs/loops.yaml``."""

    loops: Annotated[dict[LoopName, LoopFile], Field(min_length=1)]


class ArchiveOptions(Strict):
    """Layout of a snapshot (S15)."""

    include_plain_copy: bool = True
    make_tarball: bool = True
    tar_compression: Literal["gz", "xz"] = "gz"
    checksum: Literal["sha256"] = "sha256"

    @model_validator(mode="after")
    def _some_form(self) -> Self:
        if not (self.include_plain_copy or self.make_tarball):
            raise ValueError("include_plain_copy and make_tarball are both off; turn one on")
        return self


class ArchiveMeta(Strict):
    """Words in the manifest."""

    label: str = "Lumen daily evidence"


class ArchiveFile(Strict):
    """``configs/archive.yaml``."""

    options: ArchiveOptions = ArchiveOptions()
    meta: ArchiveMeta = ArchiveMeta()


ModelT = TypeVar("ModelT", bound=Strict)


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key overwrite an earlier one in silence; a configuration must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a plain word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read(path: Path, model: type[ModelT]) -> ModelT:
    """The file as ``model``. Raises ConfigError with file, key and what is allowed."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: {getattr(error, 'problem', None) or 'not YAML'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return check(path, model, {} if data is None else data)


def check(origin: Path | str, model: type[ModelT], data: Any) -> ModelT:
    """``data`` as ``model``; errors name ``origin``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(str(origin), error, model)) from None


def explain(
    origin: str, error: ValidationError, model: type[BaseModel], name: Callable[[str], str] = lambda key: key
) -> str:
    """One line for a validation error: where, which key (as ``name`` spells it), what is allowed."""
    lines = []
    for item in error.errors():
        key = name(".".join(str(part) for part in item["loc"]) or "(top level)")
        if item["type"] == "extra_forbidden":
            known = sorted(_keys_at(model, item["loc"][:-1]))
            close = difflib.get_close_matches(str(item["loc"][-1]), known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            lines.append(f"{key}: unknown key{hint} (known: {', '.join(known)})")
        elif item["type"] == "model_type":
            known = sorted(_keys_at(model, item["loc"]))
            lines.append(f"{key}: needs keys and their values (known: {', '.join(known)}), not {item['input']!r:.100}")
        elif item["type"] == "missing":
            lines.append(f"{key}: is required")
        elif item["type"] == "too_short":
            lines.append(f"{key}: needs at least {item['ctx']['min_length']}, not {item['ctx']['actual_length']}")
        else:
            allowed = _range_at(model, item["loc"]) or item["msg"].removeprefix("Value error, ")
            hidden = item["type"] == WITHHELD or isinstance(item["input"], dict | list | tuple)
            shown = "" if hidden else f", not {item['input']!r:.100}"
            lines.append(f"{key}: {allowed}{shown}")
    return f"{origin}: " + "; ".join(lines)


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[str]:
    holder = _holder(model, location)
    if holder is not None:
        yield from holder.model_fields


def _range_at(model: type[BaseModel], location: tuple[int | str, ...]) -> str | None:
    """The whole of what a bounded number may be; None for anything else."""
    holder = _holder(model, location[:-1])
    field = holder.model_fields.get(str(location[-1])) if holder is not None and location else None
    if field is None:
        return None
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = {sign: getattr(part, sign) for part in field.metadata for sign in signs if hasattr(part, sign)}
    words = " and ".join(f"{signs[sign]} {bound}" for sign, bound in found.items())
    return f"is a number {words}" if words else None


def _holder(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose fields stand at ``location``."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return None
        if part in current.model_fields:
            current = _model_in(current.model_fields[str(part)].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_in(inner)) is not None:
            return found
    return None
