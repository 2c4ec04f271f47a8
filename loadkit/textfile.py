"""How a user's file is read: what editors and spreadsheets write, and nothing without end."""

import tomllib
from pathlib import Path
from typing import Any, Final

__all__ = ["MOST_BYTES", "parse_toml", "read_text"]

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one file: what is read, checked and sent to each worker within seconds."""


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text, with a byte order mark or without.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too big or no such text; the message begins with the place, if any.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)  # and no more: it may be a device
    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 1024**2} MB, the most that is read")
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


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none, with line and column where these are known.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("tables or lists are nested without end") from None
