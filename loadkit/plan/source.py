"""A profile's text: its opening question, its values with overrides, and where each one stands."""

import re
from collections.abc import Sequence
from typing import Any, Final

from loadkit.textfile import MOST_DEPTH, clipped, parse_toml

__all__ = ["Key", "Override", "Source", "opening_comment", "parse_override"]

Key = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and numbers of list elements."""

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_WHOLE: Final = re.compile(r"[+-]?(?:\d[\d_]*|0x[\da-fA-F_]+)")
_HEADER: Final = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]\s*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=")


class Override:
    """One `KEY=VALUE` of the command line.

    Attributes:
        key: where the value goes.
        value: what goes there.
        text: as the user wrote it.
    """

    __slots__ = ("key", "text", "value")

    def __init__(self, key: Key, value: Any, text: str) -> None:
        self.key, self.value, self.text = key, value, text


def opening_comment(text: str) -> str:
    """The comment lines that a profile opens with, as one line."""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("#").split()
    return " ".join(words)


def parse_override(text: str) -> Override:
    """Read `KEY=VALUE`.

    Args:
        text: a dotted key, `=`, and a value written as in TOML; what is not TOML is taken as a
            text, so that `conversation.patience=30s` needs no quotes. A number in the key
            counts list elements from 0: `load.stages.0.users=3`. All that follows `slo.` is one
            metric: `slo.response.p95=3s`.

    Raises:
        ValueError: there is no key or no `=`, or a list, table or quoted text is not closed.
    """
    if not text.isascii():
        _check_text(text)
    name, equals, written = text.partition("=")
    if not (equals and re.fullmatch(_DOTTED, name.strip())):
        raise ValueError("should be KEY=VALUE with a dotted key, such as load.seed=8")
    parts = _parts(name.strip())
    if len(parts) > MOST_DEPTH:
        raise ValueError(f"the key has more than {MOST_DEPTH} parts")
    if parts[0] == "slo":
        parts = ["slo", ".".join(parts[1:])] if len(parts) > 1 else parts
    key = tuple(int(part) if part.isdecimal() and len(part) < 10 else part for part in parts)
    return Override(key, _value(written.strip()), text)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("should be UTF-8 text") from error


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


class Source:
    """The values of one profile and where they stand.

    Attributes:
        data: the values, overrides laid over them; the metrics of `slo` in one flat table.
        mistakes: the overrides that fit nowhere.

    Args:
        text: the file's text.
        where: the file's name, to begin each place with.
        overrides: laid over the file's values in order.

    Raises:
        ValueError: the text is not TOML; the error names line and column.
    """

    def __init__(self, text: str, where: str, overrides: Sequence[Override] = ()) -> None:
        self._where = where
        self._overrides = overrides
        self.data = parse_toml(text)
        self.mistakes: list[str] = []
        self._text = text.split("\n")
        self._lines = _line_numbers(self._text)
        self._flatten_slo()  # first, so that an override meets the metric however it is written
        for override in overrides:
            self._lay(override)
        self._flatten_slo()

    def place(self, key: Key) -> str:
        """Say where a value stands: the override, else file and line, else the file."""
        touching = ""
        for override in reversed(self._overrides):
            if key[: len(override.key)] == override.key:
                return f"--set {clipped(override.text)}"
            if override.key[: len(key)] == key:
                touching = f" with --set {clipped(override.text)}"
        for length in range(len(key), 0, -1):
            number = self._lines.get(key[:length])
            if number is not None:
                return f"{self._where}:{self._inside(number, key[length:])}{touching}"
        return f"{self._where}{touching}"

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

    def _flatten_slo(self) -> None:
        if isinstance(self.data.get("slo"), dict):
            self.data["slo"] = _flat(self.data["slo"])

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
            at[str(last)] = override.value
        elif isinstance(at, list) and isinstance(last, int) and last < len(at):
            at[last] = override.value
        else:
            self.mistakes.append(f"--set {clipped(override.text)}: the profile has no such place")


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`response.p95 = 1` without quotes is a table in TOML; it means the same metric."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _line_numbers(lines: Sequence[str]) -> dict[Key, int]:
    """Where tables and keys stand, from 1; enough of TOML's grammar for a profile."""
    numbers: dict[Key, int] = {}
    table: list[str] = []
    for number, line in enumerate(lines, start=1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header[1])
            numbers.setdefault(tuple(table), number)
        elif assignment := _ASSIGNMENT.match(line):
            key = [*table, *_parts(assignment[1])]
            if key[0] == "slo" and len(key) > 1:
                key = ["slo", ".".join(key[1:])]
            for length in range(1, len(key) + 1):
                numbers.setdefault(tuple(key[:length]), number)
    return numbers
