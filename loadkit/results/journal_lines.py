"""What the lines of `journal.jsonl` are, for who writes them and who reads them again.

Lines are JSON objects with one key: `head`; `known`, what all ticks before had told; `state`, a
part of the ledger's; `interval`; `tick`, what has changed since the last one.

A number that says how much there is, or how long, decides how much memory and time it takes to do
again what the journal tells: none may be larger than a run can be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import BeforeValidator, Field, PlainSerializer

from loadkit.codec import Codec, Count, Name, Seconds, whole
from loadkit.measure.interval import Interval
from loadkit.measure.state import PART, StatePart
from loadkit.profile.tables import Load
from loadkit.results.checked import MOST_BYTES
from loadkit.security.textfile import parse_json
from loadkit.verdict.run_facts import MOST_BY_HAND, DoneByHand, RunFacts, RunSpec

SCHEMA: Final = "loadkit.journal/2"

TAIL: Final = ("interval", "tick")
"""What comes line by line once all that was known is written: each can be done without."""

LONGEST: Final = 3600.0
"""Seconds of one interval; a worker reports once a second."""

_MOST_LOAD: Final = 1e9  # users, arrivals a second, and seconds of all stages


def _moment(plain: object) -> datetime:
    moment = datetime.fromisoformat(str(plain))
    if not 1970 <= moment.year <= 2999:
        raise ValueError("should be a moment of our times")
    return moment


@dataclass(frozen=True, slots=True)
class Head:
    """What a journal begins with."""

    # the wall clock's time at second 0 of the run
    started: Annotated[datetime, BeforeValidator(_moment), PlainSerializer(datetime.isoformat)]
    # seconds that a row of its timeline lasts
    interval: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.05, le=3600)]
    spec: Annotated[RunSpec, whole("limits"), Field(alias="what")]  # what was asked for
    run: Mapping[Name, Any]  # what `run.json` will say of the run


@dataclass(frozen=True, slots=True)
class NotedLine:
    """An interval that the ledger has taken."""

    worker: Name  # whose it is
    seq: Annotated[int, Field(strict=True, ge=0, le=10**9)]  # its number
    at: Seconds  # when it came
    of: Interval


def _load(plain: Any) -> Load:
    load = Load.model_validate_json(orjson.dumps(plain))
    if max(load.duration_s, load.peak_users, load.peak_rate) > _MOST_LOAD:
        raise ValueError("asks for more than any run can")
    return load


@dataclass(frozen=True, slots=True)
class Tick:
    """What is known besides, as far as a line tells of it: what has changed since the one before.

    None of what has not.
    """

    at: Seconds | None = None  # the second of the run
    users: Count | None = None  # how many are at work
    load: Annotated[Load, BeforeValidator(_load)] | None = None  # that is asked for
    # what became of the run so far
    facts: Annotated[RunFacts | None, Field(alias="besides")] = None
    # all that was done by hand so far
    by_hand: Annotated[tuple[DoneByHand, ...], Field(max_length=MOST_BY_HAND)] | None = None


HEAD: Final = Codec[Head](Head)
NOTED: Final = Codec[NotedLine](NotedLine)
_TICK: Final = Codec[Tick](Tick)

Record = Tick | StatePart | NotedLine


def _noted(plain: object) -> NotedLine:
    noted = NOTED.decode(plain)
    seconds = noted.of.end - noted.of.start
    if not -1.0 <= seconds <= LONGEST:
        raise ValueError(f"lasts {seconds:,.0f} s")
    return noted


_LINES: Final[dict[str, Callable[[object], Record]]] = {
    "known": _TICK.decode,
    "tick": _TICK.decode,
    "state": PART.decode,
    "interval": _noted,
}


def head(line: bytes) -> Head:
    """Return what a journal begins with.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = parse_json(line.decode())
    content = data.get("head") if isinstance(data, dict) else None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"it does not begin as {SCHEMA}")
    return HEAD.decode(content)


def record(line: bytes) -> tuple[str, Record]:
    """Return of another line what it is, and what it says.

    Raises:
        ValueError: it is none; the text says why.
    """
    _bounded(line)
    data = orjson.loads(line)
    if not isinstance(data, dict) or len(data) != 1 or not data.keys() <= _LINES.keys():
        raise ValueError(f"should be one of {', '.join(_LINES)}")
    ((kind, content),) = data.items()
    return kind, _LINES[kind](content)


def _bounded(line: bytes) -> None:
    if len(line) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES // 1024**2} MB")
