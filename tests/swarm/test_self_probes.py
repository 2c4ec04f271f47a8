"""What a worker measures of itself: the parts that need no event loop."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.measure.recorder import PROBE_EVERY
from loadkit.swarm.worker.self_probes import Pauses, Probes, next_probe


class Sheet:
    """Takes the figures as a recorder does."""

    def __init__(self) -> None:
        self.gauges: list[tuple[str, float]] = []

    def gauge(self, name: str, value: float, at: float | None = None) -> None:
        self.gauges.append((name, value))

    def loop_lag(self, seconds: float, at: float | None = None) -> None:
        self.gauges.append(("loop_lag", seconds))


@pytest.fixture
def pauses() -> Iterator[Pauses]:
    """Watching, while no collection comes unasked."""
    gc.disable()
    pauses = Pauses()
    pauses.start()
    yield pauses
    pauses.stop()
    gc.enable()


def collections() -> int:
    """How often the interpreter itself says that it has collected."""
    return sum(generation["collections"] for generation in gc.get_stats())


def test_a_pause_of_every_generation_is_found(pauses: Pauses) -> None:
    """As many pauses are found as the interpreter has counted collections."""
    before = collections()
    for generation in (0, 1, 2, 0):
        gc.collect(generation)
    found = pauses.take()
    assert len(found) == collections() - before == 4
    assert all(seconds >= 0 for _, seconds in found)


def test_a_pause_is_stamped_with_its_end_and_given_once(pauses: Pauses) -> None:
    """Stamps rise, a pause begins after the one before has ended, and none is told twice."""
    gc.collect(0)
    gc.collect(2)
    (first, _), (second, seconds) = pauses.take()
    assert second - seconds >= first
    assert pauses.take() == []


def test_a_collection_under_way_at_the_start_is_no_pause() -> None:
    """Its begin was not seen, so its length is not known."""
    pauses = Pauses()
    pauses._note("stop", {})
    assert pauses.take() == []


def test_nothing_stays_behind_in_the_collector() -> None:
    """After the end of a run the callbacks are those from before it; twice changes nothing."""
    before = list(gc.callbacks)
    probes = Probes(Sheet())
    probes.start()
    probes.start()
    assert len(gc.callbacks) == len(before) + 1
    probes.stop()
    probes.stop()
    assert gc.callbacks == before


def test_pauses_up_to_the_last_moment_are_handed_over() -> None:
    """A run shorter than a second has its pauses too."""
    sheet = Sheet()
    probes = Probes(sheet)
    probes.start()
    gc.collect()
    probes.stop()
    assert "gc_pause_ms" in {name for name, _ in sheet.gauges}


def test_a_probe_in_time_is_followed_by_the_next_tenth_of_a_second() -> None:
    """Lateness is not handed on: the grid of probes stays where it was."""
    assert next_probe(5.0, 0.0) == pytest.approx(5.1)
    assert next_probe(5.0, 0.099) == pytest.approx(5.1)


@given(due=st.floats(0, 1e6), lag=st.floats(0, 100))
def test_a_stall_is_counted_once_however_long(due: float, lag: float) -> None:
    """The probes missed, one each tenth of a second, are skipped, and the next comes on the grid.

    The recorder fills in lag - 0.1, lag - 0.2 … as long as they are not negative; with the next
    probe after it no tenth of a second is without a sample or has two.
    """
    filled = int(lag / PROBE_EVERY)
    following = next_probe(due, lag)
    assert following == pytest.approx(due + (filled + 1) * PROBE_EVERY)
    assert due + lag - 1e-9 <= following <= due + lag + PROBE_EVERY + 1e-9
