"""Distributions in little room, and what percentiles they give."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Phase
from loadkit.stats.histogram import Histogram
from loadkit.stats.sketch import ROOM, Sketch, Sketches


def sketch(waits: list[float]) -> Sketch:
    """Of seconds, as a timeline counts them."""
    tally = Histogram()
    for wait in waits:
        tally.record(wait)
    return Sketch(tally.counts.items())


def percentile_of(waits: list[float], per_mille: int) -> float:
    """In milliseconds, from the samples themselves, between the two that are nearest to it."""
    ordered, at = sorted(waits), len(waits) * per_mille / 1000 - 0.5
    low = int(at)
    return 1000 * (ordered[low] + (at - low) * (ordered[low + 1] - ordered[low]))


@pytest.mark.parametrize("per_mille", [500, 950])
@pytest.mark.parametrize("spread", [0.0005, 0.1, 0.5, 1.0])
def test_a_percentile_is_that_of_the_samples(spread: float, per_mille: int) -> None:
    """Coarse buckets with known means give a percentile to a fifth of a percent of the exact one,
    also where all samples lie in one bucket."""
    rng = Random(1)
    for middle in (0.06, 0.0333, 0.8):
        waits = [middle * rng.lognormvariate(0, spread) for _ in range(20_000)]
        found = sketch(waits).percentile(per_mille)
        assert found == pytest.approx(percentile_of(waits, per_mille), rel=0.002)


def test_a_percentile_moves_with_the_samples_and_not_from_bucket_to_bucket() -> None:
    """A rise by 0.2 % is seen as one, wherever it lies to the borders of the buckets."""
    rng = Random(2)
    shape = [rng.lognormvariate(0, 0.01) for _ in range(2_000)]
    seen = [
        sketch([0.06 * (1 + 0.002 * step) * wait for wait in shape]).percentile(500)
        for step in range(30)
    ]
    rises = [after / before - 1 for before, after in pairwise(seen)]
    assert min(rises) > 0.001
    assert max(rises) < 0.003


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_many_samples_take_no_more_room_than_there_is(spread: float) -> None:
    """Also where they spread over more buckets than that; and they tell the same."""
    rng = Random(3)
    many = [0.1 * rng.lognormvariate(0, spread) for _ in range(50_000)]
    found = sketch(many)
    assert len(found.keys) == len(found.counts) == len(found.places) <= ROOM
    assert found.count == len(many)
    for per_mille in (500, 950):
        exact = percentile_of(many, per_mille)
        assert found.percentile(per_mille) == pytest.approx(exact, rel=0.005)


lumps = st.dictionaries(st.integers(0, 600_000_000), st.integers(1, 10**6), max_size=300)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.sampled_from([*Phase]), lumps, max_size=4), max_size=3))
def test_sketches_give_back_what_was_put_in(parts: list[dict[Phase, dict[int, int]]]) -> None:
    """And joined, all samples of them all, phase by phase."""
    every = [
        Sketches({phase.value: Sketch(found.items()) for phase, found in part.items() if found})
        for part in parts
    ]
    for part, found in zip(parts, every, strict=True):
        alone = {phase: Sketch(samples.items()) for phase, samples in part.items() if samples}
        assert set(found) == set(alone)
        assert len(found) == len(alone)
        assert all([*found[phase]] == [*alone[phase]] for phase in alone)
    whole = Sketches.joined(every)
    for phase in Phase:
        count = sum(sum(part.get(phase, {}).values()) for part in parts)
        assert (whole[phase].count if phase in whole else 0) == count


def test_a_phase_that_did_not_happen_is_not_there() -> None:
    found = Sketches({"echo": Sketch([(1000, 1)])})
    assert "response" not in found
    assert "anything" not in found
    with pytest.raises(KeyError):
        found["response"]
