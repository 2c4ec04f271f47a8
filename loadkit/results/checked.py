"""What a run's files may hold, checked as they are read: all that comes after may trust it.

A folder of results may be a stranger's, half written, edited, or damaged by its disk.
"""

import re
from collections.abc import Collection
from json import JSONDecodeError
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadkit.codec import Count, Name, told
from loadkit.errors import UsageError
from loadkit.security.textfile import UnreadableError, parse_json, read_text

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of a file that is read whole, or of a line of one that is not; a busy run's have a tenth."""

_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HALVES: Final = re.compile("[\ud800-\udfff]")

_TOLD: Final = 5
"""Mistakes that are named one by one."""

Counts = Annotated[dict[Name, Count], Field(max_length=1_000)]


class Stored(BaseModel):
    """What a file holds: no infinity; keys of a later version are passed over.

    No coercion either, by the types of `loadkit.codec`. It is not asked for as a whole: dataclasses
    in it are read from dictionaries.
    """

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore", frozen=True, defer_build=True)

    def plain(self) -> dict[str, Any]:
        """Return it as it was written, less what is not known."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def read_json(path: Path, give: str) -> Any:
    """Read a file of JSON; `give` is what to give where it is not there: "the folder of a run".

    Raises:
        UsageError: it cannot be read, or is no JSON.
    """
    try:
        text = read_text(path, MOST_BYTES)
        data = parse_json(text)
    except UnreadableError as error:
        raise UsageError(f"{path} {error}; give {give}") from error
    except JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON: {error}; was it cut short or edited?") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}; was it edited?") from error
    return _whole(data) if _HALF.search(text) else data


def _whole(value: Any) -> Any:
    """Replace halves of characters, which JSON can escape: nobody could print them."""
    if isinstance(value, str):
        return _HALVES.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def checked(
    model: type[Stored],
    data: Any,
    what: str,
    spare: Collection[str] = (),
    left_out: list[str] | None = None,
) -> dict[str, Any]:
    """Hold what was read against a model.

    Args:
        what: how the message begins: where it stands, and what it should be.
        spare: keys at the top that can be done without.
        left_out: takes what was wrong with these, a line each; None refuses them like all others.

    Returns:
        It as plain values, without keys that the model does not know, nor those left out.

    Raises:
        UsageError: it is not as it should be; every mistake with its place, or the first few.
    """
    try:
        return model.model_validate(data).plain()
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    mistakes = [told(each) for each in wrong]
    if left_out is None or not all(each["loc"] and each["loc"][0] in spare for each in wrong):
        more = f"; and {len(mistakes) - _TOLD} more" if len(mistakes) > _TOLD else ""
        raise UsageError(f"{what}: {'; '.join(mistakes[:_TOLD])}{more}")
    left_out += (f"{what}: left out: {mistake}" for mistake in mistakes)
    gone = {each["loc"][0] for each in wrong}
    return checked(model, {key: data[key] for key in data if key not in gone}, what)
