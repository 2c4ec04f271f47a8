"""Errors and violations that are kept with where and when they happened: the first of each kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from loadkit.codec import OPTIONAL, Codec, Line, Name

MOST_KEPT: Final = 30
"""Of each kind of error or violation, of all workers together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One error or violation."""

    of: Literal["errors", "violations"]  # what it is
    kind: Name  # of error, or of violation
    # the wall clock's time, to the millisecond; empty where that is not known
    at: Annotated[Name, OPTIONAL] = ""
    detail: Line = ""  # in words, without secrets
    # see `loadkit.figures.Origin`
    user_class: Name = ""
    session: Line = ""
    correlation_id: Line = ""
    client: Name = ""
    # those that led to a violation, without secrets
    frames: Annotated[tuple[Line, ...], Field(max_length=1_000), OPTIONAL] = ()
    worker: Annotated[Name, OPTIONAL] = ""  # who saw it; empty before the master knows it


OCCURRENCE: Final = Codec[Occurrence](Occurrence)


class Occurrences:
    """Some of each kind, whatever the order in which they come: the earliest ones."""

    def __init__(self) -> None:
        self._found: list[Occurrence] = []

    def __iter__(self) -> Iterator[Occurrence]:
        return iter(self._found)

    def add(self, found: Occurrence) -> None:
        """Keep one, unless there are enough earlier ones of its kind."""
        same = [one for one in self._found if (one.of, one.kind) == (found.of, found.kind)]
        self._found.append(found)
        if len(same) >= MOST_KEPT:
            self._found.remove(max([*same, found], key=_order))


def _order(found: Occurrence) -> tuple[str, ...]:
    """By time and not by arrival: the order of reports must not matter."""
    return found.at, found.worker, found.session, found.detail


def to_the_millisecond(seconds: float) -> str:
    """Return a moment, in seconds since the epoch, as it stands in an occurrence."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
