"""What people say: the built-in conversations and the loader of a user's own."""

import io
import random
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic.dataclasses import dataclass

from loadkit.config.mistakes import did_you_mean
from loadkit.config.source import is_text
from loadkit.errors import UsageError
from loadkit.profile.dialogue_csv import read_rows
from loadkit.protocol.encode import user_message
from loadkit.security.textfile import clipped, parse_json, parse_toml, read_text

SECTORS: Final = ("retail", "banking", "travel", "telecoms", "utilities", "healthcare")

LARGEST_MESSAGE: Final = 128 * 1024
"""Bytes of a message as JSON, which is the target's limit."""

MOST_MISTAKES: Final = 20
"""That are told of one file; what is wrong everywhere is known by then."""

ENOUGH: Final = 1_000
"""Mistakes after which no more is looked for."""

_LOCAL_ID: Final = "0" * 36  # no longer one goes with a message

_KEYS: Final = ("intent", "lines")


class DialogueError(UsageError):
    """A file of dialogues that cannot be used."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = list(mistakes[:MOST_MISTAKES])  # each with its place and its mend
        if len(mistakes) > MOST_MISTAKES:
            others = f"{min(len(mistakes), ENOUGH) - MOST_MISTAKES:,}"
            told = f"{others} or more" if len(mistakes) > ENOUGH else others
            self.mistakes.append(f"… and {told} others in that file")
        super().__init__("\n".join(self.mistakes))


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The user's half of one conversation."""

    intent: str  # what the person is after, e.g. `late_delivery`.
    lines: tuple[str, ...]  # what the person types, a message each, in order
    sector: str = ""  # the line of business; empty for a user's own file


class Repertoire:
    """Dialogues with an index of their kin; one is shared by all persons of a worker."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self.every = tuple(dialogues)
        self._by_intent: dict[tuple[str, str], list[Dialogue]] = {}
        self._by_sector: dict[str, list[Dialogue]] = {}
        for dialogue in self.every:
            self._by_intent.setdefault((dialogue.sector, dialogue.intent), []).append(dialogue)
            self._by_sector.setdefault(dialogue.sector, []).append(dialogue)

    def lines(self, count: int, rng: random.Random) -> tuple[str, ...]:
        """Choose a dialogue and what is said in that many turns.

        A dialogue that is too short is continued by another of the same intent, else of the same
        sector, as a person does who has one more question; they repeat only once all were said.
        Of what is returned the first `count` lines are to be said: where a dialogue is long enough
        it is its own tuple, so that persons share it.
        """
        first = self.every[rng.randrange(len(self.every))]
        if len(first.lines) >= count:
            return first.lines
        lines = list(first.lines)
        said = {id(first)}
        kin = self._by_intent[first.sector, first.intent], self._by_sector[first.sector]
        while len(lines) < count:
            fresh: list[Dialogue] = []
            for circle in kin:
                fresh = fresh or [d for d in circle if id(d) not in said]
            if not fresh:
                said.clear()
                continue
            following = fresh[rng.randrange(len(fresh))]
            said.add(id(following))
            lines.extend(following.lines)
        return tuple(lines[:count])


@cache
def builtin(sector: str = "") -> Repertoire:
    """The dialogues that come with the package, of all `SECTORS` or of one."""
    folder = files("loadkit.profile") / "dialogues"
    found: list[Dialogue] = []
    for name in [sector] if sector else SECTORS:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        found += _from_toml(text, f"{name}.toml", sector=name)
    return Repertoire(found)


def load_dialogues(
    path: Path, columns: Mapping[str, str] | None = None
) -> tuple[tuple[Dialogue, ...], str]:
    """Read a user's own dialogues. Also returns in words how a CSV file was read; "" for others.

    Args:
        path: a `.jsonl` file, a JSON object a line (`{"intent": "…", "lines": ["…", …]}`), a
            `.toml` file of `[[conversation]]` tables with the same two keys, or a `.csv` or
            `.tsv` file with headings.
        columns: of a CSV file: what a column holds → its heading; the others are guessed.

    Raises:
        DialogueError: the file cannot be read, is empty, or holds mistakes; all are told.
    """
    try:
        text = read_text(path)
    except ValueError as error:
        raise DialogueError([f"{clipped(str(path))}: {error}"]) from error
    told = ""
    match path.suffix.lower():
        case ".jsonl":
            dialogues = _checked(_lines(text, str(path)), [])
        case ".toml":
            dialogues = _from_toml(text, str(path))
        case ".csv" | ".tsv":
            dialogues, told = _from_csv(text, str(path), columns or {})
        case _:
            endings = ".jsonl, .toml, .csv or .tsv"
            raise DialogueError([f"{path}: should end in {endings}, to tell how to read it"])
    if not dialogues:
        raise DialogueError([f"{path}: holds no conversation; write at least one"])
    return tuple(dialogues), told


def _from_csv(text: str, where: str, columns: Mapping[str, str]) -> tuple[list[Dialogue], str]:
    try:
        rows, told = read_rows(text, columns)
    except ValueError as error:
        raise DialogueError([f"{where}: {error}"]) from error
    flaws = (
        f"{where}: line {row.number}: the text {flaw}"
        for row in rows
        if (flaw := _flaw_of_line(row.text))
    )
    if mistakes := list(islice(flaws, ENOUGH + 1)):
        raise DialogueError(mistakes)
    lines: dict[str, list[str]] = {}
    intents: dict[str, str] = {}
    for row in rows:
        # Without such a column each row is a conversation, to be continued by others like it.
        key = row.conversation or f"\0{row.number}"
        lines.setdefault(key, []).append(row.text)
        intents.setdefault(key, row.intent or "any")
    dialogues = [Dialogue(intents[key], tuple(said)) for key, said in lines.items()]
    count = f"{len(dialogues):,} conversations, {len(rows):,} lines"
    return dialogues, f"{where}: {count}; {told}"


def _lines(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """Each line that holds something: its place, and its value or what is wrong with it."""
    # not splitlines(), which also splits at U+2028, legal inside a JSON string; and one at a time,
    # for as values all of them take many times the file's size
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        if line.strip():
            try:
                yield f"{where}:{number}", parse_json(line)
            except ValueError as error:
                yield f"{where}:{number}", error


def _from_toml(text: str, where: str, *, sector: str = "") -> list[Dialogue]:
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise DialogueError([f"{where}: {error}"]) from error
    mistakes = [
        f"{where}: unknown key {key!r}{did_you_mean(key, ['conversation'])}"
        for key in data.keys() - {"conversation"}
    ]
    entries = data.get("conversation", [])
    if not isinstance(entries, list):
        mistakes.append(f"{where}: write each conversation as [[conversation]], in double brackets")
        entries = []
    numbers = [
        number
        for number, line in enumerate(text.split("\n"), start=1)
        if line.partition("#")[0].replace(" ", "").strip() == "[[conversation]]"
    ]
    if len(numbers) == len(entries):
        items = [
            (f"{where}:{number}", entry) for number, entry in zip(numbers, entries, strict=True)
        ]
    else:  # written inline, or the header's text stands inside a line
        items = [(f"{where}: conversation {i}", entry) for i, entry in enumerate(entries, start=1)]
    return _checked(items, mistakes, sector=sector)


def _checked(
    items: Iterable[tuple[str, Any]], mistakes: list[str], *, sector: str = ""
) -> list[Dialogue]:
    dialogues: list[Dialogue] = []
    for place, item in items:
        flaws = [f"{place}: {flaw}" for flaw in _flaws(item)]
        mistakes += flaws
        if len(mistakes) > ENOUGH:
            break  # it is another kind of file, and may have millions of them
        if not flaws:
            dialogues.append(Dialogue(item["intent"], tuple(item["lines"]), sector))
    if mistakes:
        raise DialogueError(mistakes)
    return dialogues


def _flaws(item: Any) -> Iterator[str]:
    if isinstance(item, ValueError):
        yield f"should be one JSON object: {item}"
        return
    if not isinstance(item, dict):
        yield f'should be an object with "intent" and "lines", not {reprlib.repr(item)!r}'
        return
    for key in item.keys() - set(_KEYS):
        yield f"unknown key {clipped(key)!r}{did_you_mean(key, _KEYS)}"
    intent = item.get("intent")
    if not (isinstance(intent, str) and intent.strip() and is_text(intent)):
        yield "intent should be a text that is not empty"
    lines = item.get("lines")
    if not (isinstance(lines, list) and lines):
        yield "lines should be a list of at least one text"
        return
    for number, line in enumerate(lines, start=1):
        if flaw := _flaw_of_line(line):
            yield f"line {number} {flaw}"


def _flaw_of_line(line: Any) -> str | None:
    """What keeps a line from being said; None if it can be."""
    if not (isinstance(line, str) and line.strip()):
        return "should be a text that is not empty"
    try:
        size = len(user_message(line, _LOCAL_ID))
    except TypeError:  # orjson's, of what is no text in UTF-8
        return "holds half of a character, as \\ud83d without its other half: write it whole"
    if size > LARGEST_MESSAGE:
        return (
            f"takes {size:,} bytes as a message in JSON; {LARGEST_MESSAGE:,} are the most: split it"
        )
    return None
