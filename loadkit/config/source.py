"""A file of settings: its text, its values with overrides, and where each one stands."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, NamedTuple

from loadkit.config.mistakes import ConfigError, Key
from loadkit.security.textfile import MOST_DEPTH, MOST_OF_SETTINGS, clipped, parse_toml, read_text

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_WHOLE: Final = re.compile(r"[+-]?(?:\d[\d_]*|0x[\da-fA-F_]+)")
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=")


class Override(NamedTuple):
    """One `KEY=VALUE` of the command line."""

    key: Key  # where the value goes
    value: Any  # what goes there
    text: str  # as the user wrote it


def read_settings(path: Path) -> str:
    """Read a file of settings, or raise `ConfigError`: it is not there, too big or no text."""
    try:
        return read_text(path, MOST_OF_SETTINGS)
    except ValueError as error:
        raise ConfigError([f"{clipped(str(path))}: {error}"]) from error


def opening_comment(text: str) -> str:
    """The comment lines that a file opens with, as one line."""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("#").split()
    return " ".join(words)


def parse_override(text: str, flat: str | None = None) -> Override:
    """Read `KEY=VALUE`.

    Args:
        text: a dotted key, `=`, and a value written as in TOML; what is not TOML is taken as a
            text, so that `conversation.patience=30s` needs no quotes. A number in the key
            counts list elements from 0: `load.stages.0.users=3`.
        flat: a table whose keys have dots: all that follows its name is one of them.

    Raises:
        ValueError: there is no key or no `=`, or a list, table or quoted text is not closed.
    """
    if not is_text(text):
        raise ValueError("should be UTF-8 text")
    name, equals, written = text.partition("=")
    if not (equals and re.fullmatch(_DOTTED, name.strip())):
        raise ValueError("should be KEY=VALUE, with dots between the names in KEY")
    parts = _parts(name.strip())
    if len(parts) > MOST_DEPTH:
        raise ValueError(f"the key has more than {MOST_DEPTH} parts")
    key = tuple(int(part) if part.isdecimal() and len(part) < 10 else part for part in parts)
    return Override(_joined(key, flat), _value(written.strip()), text)


def is_text(text: str) -> bool:
    """Whether it can be written in UTF-8: it holds no half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(written: str) -> Any:
    try:
        data = parse_toml(f"value = {written}")
    except ValueError as error:
        if written[:1] in ("[", "{", '"', "'"):
            told = str(error)
            place = told.removeprefix("value.")
            raise ValueError(f"the value {told}" if told == place else place) from error
        if _WHOLE.fullmatch(written):
            raise
        return written
    return data["value"] if data.keys() == {"value"} else written


def _parts(dotted: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, dotted)]


def _joined(key: Key, flat: str | None) -> Key:
    return (flat, ".".join(map(str, key[1:]))) if flat and key[0] == flat and key[1:] else key


def laid_over(under: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with another laid over it, key by key and so in the tables inside.

    One that names its `kind` is of its own kind, and whole: it takes the other's place.
    """
    laid = dict(under)
    for key, value in table.items():
        below = laid.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and "kind" not in value:
            value = laid_over(below, value)
        laid[key] = value
    return laid


class Source:
    """The values of one file of settings and where they stand.

    Attributes:
        data: the values, overrides laid over them.
        mistakes: the overrides that cannot be read or fit nowhere.

    Args:
        text: the file's text.
        where: the file's name, to begin each place with; empty if there is no file.
        overrides: `KEY=VALUE` each, as `parse_override` reads it; laid over the values in order.
        flat: a table whose keys have dots, with quotes or without; `data` has it without tables
            inside.
        under: what the values are laid over, key by key, as overrides then are too. None: a table
            that is overridden is replaced, so that what it had can be taken out.

    Raises:
        ConfigError: the text is not TOML, told with line and column.
    """

    def __init__(
        self,
        text: str,
        where: str,
        overrides: Sequence[str] = (),
        *,
        flat: str | None = None,
        under: Mapping[str, Any] | None = None,
    ) -> None:
        self._where, self._flat, self._merges = where, flat, under is not None
        self.mistakes: list[str] = []
        self._overrides = self._read(overrides)
        try:
            self.data = laid_over(deepcopy(under or {}), parse_toml(text))
        except ValueError as error:
            raise ConfigError([f"{where}: {error}", *self.mistakes]) from error
        self._text = text.split("\n")
        self._lines = _line_numbers(self._text, flat)
        self._flatten()  # first, so that an override meets the key however it is written
        for override in self._overrides:
            self._lay(override)
        self._flatten()

    def told(self, key: Key, sentence: str) -> str:
        """Return a complaint about a value as one line: its place, its key and what is said."""
        return ": ".join(filter(None, (self.place(key), ".".join(map(str, key)), sentence)))

    def place(self, key: Key) -> str:
        """Say where a value stands: the override, else file and line, else the file."""
        if override := self.override_of(key):
            return f"--set {clipped(override.text)}"
        touching = ""
        for override in self._overrides:
            if override.key[: len(key)] == key:
                touching = f" with --set {clipped(override.text)}"
        for length in range(len(key), 0, -1):
            number = self._lines.get(key[:length])
            if number is not None:
                return f"{self._where}:{self._inside(number, key[length:])}{touching}"
        return f"{self._where}{touching}".removeprefix(" with ")

    def override_of(self, key: Key) -> Override | None:
        """Return what a value was overridden with: the last that set it or a table around it."""
        over = (one for one in reversed(self._overrides) if key[: len(one.key)] == one.key)
        return next(over, None)

    def lines_of(self, table: str) -> dict[str, int]:
        """Return the line of each key that the file itself has in a table."""
        return {
            str(key[1]): line for key, line in self._lines.items() if key[0] == table and key[1:]
        }

    def _inside(self, number: int, rest: Key) -> int:
        """The line of a list's element where each stands on a line of its own."""
        if not (rest and isinstance(rest[0], int)):
            return number
        end = min((n for n in self._lines.values() if n > number), default=len(self._text) + 1)
        opened = {n: self._text[n - 1].partition("#")[0].count("{") for n in range(number, end)}
        lines = [n for n, braces in opened.items() if braces]
        one_each = max(opened.values()) == 1
        return lines[rest[0]] if one_each and rest[0] < len(lines) else number

    def _read(self, overrides: Sequence[str]) -> list[Override]:
        read: list[Override] = []
        for text in overrides:
            try:
                read.append(parse_override(text, self._flat))
            except ValueError as error:
                self.mistakes.append(f"--set {clipped(text)}: {error}")
        return read

    def _flatten(self) -> None:
        if self._flat and isinstance(table := self.data.get(self._flat), dict):
            self.data[self._flat] = _flattened(table)

    def _lay(self, override: Override) -> None:
        at: Any = self.data
        *way, last = override.key
        for part in way:
            if isinstance(at, dict):
                at = at.setdefault(str(part), {})
            elif isinstance(at, list) and isinstance(part, int) and part < len(at):
                at = at[part]
            else:
                at = None
        if isinstance(at, dict):
            value = {str(last): override.value}
            at |= laid_over(at, value) if self._merges else value
        elif isinstance(at, list) and isinstance(last, int) and last < len(at):
            at[last] = override.value
        else:
            self.mistakes.append(f"--set {clipped(override.text)}: there is no such place")


def _flattened(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`response.p95 = 1` without quotes is a table in TOML; it means the same key."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            flat |= _flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _line_numbers(lines: Sequence[str], flat: str | None) -> dict[Key, int]:
    """Where tables and keys stand, from 1; enough of TOML's grammar for settings."""
    numbers: dict[Key, int] = {}
    last: dict[Key, int] = {}  # index of a list whose tables have headers: `[[load.stages]]`
    table: Key = ()
    for number, line in enumerate(lines, start=1):
        key: Key
        if header := _HEADER.fullmatch(line):
            *above, name = _parts(header[2])
            key = (*_indexed(above, last), name)
            if header[1] == "[[":
                last[key] = last.get(key, -1) + 1
            key = table = (*key, last[key]) if key in last else key
        elif assignment := _ASSIGNMENT.match(line):
            key = _joined((*table, *_parts(assignment[1])), flat)
        else:
            continue
        for length in range(1, len(key) + 1):
            numbers.setdefault(key[:length], number)
    return numbers


def _indexed(parts: Sequence[str], last: Mapping[Key, int]) -> Key:
    """The key of a header's beginning: behind each list the index of its table that is meant."""
    indexed: Key = ()
    for part in parts:
        indexed += (part,)
        if indexed in last:
            indexed += (last[indexed],)
    return indexed
