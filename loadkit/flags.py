"""How the words of a command line are read, by both doors."""

from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["HIGHEST_PORT", "flaw", "path", "port", "positive"]

HIGHEST_PORT: Final = 65_535
"""16 bits hold a port (RFC 9293, section 3.1)."""


def positive(text: str) -> int:
    """Read a count.

    Raises:
        ArgumentTypeError: it is not a whole number above 0.
    """
    number = _whole(text)
    if number < 1:
        raise ArgumentTypeError(f"should be 1 or more, not {text!r}")
    return number


def port(text: str) -> int:
    """Read a port; 0 is any that is free.

    Raises:
        ArgumentTypeError: it is none.
    """
    number = _whole(text)
    if not 0 <= number <= HIGHEST_PORT:
        raise ArgumentTypeError(f"should be from 0 to {HIGHEST_PORT}, not {text!r}")
    return number


def path(text: str) -> Path:
    """Read a path: `~` is a home, as in `--out=~/runs`, where no shell puts it in.

    Raises:
        ArgumentTypeError: nobody has that home.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from error


def flaw(words: Iterable[str]) -> str | None:
    """Say which word of a command line is no text, as a file's name may be; None if all are.

    It could stand neither in a message to a worker nor in the results.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            told = word.encode(errors="backslashreplace").decode()
            return f"{told}: should be UTF-8 text; give the file or folder another name"
    return None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"should be a whole number, not {text!r}") from error
