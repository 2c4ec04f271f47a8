"""Distributions in little room, for windows that are many and are kept as long as the run lasts."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from loadkit.figures import Phase

_BITS: Final = 6  # significant bits of a bucket's number: 32 buckets for each doubling

ROOM: Final = 192
"""Buckets: the latencies of a phase spread over some 50 to 180, many of them over a few more."""

_PLACES: Final = 1 << 16  # that the mean of a bucket's samples may have within the bucket


class Sketch:
    """A distribution in some 60 buckets of 8 bytes, for the latencies of a phase.

    It has `ROOM` of them at most: what is beyond joins a neighbour, the buckets with the fewest
    samples first. A bucket is 1.6 to 3.1 % wide, yet it says where in it the mean of its samples
    lies (`places`), and a percentile lies between means: within 0.1 % of the exact one for smooth
    distributions, and without steps while it moves from one bucket to the next.

    Args:
        samples: values in microseconds, and how often each is there.
    """

    __slots__ = ("counts", "keys", "places")

    def __init__(self, samples: Iterable[tuple[float, int]] = ()) -> None:
        merged: defaultdict[int, list[float]] = defaultdict(lambda: [0, 0])
        for value, count in samples:
            known = merged[_bucket(int(value))]
            known[0] += count
            known[1] += count * value
        ordered = sorted(merged.items())
        while len(ordered) > ROOM:
            _join_the_least(ordered)
        self.keys = array("H", [key for key, _ in ordered])
        self.counts = array("I", [int(count) for _, (count, _) in ordered])
        self.places = array("H", [_place(key, s / n) for key, (n, s) in ordered])

    @classmethod
    def of(cls, keys: "array[int]", counts: "array[int]", places: "array[int]") -> "Sketch":
        made = cls.__new__(cls)
        made.keys, made.counts, made.places = keys, counts, places
        return made

    def __iter__(self) -> Iterator[tuple[float, int]]:
        """What makes another one like it: the mean of each bucket, and its samples."""
        return zip(self._means(), self.counts, strict=True)

    def _means(self) -> list[float]:
        return [
            lowest + place * width / _PLACES
            for (lowest, width), place in zip(map(_reach, self.keys), self.places, strict=True)
        ]

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return sum(self.counts)

    def percentile(self, per_mille: int) -> float:
        """Return a percentile in milliseconds, 950 for p95; there must be samples."""
        wanted = self.count * per_mille / 1000
        means, counts = self._means(), self.counts
        middles = [upto - n / 2 for upto, n in zip(accumulate(counts), counts, strict=True)]
        right = bisect_left(middles, wanted)
        if right == 0:
            return means[0] / 1000
        if right == len(means):
            return means[-1] / 1000
        left = right - 1
        share = (wanted - middles[left]) / (middles[right] - middles[left])
        return (means[left] + share * (means[right] - means[left])) / 1000


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - _BITS)
    return (shift << _BITS) + (value >> shift)


def _reach(key: int) -> tuple[int, int]:
    """The lowest value of a bucket, and how wide it is; undoes `_bucket`."""
    shift = key >> _BITS
    return (key & (1 << _BITS) - 1) << shift, 1 << shift


def _place(key: int, mean: float) -> int:
    """Where in a bucket its mean lies: at its edge where neighbours that joined it pull it out."""
    lowest, width = _reach(key)
    return min(max(round((mean - lowest) / width * _PLACES), 0), _PLACES - 1)


def _join_the_least(ordered: list[tuple[int, list[float]]]) -> None:
    """Have the bucket with the fewest samples join the nearer one of its neighbours."""
    least = min(range(len(ordered)), key=lambda at: ordered[at][1][0])
    key, (count, total) = ordered.pop(least)
    beside = range(max(0, least - 1), min(least + 1, len(ordered)))
    known = ordered[min(beside, key=lambda at: abs(ordered[at][0] - key))][1]
    known[0] += count
    known[1] += total


class Sketches(Mapping[str, Sketch]):
    """One of each phase that happened, in the same 26 KB however many that are.

    So windows that grow longer, and see the rarer phases too, take no more memory.
    """

    __slots__ = ("_counts", "_keys", "_places", "_used")

    def __init__(self, found: Mapping[str, Sketch] | None = None) -> None:
        self._used = array("H", [0]) * len(_ORDER)
        self._keys = array("H", [0]) * (ROOM * len(_ORDER))
        self._counts = array("I", [0]) * (ROOM * len(_ORDER))
        self._places = array("H", [0]) * (ROOM * len(_ORDER))
        for phase, sketch in ({} if found is None else found).items():
            number, used = _ORDER[phase], len(sketch.keys)
            self._used[number] = used
            room = slice(number * ROOM, number * ROOM + used)
            self._keys[room], self._counts[room] = sketch.keys, sketch.counts
            self._places[room] = sketch.places

    @classmethod
    def joined(cls, parts: "Sequence[Sketches]") -> "Sketches":
        """Make one of several."""
        phases = dict.fromkeys(phase for part in parts for phase in part)
        return cls(
            {
                phase: Sketch(samples for part in parts if phase in part for samples in part[phase])
                for phase in phases
            }
        )

    def __len__(self) -> int:
        return sum(map(bool, self._used))

    def __iter__(self) -> Iterator[str]:
        return (phase for phase, number in _ORDER.items() if self._used[number])

    def __contains__(self, phase: object) -> bool:
        return phase in _ORDER and bool(self._used[_ORDER[str(phase)]])

    def __getitem__(self, phase: str) -> Sketch:
        number = _ORDER[phase]
        if not self._used[number]:
            raise KeyError(phase)
        room = slice(number * ROOM, number * ROOM + self._used[number])
        return Sketch.of(self._keys[room], self._counts[room], self._places[room])


_ORDER: Final = {phase.value: number for number, phase in enumerate(Phase)}
