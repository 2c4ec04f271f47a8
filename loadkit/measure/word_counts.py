"""Counts by words that the server chooses: some words by name, the rest as `other`."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from loadkit.figures import NAMED
from loadkit.security.escaping import one_line

MOST_NAMES: Final = 50
"""Words of a family that keep their names: of a worker's the first, of a run's the largest."""

MOST_KEYS: Final = 5000
"""Counts that are kept of all workers together: those of 20 and more, with different words each."""

LONGEST_NAME: Final = 40  # characters of a word
OTHER: Final = "other"


class Names:
    """Which words one worker counts by name: the first of each family, as long as it lives."""

    def __init__(self) -> None:
        self._known: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def key(self, family: str, word: str) -> str:
        """Return what a word of a family of `loadkit.figures.NAMED` is counted under."""
        known, begin = self._known[family], word[:LONGEST_NAME]
        if begin not in known:
            if len(known) == MOST_NAMES:
                return f"{family}.{OTHER}"
            known[begin] = f"{family}.{one_line(word, LONGEST_NAME) or OTHER}"
        return known[begin]


def folded(counts: Mapping[str, int]) -> Counter[str]:
    """Return counts with the largest names of each family alone, and the sum of its others.

    Folded at the end, the counts of all workers give the same in whatever order they came.
    """
    kept = Counter(counts)
    for family in NAMED:
        start, other = f"{family}.", f"{family}.{OTHER}"
        names = [key for key in counts if key.startswith(start) and key != other]
        if len(names) > MOST_NAMES:
            names.sort(key=lambda key: (-counts[key], key))
            kept[other] += sum(kept.pop(key) for key in names[MOST_NAMES:])
    return kept


def merge(counts: Counter[str], more: Mapping[str, int]) -> None:
    """Add a worker's counts to those of all; of too many, each family keeps its largest names."""
    counts.update(more)
    if len(counts) > MOST_KEYS:
        few = folded(counts)
        counts.clear()
        counts.update(few)
