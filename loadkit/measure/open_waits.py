"""What sessions wait for at a moment: how many waits are open, and how long they have lasted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Final, Self

from pydantic import AfterValidator

from loadkit.codec import Count, Name, known, whole
from loadkit.figures import Phase, Wait
from loadkit.stats.hdr_index import PAIRS, bucket_of

STALE_MS: Final = 10_000.0
"""From here on a turn that is open may well be a lost one, whatever the patience: the vendor's
Android client gives a message up that was not heard of for ten seconds."""

PhaseName = Annotated[Name, known(frozenset(map(str, Phase)), "phase")]
Ages = dict[PhaseName, Annotated[Counter[int], PAIRS, AfterValidator(Counter)]]


@dataclass(slots=True)
class Waiting:
    """Open waits by how long they have lasted: in microseconds, as a `Histogram` has its values."""

    # how many turns are open. A turn of which this side cannot hear the end is among them, though
    # no phase has a wait of it.
    turns: Count = 0
    # the waits by phase, counted from when they began and from when they were due
    latency: Ages = field(default_factory=dict)
    from_schedule: Ages = field(default_factory=dict)

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

    @classmethod
    def of_all(cls, several: "Iterable[Waiting]") -> Self:
        found = cls()
        for each in several:
            found.merge(each)
        return found

    def oldest_s(self) -> float:
        """How long the oldest has lasted, in seconds; 0 where nobody waits."""
        return max((max(ages) for ages in self.latency.values() if ages), default=0) / 1e6


Awaited = Annotated[Waiting, whole("turns", "latency", "from_schedule")]
"""What is read of it: it says all of itself."""

NOTHING: Final = Waiting()
"""Of sessions that wait for nothing; not to be added to."""


def _add(table: Ages, phase: str, seconds: float) -> None:
    table.setdefault(phase, Counter())[bucket_of(round(seconds * 1e6))] += 1
