"""The door for the files that a user hands over: ordinary files alone, and nothing without end.

Every fault is a `ValueError` whose text goes on where the file's name ends: `{path}: {error}`.
"""

import errno
import json
import math
import os
import re
import select
import stat
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Final

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one file: what is read, checked and sent to each worker within seconds."""

MOST_OF_SETTINGS: Final = 1024 * 1024
"""Bytes of a file of settings; the longest of our own has 3 KB."""

MOST_DEPTH: Final = 32
"""Tables and lists inside each other; no setting of ours lies deeper than 6."""

MOST_KEYS: Final = 1_000
"""Keys of one table; the longest of ours has some 40."""

WRITES: Final = 30.0
"""Seconds in which whoever writes into a pipe is to be done."""

STDIN: Final = Path("/dev/stdin")

_MAX_INT: Final = 2**63
"""TOML and JSON readers need take no integer of more than 64 bits (TOML 1.0, section Integer)."""

_MOST_DIGITS: Final = len(str(_MAX_INT))
_TOO_DEEP: Final = f"tables or lists are nested more than {MOST_DEPTH} deep"

_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "is a folder, not a file"),
    (stat.S_ISFIFO, "is a pipe, not a file: save what comes out of it to one"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)

# A dotted key of so many parts: tomllib's work grows with the square of their number.
_LONG_KEY: Final = re.compile(
    rf"(?<![\w.-])(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
    rf"(?:[ \t]*+\.[ \t]*+(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')){{{2 * MOST_DEPTH}}}"
)
_LONG_NUMBER: Final = re.compile(r"\d[\d_]{4000,}")


class UnreadableError(ValueError):
    """There is no such file, it may not be read, or it is of another kind."""


# --- bytes ----------------------------------------------------------------------------------------


def open_file(path: Path) -> BinaryIO:
    """Open an ordinary file for reading; it never waits, whatever is there.

    Raises:
        UnreadableError: it is a folder, a pipe, a socket or a device, or it cannot be opened.
    """
    try:
        # Not blocking: a pipe that nobody writes into would keep us for good.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            told = (text for is_such, text in _KINDS if is_such(mode))
            raise UnreadableError(next(told, "is no ordinary file"))
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def _unreadable(path: Path, error: OSError | ValueError) -> UnreadableError:
    if not isinstance(error, OSError):
        return UnreadableError("cannot be read: no file's name has a NUL in it")
    if error.errno == errno.ENXIO:
        return UnreadableError("is a socket, not a file")
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        gone = clipped(os.readlink(path))
        return UnreadableError(f"cannot be read: it is a link to {gone}, which is not there")
    return UnreadableError(f"cannot be read: {error.strerror}")


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read an ordinary file of so many bytes of UTF-8 text, with a byte order mark or without.

    Raises:
        UnreadableError: as `open_file` does.
        ValueError: it is too big or no such text.
    """
    with open_file(path) as file:
        try:
            # And no more: some files of the kernel have no end, and others nothing to read yet.
            data = file.read(most + 1) or b""
        except OSError as error:
            raise _unreadable(path, error) from error
    return _text(data, most)


def read_pipe(path: Path, most: int = MOST_OF_SETTINGS) -> str:
    """Read so many bytes of text from a pipe to its end: one of a shell's `<(…)`, or `STDIN`.

    Raises:
        UnreadableError: it is a folder or a device, or whoever writes into it is not done in time.
        ValueError: it is too much, or no UTF-8 text.
    """
    try:
        # Standard input may be a socket, which no path opens.
        number = os.dup(0) if path == STDIN else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISDIR(mode):
            raise UnreadableError("is neither a file nor a pipe")
        return _text(_drained(number, most), most)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(number)


def _drained(number: int, most: int) -> bytes:
    data, until = bytearray(), monotonic() + WRITES
    pipe = select.poll()
    pipe.register(number, select.POLLIN | select.POLLHUP)
    while len(data) <= most:
        # Nobody may have opened the other end yet: then a read would find the end at once.
        if not pipe.poll(1000 * max(0.0, until - monotonic())):
            raise UnreadableError(f"whoever writes into this pipe was not done after {WRITES:g} s")
        if not (piece := os.read(number, 65_536)):
            break
        data += piece
    return bytes(data)


def _text(data: bytes, most: int) -> str:
    if len(data) > most:
        raise ValueError(f"is larger than {most // 1024**2} MB, the most that is read")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("is UTF-16 text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"should be UTF-8 text: line {line} has the byte 0x{data[error.start]:02x}; save it as "
            "UTF-8"
        ) from error


# --- values ---------------------------------------------------------------------------------------


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none, with line and column where these are known; or it is nested too
            deep, a table has too many keys, or a number too many digits.
    """
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line}: a key has more than {2 * MOST_DEPTH} parts")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {error}") from error
    except ValueError as error:  # Python's own, of a number
        raise ValueError(_number_of_text(text) or str(error)) from None
    _check(data)
    return data


def parse_json(text: str) -> Any:
    """Parse JSON; raises ValueError as `parse_toml`, or where a number is not finite."""
    try:
        data = _JSON.decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise ValueError(_number_of_text(text) or str(error)) from None
    _check(data)
    return data


def _float(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"{clipped(text)} is no number that can be used")


_JSON: Final = json.JSONDecoder(parse_float=_float, parse_constant=_float)


def _number_of_text(text: str) -> str | None:
    found = _LONG_NUMBER.search(text)
    if found is None:
        return None
    line, digits = text.count("\n", 0, found.start()) + 1, len(found[0])
    return f"line {line}: a number has {digits:,} digits; the most is {_MOST_DIGITS}"


def _check(data: Any) -> None:
    """Refuse what none of those who read it on is made for."""
    if found := _flaw(data, 0):
        where, what = found
        raise ValueError(f"{where}: {what}" if where else what)


def _flaw(value: Any, depth: int) -> tuple[str, str] | None:
    """What is wrong with a value: where in it, and what."""
    below: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        if len(value) > MOST_KEYS:
            return "", f"a table of {len(value):,} keys; the most is {MOST_KEYS:,}"
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    elif isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        digits = int(value.bit_length() * math.log10(2)) + 1
        return "", f"a whole number of some {digits:,} digits; the most is {_MOST_DIGITS}"
    else:
        return None
    if depth == MOST_DEPTH:
        return "", _TOO_DEEP
    for key, each in below:
        if type(each) is not str and (found := _flaw(each, depth + 1)):
            where, what = found
            return f"{clipped(str(key))}.{where}".rstrip("."), what
    return None


def clipped(text: str, most: int = 200) -> str:
    """Return a text with its middle left out where it is long, to be told of."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 + 1 :]}"
