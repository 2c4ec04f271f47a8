"""What a page takes from a run's folder besides its summary, checked as it is read."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from loadkit.errors import UsageError
from loadkit.results.checked import read_json
from loadkit.results.line_file import forwards
from loadkit.security.escaping import one_line
from loadkit.security.textfile import UnreadableError, clipped, open_file

LONGEST_LINE: Final = 8 << 20
LONGEST_TEXT: Final = 4_000
"""Characters of one text of a stranger's that are shown."""

MOST_LINES: Final = 2_000
"""Of `violations.jsonl` and the like; there are some hundred at most."""


def info(folder: Path, wrong: list[str]) -> Mapping[str, Any]:
    try:
        found = read_json(folder / "run.json", "the folder of a run")
    except UsageError as error:
        wrong.append(str(error))
        return {}
    return found if isinstance(found, Mapping) else {}


def lines(path: Path, wrong: list[str]) -> Iterator[Any]:
    """The objects of a file that has one a line; none where there is no file."""
    if not path.exists():
        return
    try:
        with open_file(path) as file:
            for number_of, line in enumerate(forwards(file, LONGEST_LINE), start=1):
                if number_of > MOST_LINES:
                    wrong.append(f"{path} has more than {MOST_LINES:,} lines")
                    return
                yield json.loads(line)
    except (OSError, UnreadableError, ValueError, RecursionError) as error:
        wrong.append(f"{path}: {clipped(str(error))}")


def said(value: object) -> str:
    return one_line(str(value), LONGEST_TEXT)
