"""JSON as JavaScript reads it, for the frames that orjson refuses.

Who cuts a text by UTF-16 units, as JavaScript and Java count, may cut an emoji in two: each part
then holds half of it as an escape, `"\\ud83d"`. `JSON.parse` takes that, and numbers without end,
which are infinity to it; so the vendor's clients may. It takes neither NaN nor a byte order mark.
"""

import json
import re
from typing import Any, Final, NoReturn

_HALF: Final = re.compile(r"[\ud800-\udfff]")
_MOST_DIGITS: Final = 300  # of an integer; a double ends at 1.8e308


def loads(frame: bytes | bytearray | memoryview | str) -> tuple[Any, bool]:
    """Return what JSON says, and whether a text in it holds half a character.

    Under the key `text` that half is still there, as the other may come with the next chunk (see
    `mend`); anywhere else it is written as its escape.

    Raises:
        ValueError: it is no JSON, no UTF-8, or nested too deep to be read.
    """
    text = frame if isinstance(frame, str) else bytes(frame).decode()
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=_refuse)
        halves: list[str] = []
        return _spelt_out(value, halves), bool(halves)
    except RecursionError:
        raise ValueError("nested too deep") from None


def mend(text: str) -> str:
    """Join the halves of a character that have come together; U+FFFD for any that has not."""
    if _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _spelt_out(value: Any, halves: list[str]) -> Any:
    if type(value) is str:
        if _HALF.search(value) is None:
            return value
        halves.append(value)
        return value.encode(errors="backslashreplace").decode()
    if type(value) is list:
        return [_spelt_out(one, halves) for one in value]
    if type(value) is dict:
        spelt = {_spelt_out(key, halves): _spelt_out(one, halves) for key, one in value.items()}
        if type(text := value.get("text")) is str:
            spelt["text"] = text
        return spelt
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
