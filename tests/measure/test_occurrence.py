"""Errors and violations that are kept with where they happened."""

from random import Random

from loadkit.measure.occurrence import MOST_KEPT, Occurrence, Occurrences


def shown(*frames: str, kind: str = "unknown_type", at: str = "") -> Occurrence:
    return Occurrence(of="violations", kind=kind, at=at, detail="d", frames=frames)


def test_the_earliest_of_each_kind_are_kept_in_whatever_order_they_come() -> None:
    """A kind that comes without end drives no other one out."""
    every = [shown(at=f"{second:03}") for second in range(3 * MOST_KEPT)]
    every.append(shown(kind="not_closed", at="999"))
    Random(1).shuffle(every)
    kept = Occurrences()
    for one in every:
        kept.add(one)
    expected = [f"{second:03}" for second in range(MOST_KEPT)] + ["999"]
    assert sorted(one.at for one in kept) == expected
