"""The last seconds of a run."""

from loadkit.figures import Phase
from loadkit.measure.recent import LAST, RecentRows
from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution


def row(start: float, ms: int, *, length: float = 1.0) -> Row:
    """One with a single answer."""
    return Row(start, length, latency={Phase.RESPONSE: Distribution.of({ms * 1000: 1})})


def test_only_the_last_seconds_count() -> None:
    """However long the run has been."""
    recent = RecentRows()
    for second in range(100):
        recent.add([row(second, 100 if second < 90 else 900)])
    stats = recent.of(Phase.RESPONSE).stats()
    assert stats["count"] == recent.seconds == LAST
    assert stats["min"] == stats["max"] == 900


def test_a_row_that_is_longer_counts_whole() -> None:
    """There is nothing of it that would be younger."""
    recent = RecentRows()
    recent.add([row(0.0, 100, length=60.0), row(60.0, 300, length=60.0)])
    assert recent.seconds == 60
    assert recent.of(Phase.RESPONSE).stats()["max"] == 300
    assert recent.of(Phase.RESPONSE).stats()["count"] == 1


def test_a_wait_that_goes_on_is_at_least_as_long_as_it_is() -> None:
    """So a target that hangs shows at once."""
    recent = RecentRows()
    hung = row(0.0, 100)
    hung.latency[Phase.RESPONSE].under_way({}, {4_000_000: 2})
    recent.add([hung])
    assert recent.of(Phase.RESPONSE).stats()["open"] == 2


def test_nothing_is_known_before_the_first_row() -> None:
    assert RecentRows().of(Phase.RESPONSE).stats() == {}
