"""The slowest turns, each with what was seen of it: of an interval, and of a run and its parts."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from loadkit.codec import OPTIONAL, Amount, Codec, Count, Line, Name, Number, Stamp
from loadkit.figures import Answered, TurnSeen
from loadkit.measure.occurrence import to_the_millisecond
from loadkit.security.escaping import one_line

MOST_OF_AN_INTERVAL: Final = 5
"""That a worker keeps of one interval."""

SLOWEST: Final = 50
"""That are kept of a whole run, whenever they were."""

OF_A_PART: Final = 3
"""That are kept of each part of a run besides, so that a quiet hour has its slowest too."""

MOST_PARTS: Final = 250
"""Into which a run is divided; they get longer with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowTurn:
    """A turn that was answered late. Times in milliseconds count from when it was sent.

    Attributes:
        took_ms: until its answer was complete.
        at_s: when it was sent, in seconds of the run; on a worker's own clock until the master
            has it.
        at: the same by the wall clock, to the millisecond; empty where that is not known.
        number: which of its session's messages it is, from 1 on.
        due_ms: when the plan wanted it sent, at or below 0; None for what no plan schedules.
        echo_ms, thinking_ms: when each was seen; None where none was.
        chunks_ms: when the first chunks of the answer came; empty for a whole one.
        user_class, session, correlation_id, client: see `loadkit.figures.Origin`.
        worker: who had it; empty before the master knows it.
    """

    took_ms: Amount
    at_s: Stamp
    at: Annotated[Name, OPTIONAL] = ""
    number: Count
    due_ms: Number | None = None
    echo_ms: Number | None = None
    thinking_ms: Number | None = None
    chunks_ms: Annotated[tuple[Number, ...], Field(max_length=1_000), OPTIONAL] = ()
    user_class: Name = ""
    session: Line = ""
    correlation_id: Line = ""
    client: Name = ""
    worker: Annotated[Name, OPTIONAL] = ""


SLOW_TURN: Final = Codec[SlowTurn](SlowTurn)


class _Answer(NamedTuple):
    """What a slow turn is told from; stamps in seconds on the monotonic clock."""

    took: float
    sent: float
    due: float | None
    ended: float | None  # seconds since the epoch; None where that is not known
    number: int
    seen: TurnSeen


class SlowestOfInterval:
    """The slowest turns of one interval, put into words when that is over: most are forgotten.

    Attributes:
        over: a turn has to take more seconds than that to be among them.
    """

    __slots__ = ("_answers", "over")

    def __init__(self) -> None:
        self._answers: list[_Answer] = []
        self.over = 0.0

    def add(
        self, turn: Answered, due: float | None, sent: float, took: float, ended: float | None
    ) -> None:
        """Take one; arguments as of `Recorder.sample`, and when it ended by the wall clock."""
        answers = self._answers
        answers.append(_Answer(took, sent, due, ended, turn.number, turn.seen()))
        answers.sort(key=_took)
        if len(answers) > MOST_OF_AN_INTERVAL:
            del answers[0]
        if len(answers) == MOST_OF_AN_INTERVAL:
            self.over = answers[0].took

    def told(self) -> tuple[SlowTurn, ...]:
        """Return them."""
        return tuple(_told(each) for each in self._answers)


def _told(one: _Answer) -> SlowTurn:
    sent, seen = one.sent, one.seen
    origin = {name: one_line(text) for name, text in seen.origin._asdict().items()}
    return SlowTurn(
        took_ms=_ms(one.took),
        at_s=sent,
        at="" if one.ended is None else to_the_millisecond(one.ended - one.took),
        number=one.number,
        due_ms=None if one.due is None else _ms(one.due - sent),
        echo_ms=None if seen.echo is None else _ms(seen.echo - sent),
        thinking_ms=None if seen.thinking is None else _ms(seen.thinking - sent),
        chunks_ms=tuple(_ms(chunk - sent) for chunk in seen.chunks),
        **origin,
    )


def _took(one: _Answer) -> float:
    return one.took


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


class SlowTurns:
    """The slowest of a run and of each of its parts, whatever the order in which they come."""

    def __init__(self) -> None:
        self._length = 1.0  # seconds of a part
        self._slowest: list[SlowTurn] = []
        self._parts: defaultdict[int, list[SlowTurn]] = defaultdict(list)

    def __iter__(self) -> Iterator[SlowTurn]:
        """Give them, the slowest first."""
        every = {*self._slowest, *(turn for part in self._parts.values() for turn in part)}
        return iter(sorted(every, key=_order))

    def add(self, turn: SlowTurn) -> None:
        """Keep one, unless there are enough that are slower."""
        _keep(self._slowest, turn, SLOWEST)
        _keep(self._parts[self._part(turn)], turn, OF_A_PART)
        while len(self._parts) > MOST_PARTS:
            self._length *= 2
            before, self._parts = self._parts, defaultdict(list)
            for part in before.values():
                for one in part:
                    _keep(self._parts[self._part(one)], one, OF_A_PART)

    def _part(self, turn: SlowTurn) -> int:
        return int(turn.at_s // self._length)


def _keep(turns: list[SlowTurn], turn: SlowTurn, most: int) -> None:
    if len(turns) < most:
        turns.append(turn)
    elif _order(turn) < _order(slowest_but_one := max(turns, key=_order)):
        turns[turns.index(slowest_but_one)] = turn


def _order(turn: SlowTurn) -> tuple[object, ...]:
    """By time and not by arrival: the order of reports must not matter."""
    return -turn.took_ms, turn.at_s, turn.worker, turn.session, turn.number
