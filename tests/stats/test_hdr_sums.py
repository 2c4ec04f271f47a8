"""Very many histograms, decoded and added up at once."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_codec import counters
from loadkit.stats.hdr_index import HIGHEST, MOST_COUNT, lowest_at
from loadkit.stats.hdr_sums import HistogramSums


def encoded(counts: dict[int, int]) -> str:
    found = Distribution()
    for value, count in counts.items():
        found.record_whole(value)
        found.counts[max(found.counts)] += 0
        key = [key for key in found.counts if key <= value][-1]
        found.counts[key] += count - 1
    return found.encode()


def one_by_one(texts: list[tuple[int, str]]) -> dict[int, dict[int, int]]:
    """What the plain decoder makes of them."""
    sums: dict[int, Counter[int]] = {}
    for group, text in texts:
        for place, count in counters(text):
            sums.setdefault(group, Counter())[lowest_at(place)] += count
    return {group: dict(found) for group, found in sums.items()}


def at_once(texts: list[tuple[int, str]]) -> dict[int, dict[int, int]]:
    sums = HistogramSums()
    for group, text in texts:
        sums.add(group, text)
    return {
        group: dict(zip(values.tolist(), counts.tolist(), strict=True))
        for group, (values, counts) in sums.sums().items()
    }


values = st.dictionaries(st.integers(0, HIGHEST), st.integers(1, MOST_COUNT // 100), max_size=8)


@given(st.lists(st.tuples(st.integers(0, 5), values.map(encoded)), max_size=12))
def test_it_says_the_same_as_the_decoder_of_one(texts: list[tuple[int, str]]) -> None:
    assert at_once(texts) == one_by_one(texts)


def test_it_may_be_asked_and_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes them in portions, so that its memory is bounded."""
    monkeypatch.setattr("loadkit.stats.hdr_sums._AT_ONCE", 50)
    chance, sums, texts = Random(3), HistogramSums(), []
    for number in range(50):
        texts.append((number % 3, encoded({chance.randrange(10**6): 1 + number})))
        sums.add(*texts[-1])
        found = {
            group: dict(zip(values.tolist(), counts.tolist(), strict=True))
            for group, (values, counts) in sums.sums().items()
        }
        assert found == one_by_one(texts)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64", encoded({5: 1})[:-4], "x" * 40])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        at_once([(0, encoded({5: 1})), (0, text)])
