"""What is tallied: samples of all sizes, and what comes of them."""

from hypothesis import strategies as st

from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import HIGHEST
from loadkit.stats.histogram import Histogram

# Every order of magnitude alike: plain integers would nearly all be above a minute.
microseconds = st.integers(0, 29).flatmap(
    lambda bits: st.integers(0, min(HIGHEST, 2 ** (bits + 1) - 1))
)
samples = st.lists(microseconds, min_size=1, max_size=300)


def tally_of(values: list[int]) -> Histogram:
    tally = Histogram()
    for value in values:
        tally.record_whole(value)
    return tally


def distribution_of(*tallies: Histogram) -> Distribution:
    distribution = Distribution()
    for tally in tallies:
        distribution.merge(tally)
    return distribution


def every_bucket() -> list[int]:
    found = [0]
    while (following := found[-1] + (1 << max(0, found[-1].bit_length() - 11))) <= HIGHEST:
        found.append(following)
    return found
