"""What is not the same in how two runs were made."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadkit.compare.comparison import Difference
from loadkit.security.escaping import one_line

_LONGEST_VALUE: Final = 100  # characters of a value that are shown


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Give the keys that differ, in the order of the one and then of the other.

    Args:
        base, new: by dotted keys.
    """
    for key in {**base, **new}:
        if key not in base or key not in new or base[key] != new[key]:
            yield Difference(one_line(key), _text(base, key), _text(new, key))


def _text(table: Mapping[str, Any], key: str) -> str | None:
    if key not in table:
        return None
    value = table[key]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    told = one_line(text, _LONGEST_VALUE)
    return f"{told}…" if len(text) > _LONGEST_VALUE else told
