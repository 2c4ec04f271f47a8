"""What sessions wait for at a moment: how many waits are open, and how long they have lasted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final, Self

from loadkit.figures import Wait
from loadkit.stats.histogram import bucket_of

__all__ = ["NOTHING", "STALE_MS", "Waiting"]

STALE_MS: Final = 10_000.0
"""From here on a turn that is open may well be a lost one, whatever the patience: the vendor's
Android client gives a message up that was not heard of for ten seconds."""

Ages = dict[str, Counter[int]]


class Waiting:
    """Open waits by how long they have lasted: in microseconds, as a `Tally` has its values.

    Attributes:
        turns: how many turns are open. A turn of which this side cannot hear the end is among
            them, though no phase has a wait of it.
        latency, from_schedule: the waits by phase, counted from when they began and from when
            they were due.
    """

    __slots__ = ("from_schedule", "latency", "turns")

    def __init__(self) -> None:
        self.turns = 0
        self.latency: Ages = {}
        self.from_schedule: Ages = {}

    def see(self, now: float, waits: Iterable[Wait], turns: int) -> None:
        """Add what one session waits for; stamps in seconds on the same clock as `now`."""
        self.turns += turns
        for phase, due, sent in waits:
            _add(self.latency, str(phase), now - sent)
            if due is not None:
                _add(self.from_schedule, str(phase), now - due)

    def merge(self, other: "Waiting") -> None:
        """Add what other sessions wait for."""
        self.turns += other.turns
        for mine, theirs in (
            (self.latency, other.latency),
            (self.from_schedule, other.from_schedule),
        ):
            for phase, ages in theirs.items():
                mine.setdefault(phase, Counter()).update(ages)

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types; pairs are one flat list, as a map's keys may turn to text."""
        return {
            "turns": self.turns,
            "latency": _flat(self.latency),
            "from_schedule": _flat(self.from_schedule),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Undo `to_wire`."""
        found = cls()
        found.turns = wire["turns"]
        found.latency, found.from_schedule = _ages(wire["latency"]), _ages(wire["from_schedule"])
        return found

    @classmethod
    def of_all(cls, several: "Iterable[Waiting]") -> Self:
        """Add up what several groups of sessions wait for."""
        found = cls()
        for each in several:
            found.merge(each)
        return found

    def oldest_s(self) -> float:
        """How long the oldest has lasted, in seconds; 0 where nobody waits."""
        return max((max(ages) for ages in self.latency.values() if ages), default=0) / 1e6


NOTHING: Final = Waiting()
"""Of sessions that wait for nothing; not to be added to."""


def _add(table: Ages, phase: str, seconds: float) -> None:
    table.setdefault(phase, Counter())[bucket_of(round(seconds * 1e6))] += 1


def _flat(table: Ages) -> dict[str, list[int]]:
    return {phase: list(chain.from_iterable(ages.items())) for phase, ages in table.items()}


def _ages(wire: Mapping[str, list[int]]) -> Ages:
    return {
        phase: Counter(dict(zip(pairs[::2], pairs[1::2], strict=True)))
        for phase, pairs in wire.items()
    }
