"""What people say: the built-in conversations and the loader of a user's own."""

import json
import random
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, overload

from pydantic.dataclasses import dataclass

from loadkit.errors import UsageError
from loadkit.plan.suggest import did_you_mean

__all__ = [
    "MAX_LINE",
    "SECTORS",
    "Dialogue",
    "DialogueError",
    "Repertoire",
    "builtin",
    "load_dialogues",
]

SECTORS: Final = ("retail", "banking", "travel", "telecoms", "utilities", "healthcare")

MAX_LINE: Final = 32_000
"""Characters in a line: at most four bytes each in UTF-8, so it fits the target's 128 KB frame."""

_KEYS: Final = ("intent", "lines")


class DialogueError(UsageError):
    """A file of dialogues that cannot be used.

    Attributes:
        mistakes: each with its place and its mend.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The user's half of one conversation.

    Attributes:
        intent: what the person is after, e.g. `late_delivery`.
        lines: what the person types, a message each, in order.
        sector: the line of business; empty for a user's own file.
    """

    intent: str
    lines: tuple[str, ...]
    sector: str = ""


class Repertoire(Sequence[Dialogue]):
    """Dialogues with an index of their kin; one is shared by all persons of a worker."""

    __slots__ = ("_by_intent", "_by_sector", "_dialogues")

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._dialogues = tuple(dialogues)
        self._by_intent: dict[tuple[str, str], list[Dialogue]] = {}
        self._by_sector: dict[str, list[Dialogue]] = {}
        for dialogue in self._dialogues:
            self._by_intent.setdefault((dialogue.sector, dialogue.intent), []).append(dialogue)
            self._by_sector.setdefault(dialogue.sector, []).append(dialogue)

    @overload
    def __getitem__(self, index: int) -> Dialogue: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Dialogue, ...]: ...
    def __getitem__(self, index: int | slice) -> Dialogue | tuple[Dialogue, ...]:
        return self._dialogues[index]

    def __len__(self) -> int:
        return len(self._dialogues)

    def __iter__(self) -> Iterator[Dialogue]:
        return iter(self._dialogues)

    def lines(self, count: int, rng: random.Random) -> tuple[str, ...]:
        """Choose a dialogue and what is said in that many turns.

        A dialogue that is too short is continued by another of the same intent, else of the same
        sector, as a person does who has one more question; they repeat only once all were said.

        Returns:
            The lines; the first `count` of them are to be said. The dialogue's own tuple where
            it is long enough, so that persons share it.
        """
        first = self._dialogues[rng.randrange(len(self._dialogues))]
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
    """The dialogues that come with the package.

    Args:
        sector: one of `SECTORS`; empty for all of them.
    """
    folder = files("loadkit.plan") / "dialogues"
    found: list[Dialogue] = []
    for name in [sector] if sector else SECTORS:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        found += _from_toml(text, f"{name}.toml", sector=name)
    return Repertoire(found)


def load_dialogues(path: Path) -> tuple[Dialogue, ...]:
    """Read a user's own dialogues.

    Args:
        path: a `.jsonl` file, a JSON object a line (`{"intent": "…", "lines": ["…", …]}`), or a
            `.toml` file of `[[conversation]]` tables with the same two keys.

    Raises:
        DialogueError: the file cannot be read, is empty, or holds mistakes; all are told.
    """
    if path.suffix not in (".jsonl", ".toml"):
        raise DialogueError([f"{path}: should end in .jsonl or .toml, to tell how to read it"])
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DialogueError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise DialogueError([f"{path}: should be UTF-8 text: {error.reason}"]) from error
    read = _from_toml if path.suffix == ".toml" else _from_jsonl
    dialogues = read(text, str(path))
    if not dialogues:
        raise DialogueError([f"{path}: holds no conversation; write at least one"])
    return tuple(dialogues)


def _from_jsonl(text: str, where: str) -> list[Dialogue]:
    items: list[tuple[str, Any]] = []
    mistakes: list[str] = []
    # not splitlines(), which also splits at U+2028, legal inside a JSON string
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            items.append((f"{where}:{number}", json.loads(line)))
        except ValueError as error:
            mistakes.append(f"{where}:{number}: should be one JSON object: {error}")
    return _checked(items, mistakes)


def _from_toml(text: str, where: str, *, sector: str = "") -> list[Dialogue]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
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
    items: Sequence[tuple[str, Any]], mistakes: list[str], *, sector: str = ""
) -> list[Dialogue]:
    dialogues: list[Dialogue] = []
    for place, item in items:
        flaws = [f"{place}: {flaw}" for flaw in _flaws(item)]
        mistakes += flaws
        if not flaws:
            dialogues.append(Dialogue(item["intent"], tuple(item["lines"]), sector))
    if mistakes:
        raise DialogueError(mistakes)
    return dialogues


def _flaws(item: Any) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f'should be an object with "intent" and "lines", not {str(item)[:40]!r}'
        return
    for key in item.keys() - set(_KEYS):
        yield f"unknown key {key!r}{did_you_mean(key, _KEYS)}"
    intent = item.get("intent")
    if not (isinstance(intent, str) and intent.strip()):
        yield "intent should be a text that is not empty"
    lines = item.get("lines")
    if not (isinstance(lines, list) and lines):
        yield "lines should be a list of at least one text"
        return
    for number, line in enumerate(lines, start=1):
        if not (isinstance(line, str) and line.strip()):
            yield f"line {number} should be a text that is not empty"
        elif len(line) > MAX_LINE:
            yield f"line {number} has {len(line)} characters; {MAX_LINE} fit a message"
