"""From a TOML file and `--set KEY=VALUE` to dials, with every mistake reported at once."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loadkit.errors import UsageError
from loadkit.simulator.dials import Dials
from loadkit.simulator.durations import Bimodal, Constant, Exponential, Lognormal
from loadkit.textfile import MOST_DEPTH, MOST_OF_SETTINGS, clipped, parse_toml, read_text

__all__ = ["load_dials"]

_KINDS: Final[dict[str, type[BaseModel]]] = {
    "constant": Constant,
    "lognormal": Lognormal,
    "exponential": Exponential,
}
_TAGS: Final = {*_KINDS, "bimodal"}  # pydantic puts the branch it took into an error's place


def load_dials(config: Path | None, overrides: Sequence[str]) -> Dials:
    """Read the simulator's settings.

    Args:
        config: a TOML file, or None for the defaults.
        overrides: `dotted.key=value` each, stronger than the file, the last one strongest. A
            value is TOML where it reads as TOML and plain text otherwise, so `500ms` needs no
            quotes. Setting one field of a distribution keeps the others.

    Raises:
        UsageError: the file cannot be read, or settings are wrong; the text lists all of them,
            each with its place.
    """
    mistakes: list[str] = []
    tree: dict[str, Any] = Dials().model_dump(mode="json")
    if config is not None:
        _merge(tree, _read(config))
    origin: dict[str, str] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        parts = key.split(".")
        if not equals or not all(parts) or len(parts) > MOST_DEPTH:
            mistakes.append(f"--set {clipped(override)}: write it as dotted.key=value")
            continue
        _merge(tree, _nested(parts, _value(text.strip())))
        origin[key] = f"--set {clipped(override)}"
    try:
        dials = Dials.model_validate(tree)
    except ValidationError as error:
        where = str(config) if config is not None else "dials"
        mistakes += [_describe(detail, where, origin) for detail in error.errors()]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return dials


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_text(path, MOST_OF_SETTINGS))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _value(text: str) -> Any:
    try:
        parsed = parse_toml(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _nested(parts: Sequence[str], value: Any) -> dict[str, Any]:
    for part in reversed(parts):
        value = {part: value}
    return value  # type: ignore[no-any-return]  # at least one part: a dict by now


def _merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    """Lay `extra` over `base`. A table that names its `kind` is whole and replaces the old one."""
    for key, value in extra.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and "kind" not in value:
            _merge(below, value)
        else:
            base[key] = value


def _describe(detail: ErrorDetails, where: str, origin: dict[str, str]) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(part for index, part in enumerate(location) if index == 0 or part not in _TAGS)
    place = next(
        (text for setting, text in origin.items() if f"{key}.".startswith(f"{setting}.")), None
    ) or next(
        (text for setting, text in origin.items() if f"{setting}.".startswith(f"{key}.")), where
    )
    if detail["type"] == "extra_forbidden":
        return f"{place}: {key}: no such dial{_did_you_mean(location)}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place}: {key}: {message[:1].lower()}{message[1:]}" if key else f"{place}: {message}"


def _did_you_mean(location: Sequence[str]) -> str:
    model: type[BaseModel] | None = Dials
    for part in location[:-1]:
        model = _below(model, part) if model is not None else None
    if model is None:
        return ""
    close = difflib.get_close_matches(location[-1], model.model_fields, n=1, cutoff=0.6)
    if close:
        parents = [
            part for index, part in enumerate(location[:-1]) if not index or part not in _TAGS
        ]
        return f"; did you mean {'.'.join([*parents, close[0]])}?"
    return ""


def _below(model: type[BaseModel], part: str) -> type[BaseModel] | None:
    if part == "bimodal":
        return Bimodal
    if part in _KINDS:
        return _KINDS[part]
    field = model.model_fields.get(part)
    if field is None:
        return None
    return next(_models(field.annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
