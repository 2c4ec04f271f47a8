"""What is wrong with settings, in sentences, and what was most likely meant."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loadkit.errors import UsageError
from loadkit.security.textfile import clipped

Key = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and numbers of list elements."""

_PLAIN: Final = {
    "missing": "is missing",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
    "dict_type": "should be a table",
    "dataclass_type": "should be a table",
    "tuple_type": "should be a list",
    "too_short": "should not be empty",
    "string_too_short": "should not be empty",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "string_type": "should be a text",
    "finite_number": "should be a finite number",
}


_LONGEST_SLIP: Final = 100  # a longer word is no slip of a pen, and comparing it takes long
_MOST_LISTED: Final = 12  # a longer list is no help on one line of a terminal


class ConfigError(UsageError):
    """Settings that cannot be used."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)  # every one that was found, each with its place and its mend


def did_you_mean(word: str, options: Iterable[str], *, listed: bool = True) -> str:
    """Half a sentence that mends a wrong name, whatever its case, to be put behind the complaint.

    Args:
        word: what the user wrote.
        options: the names that are right.
        listed: whether a short list of them is told where none is close; False where the complaint
            has it.
    """
    by_folded = {option.casefold(): option for option in options}
    close = get_close_matches(word.casefold(), by_folded, n=1) if len(word) <= _LONGEST_SLIP else []
    if close:
        return f"; did you mean {by_folded[close[0]]!r}?"
    if listed and 0 < len(by_folded) <= _MOST_LISTED:
        return f"; known: {', '.join(sorted(by_folded.values()))}"
    return ""


def flaws(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Key, str]]:
    """Say what pydantic found wrong with a `model`: where, and a sentence going on from there."""
    for detail in error.errors(include_url=False):
        key, kind = _followed(detail["loc"], model)
        if detail["type"].startswith("union_tag"):  # of a table that has a `kind`
            yield (*key, "kind"), _sentence(detail, key, list(_kinds(kind)))
        elif detail["type"] == "extra_forbidden":
            _, beside = _followed(detail["loc"][:-1], model)
            yield key, _sentence(detail, key, list(getattr(beside, "model_fields", ())))
        else:
            options = [option for option in get_args(kind) if isinstance(option, str)]
            yield key, _sentence(detail, key, options)


def _sentence(detail: ErrorDetails, key: Key, options: Sequence[str]) -> str:
    given: Any = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            name = str(key[-1])
            return f"unknown key {clipped(name)!r}{did_you_mean(name, options)}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "union_tag_not_found":
            return f"is missing; should be {_or(options)}"
        case "union_tag_invalid":
            given, text = detail["ctx"]["tag"], f"should be {_or(options)}"
        case "missing" | "too_short" | "string_too_short" as kind:
            return _PLAIN[kind]
        case kind:
            text = _PLAIN.get(kind) or detail["msg"].replace("Input should", "should")
            options = options if kind == "literal_error" else ()
    mend = did_you_mean(given, options, listed=False) if isinstance(given, str) else ""
    return f"{text}, not {repr(given)[:60]}{mend}"


def _or(options: Sequence[str]) -> str:
    *most, last = map(repr, options)
    return f"{', '.join(most)} or {last}"


def _followed(where: tuple[int | str, ...], model: type[BaseModel]) -> tuple[Key, Any]:
    """A place in pydantic's words as one in the file, and the type declared there, if any."""
    key: list[str | int] = []
    at: Any = model
    for part in where:
        if part == "[key]":
            continue  # of a table with any keys: the key, not its value
        if part in (kinds := _kinds(at)):
            at = kinds[str(part)]
            continue  # the branch that pydantic took
        key.append(part)
        if isinstance(at, type) and issubclass(at, BaseModel):
            field = at.model_fields.get(str(part))
            at = field.annotation if field else None
        elif arguments := get_args(at):
            at = arguments[1 if get_origin(at) is dict else 0]
        at = _bare(at)
    return tuple(key), at


def _bare(annotation: Any) -> Any:
    """A type without what is said about it, and without that it may be absent."""
    if get_origin(annotation) is Annotated or type(None) in get_args(annotation):
        return _bare(get_args(annotation)[0])
    return annotation


def _kinds(union: Any) -> dict[str, Any]:
    """The tables that a union is of, by their `kind`."""
    tables = [one for one in map(_bare, get_args(union)) if hasattr(one, "model_fields")]
    return {
        kind: table
        for table in tables
        if "kind" in table.model_fields
        for kind in get_args(table.model_fields["kind"].annotation)
    }
