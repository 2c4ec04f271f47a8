"""A CSV file of what people said: its columns, found by their headings where nobody names them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from loadkit.security.textfile import clipped

HEADINGS: Final = {
    "text": ("text", "message", "utterance", "line", "content", "question", "query", "body"),
    "conversation": ("conversation", "dialogue", "session", "chat", "thread", "ticket"),
    "intent": ("intent", "topic", "category"),
    "speaker": ("speaker", "role", "author", "sender", "from"),
}
"""What a column holds → its headings; `conversation_id`, `chat id` and the like count as well."""

USERS: Final = ("user", "customer", "visitor", "client", "caller", "human", "guest", "end_user")
"""Who speaks in the rows that are said, where a column tells; all others' are left out."""

_DELIMITERS: Final = "\t;|,"  # of two that are there as often the first: commas are in texts, too


class CsvRow(NamedTuple):
    """A line of the file that a user says."""

    number: int  # of the file's line that it ends in
    conversation: str  # empty where no column tells, as is:
    intent: str
    text: str


def read_rows(text: str, named: Mapping[str, str]) -> tuple[list[CsvRow], str]:
    """Read what users say, and in words from which columns.

    Args:
        text: the file's, its first line the headings.
        named: what a column holds → its heading, as far as somebody said so.

    Raises:
        ValueError: there is no such column, or the file is no table; the message begins with the
            line where there is one.
    """
    first = re.sub('"[^"]*"', "", text.partition("\n")[0])
    delimiter = max(_DELIMITERS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        headings = [heading.strip() for heading in next(lines, [])]
        columns = dict(_columns(headings, named))
        rows, others = [], Counter[str]()
        for fields in lines:
            if not any(fields):
                continue
            if len(fields) != len(headings):
                raise ValueError(
                    f"line {lines.line_num} has {len(fields)} columns, the headings "
                    f"{len(headings)}: put texts with a {delimiter!r} in double quotes"
                )
            found = {what: fields[column].strip() for what, column in columns.items()}
            if "speaker" in found and _plain(found["speaker"]) not in USERS:
                others[found["speaker"]] += 1
                continue
            conversation, intent = found.get("conversation", ""), found.get("intent", "")
            rows.append(CsvRow(lines.line_num, conversation, intent, found["text"]))
    except csv.Error as error:
        raise ValueError(f"line {lines.line_num}: {error}") from error
    if others and not rows:
        told = ", ".join(repr(clipped(name)) for name, _ in others.most_common(5))
        raise ValueError(
            f"no row is a user's: the column {headings[columns['speaker']]!r} holds {told}; write "
            f"one of {', '.join(USERS)} there, or name another column as speaker"
        )
    return rows, _told(headings, columns, named, others.total())


def _columns(headings: Sequence[str], named: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """What a column holds, and which one it is."""
    plain = [_plain(heading) for heading in headings]
    for what, words in HEADINGS.items():
        if what in named:
            if named[what] not in headings:
                raise ValueError(
                    f"line 1: no column is called {clipped(named[what])!r}; "
                    f"there are: {_listed(headings)}"
                )
            yield what, headings.index(named[what])
            continue
        likely = [*words, *(f"{word}_id" for word in words), *(f"{word}id" for word in words)]
        found = [plain.index(word) for word in likely if word in plain]
        if found:
            yield what, found[0]
        elif what == "text":
            raise ValueError(
                f"line 1: no heading says which column users' messages are in; there are: "
                f"{_listed(headings)}; name it in the profile, as in "
                '[conversation] columns = { text = "…" }'
            )


def _plain(heading: str) -> str:
    return heading.strip().lower().replace(" ", "_").replace("-", "_")


def _listed(headings: Sequence[str]) -> str:
    return clipped(", ".join(map(repr, headings[:100])), 500) or "none"


def _told(
    headings: Sequence[str], columns: Mapping[str, int], named: Mapping[str, str], others: int
) -> str:
    parts = [
        f"{what} from column {headings[column]!r}{'' if what in named else ' (guessed)'}"
        for what, column in columns.items()
    ]
    return ", ".join(parts) + (f", {others:,} rows of other speakers left out" if others else "")
