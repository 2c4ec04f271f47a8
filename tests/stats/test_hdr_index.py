"""Where each bucket lies: without a gap, and there and back."""

from loadkit.stats.hdr_index import index_of, lowest_at
from tests.stats.samples import every_bucket


def test_places_are_numbered_without_a_gap() -> None:
    """From 0 to 20,600, in the order of their values."""
    assert [index_of(lowest) for lowest in every_bucket()] == [*range(20_601)]


def test_a_place_tells_its_bucket() -> None:
    assert [lowest_at(place) for place in range(20_601)] == every_bucket()
