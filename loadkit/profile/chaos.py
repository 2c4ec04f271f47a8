"""Forced disconnects as a plan: to whom, when and how. The driver carries them out."""

import math
import random
from array import array
from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, get_args

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from loadkit.config.table import Duration, Ratio, Table
from loadkit.profile.tables import Weight, known_class
from loadkit.stats.random_streams import RandomStream, exponential, share_of, weighted

FaultKind = Literal["close", "fin", "reset", "half_open", "stall"]


class ChaosFault(NamedTuple):
    """One thing that goes wrong with a connection."""

    # `close`, a closing handshake with `code`; `fin`, the connection is closed without one;
    # `reset`, a TCP reset; `half_open`, nothing passes any more and neither end is told; `stall`,
    # nothing passes for `seconds`, then everything does
    kind: str
    code: int | None = None
    seconds: float = 0.0


class Moments(Table):
    """The chance of a fault each time the moment comes."""

    connect: Ratio = 0.0  # the socket is open, the history has not come
    replay: Ratio = 0.0  # the history is coming after a reconnect
    join: Ratio = 0.0  # the join was sent, the agent has not joined
    between_turns: Ratio = 0.0  # the answer is complete, the person has not begun to type
    before_echo: Ratio = 0.0  # a message was sent, its echo has not come
    mid_stream: Ratio = 0.0  # a chunk came that is not the last one
    queue: Ratio = 0.0  # waiting for a human
    human: Ratio = 0.0  # talking to a human


MOMENTS: Final = tuple(Moments.model_fields)


class FaultWeights(Table):
    """Weights of the kinds of fault, see `ChaosFault`; what is not named weighs nothing."""

    close: Weight = 0.0
    fin: Weight = 0.0
    reset: Weight = 0.0
    half_open: Weight = 0.0
    stall: Weight = 0.0

    @model_validator(mode="after")
    def _weighs_something(self) -> "FaultWeights":
        if not any(self.model_dump().values()):
            raise ValueError(
                f"should give one of {', '.join(get_args(FaultKind))} a weight above 0"
            )
        return self


class StormTable(Table):
    """Many sessions hit at one moment, as when a balancer restarts."""

    at: Duration  # seconds from the start of the run
    share: Ratio  # of all sessions that are connected then, whatever their class
    how: FaultKind = "reset"  # the one kind of fault they all meet


def _class_or_all(name: str, info: ValidationInfo) -> str:
    return name if name == "*" else known_class(name, info)


def _codes(codes: dict[str, float]) -> dict[str, float]:
    for code in codes:
        number = int(code) if code.isdecimal() else 0
        # RFC 6455, 7.4: below 1000 unused, from 5000 undefined, these three never on the wire
        if not 1000 <= number < 5000 or number in (1005, 1006, 1015):
            raise ValueError(f"{code!r} is no code that a client can close with")
    if not any(codes.values()):
        raise ValueError("should give at least one close code a weight above 0")
    return codes


class Chaos(Table):
    """Which sessions are disconnected by force, how often, and how. The defaults are ours."""

    # the user classes whose sessions meet faults; `*` for all. Storms hit all.
    classes: Annotated[
        tuple[Annotated[str, AfterValidator(_class_or_all)], ...], Field(strict=False)
    ] = ("FlakyNetworkChat",)
    # rate a minute of a session's life, at exponential distances: a Poisson process. Of the clock,
    # not scaled.
    per_minute: Annotated[float, Field(ge=0)] = 0.5
    per_turn: Ratio = 0.1  # chance in each turn, at a moment drawn uniformly from it
    at: Moments = Moments(mid_stream=0.05)
    how: FaultWeights = FaultWeights(close=1, fin=2, reset=2, half_open=1, stall=1)
    # weights of the codes of `close`, in place of those of the client
    codes: Annotated[dict[str, Weight], AfterValidator(_codes)] | None = None
    stall_for: Duration = 5.0  # how long a `stall` takes. Not scaled
    storms: Annotated[tuple[StormTable, ...], Field(strict=False)] = ()
    # how a client comes back, in place of how it does of its own. `reference`: after 1 s doubling
    # to 30 s, each ±20 %, as the vendor's API reference advises. `sdk`: as the vendor's Android
    # client does, see `loadkit.chat.personas`.
    reconnect: Literal["reference", "sdk"] | None = None

    def concerns(self, class_name: str) -> bool:
        """Tell whether sessions of this user class meet faults; storms hit whom they hit."""
        named = class_name in self.classes or "*" in self.classes
        return named and bool(
            self.per_minute or self.per_turn or any(self.at.model_dump().values())
        )

    def by(self, codes: Mapping[str, float]) -> "Chaos":
        """What befalls a client: one that closes with these codes, unless the profile says."""
        return self if self.codes is not None else self.model_copy(update={"codes": codes})

    def fault(self, kind: str, uniform: float) -> ChaosFault:
        """One of a kind; `uniform` chooses the code of a `close`, which may have none."""
        if kind == "close" and self.codes:
            return ChaosFault(kind, int(weighted(self.codes, uniform)))
        return ChaosFault(kind, seconds=self.stall_for if kind == "stall" else 0.0)


class ChaosPlan:
    """What one session is to meet.

    Each choice is looked up by what it is for and how often that came before, so the nth strike,
    or what happens at the nth echo, does not hang on what else the session met.
    """

    __slots__ = ("_begins", "_chance", "_counts", "_how", "_next", "_settings", "_turn")

    def __init__(self, settings: Chaos, rng: random.Random) -> None:
        """Draw from a stream of the session's, `person_rng(seed, "chaos", class_name, number)`.

        It is one of its own, so that a person says the same with chaos and without.
        """
        self._settings, self._chance = settings, RandomStream(rng)
        self._how = settings.how.model_dump()
        self._counts = array("L", bytes(array("L").itemsize * (len(MOMENTS) + 2)))
        self._next: float | None = None
        self._turn = math.inf

    @classmethod
    def of(cls, settings: Chaos, class_name: str, rng: random.Random) -> "ChaosPlan | None":
        """The faults of a session of that class; None where there can be none."""
        return cls(settings, rng) if settings.concerns(class_name) else None

    def due(self, started: float) -> float:
        """When the next time-based strike is due, of the rate or of the turn; infinity for never.

        All times are seconds on the monotonic clock; the session `started` then.
        """
        if self._next is None:
            self._next = started + self._gap(self._draws(_RATE))
        return min(self._next, self._turn)

    def turn(self, begins: float, ends: float) -> None:
        """Tell that a turn begins, and when it will end, as far as that can be foretold."""
        chance, where = self._draws(_TURN)[:2]
        struck = chance < self._settings.per_turn
        self._turn = begins + where * (ends - begins) if struck else math.inf

    def strike(self, now: float) -> ChaosFault:
        """What happens now that a strike is due; the next one's time counts from here."""
        if self._next is None or self._turn <= self._next:
            self._turn = math.inf
            return self._kind(self._draws(_TURN, last=True))
        fault = self._kind(self._draws(_RATE, last=True))
        self._next = now + self._gap(self._draws(_RATE))
        return fault

    def at_moment(self, moment: str) -> ChaosFault | None:
        """What happens at this moment of the protocol, see `Moments`; mostly nothing."""
        rate: float = getattr(self._settings.at, moment)
        if not rate:
            return None
        draws = self._draws(MOMENTS.index(moment))
        return self._kind(draws) if draws[0] < rate else None

    def _draws(self, source: int, *, last: bool = False) -> list[float]:
        """The draws of the next occasion of a source, or again those of its last one."""
        if not last:
            self._counts[source] += 1
        return self._chance.draws((source << 40) + self._counts[source])

    def _gap(self, draws: list[float]) -> float:
        rate = self._settings.per_minute
        return exponential(draws[0], 60.0 / rate) if rate else math.inf

    def _kind(self, draws: list[float]) -> ChaosFault:
        return self._settings.fault(weighted(self._how, draws[2]), draws[3])


_RATE: Final = len(MOMENTS)
_TURN: Final = len(MOMENTS) + 1


def in_storm(
    settings: Chaos, storm_index: int, session_key: int | str, seed: int
) -> ChaosFault | None:
    """What a storm does to a session; None where it is spared.

    It hits the same ones whatever the number of workers, and two storms of `Chaos.storms` hit
    different ones; `session_key` is the session's name among all of the run.
    """
    storm = settings.storms[storm_index]
    if share_of(seed, "storm", storm_index, session_key) >= storm.share:
        return None
    return settings.fault(storm.how, share_of(seed, "code", storm_index, session_key))
