"""Rows added up, held against the ledger's sums over the same intervals."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.capacity.step import Stretch
from loadkit.errors import Failure
from loadkit.figures import Count, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Row, Timeline

seconds = st.lists(
    st.lists(st.floats(min_value=0.001, max_value=30), max_size=5), min_size=1, max_size=12
)


def filled(every: list[list[float]], cpu: tuple[float, ...] = (50.0,)) -> tuple[Ledger, list[Row]]:
    """A ledger and the rows of workers that measured these responses, second by second."""
    timeline = Timeline()
    ledger = Ledger(timeline)
    for worker, percent in enumerate(cpu):
        recorder = Recorder(watched=frozenset({"CompleteChat"}), clock=lambda: 0.0)
        scoped = recorder.scoped("CompleteChat")
        for second, waits in enumerate(every, start=1):
            for wait in waits:
                scoped.sample(Phase.RESPONSE, 0.0, 0.0, wait)
                recorder.count(Count.TURNS_ANSWERED)
            if len(waits) > 3:
                scoped.fail(Failure.UNANSWERED, "never")
            recorder.gauge("cpu_percent", percent)
            interval = replace(recorder.take(float(second)), start=second - 1.0)
            ledger.add(f"worker {worker}", second, interval, float(second))
    return ledger, timeline.finish()


def plain(distributions: dict[str, Any]) -> dict[str, Any]:
    return {key: (dict(one.counts), one.total) for key, one in distributions.items() if one.count}


@given(every=seconds)
@settings(max_examples=25)
def test_all_rows_together_are_the_ledger(every: list[list[float]]) -> None:
    """A step is judged like a run of its own, by the same samples."""
    ledger, rows = filled(every, cpu=(10.0, 20.0))
    whole = Stretch(rows)
    assert plain(whole.latency) == plain(ledger.latency)
    assert plain(whole.from_schedule) == plain(ledger.from_schedule)
    assert plain(whole.generator) == plain(ledger.generator)
    assert +whole.counts == +ledger.counts
    assert whole.workers == ledger.workers == 2
    for name, scope in ledger.scopes.items():
        assert plain(whole.scopes[name].latency) == plain(scope.latency)
        assert +whole.scopes[name].counts == +scope.counts


@given(every=seconds, number=st.integers(min_value=1, max_value=12))
@settings(max_examples=25)
def test_its_parts_are_the_whole_again(every: list[list[float]], number: int) -> None:
    """Batches leave nothing out, and differ by a row at most."""
    _, rows = filled(every)
    whole = Stretch(rows)
    parts = whole.parts(number)
    if len(rows) < number:
        assert parts == []
        return
    assert [row for part in parts for row in part.rows] == rows
    sizes = {len(part.rows) for part in parts}
    assert max(sizes) - min(sizes) <= 1
    together: Counter[str] = Counter()
    for part in parts:
        together.update(part.counts)
    assert together == whole.counts


def test_its_figures_are_those_of_its_time() -> None:
    """Two turns a second of one worker, over ten seconds."""
    _, rows = filled([[0.1, 0.2]] * 10)
    part = Stretch(rows[2:8])
    assert (part.start, part.end, part.seconds) == (2.0, 8.0, 6.0)
    assert part.throughput == pytest.approx(2.0)
    assert Stretch().throughput == Stretch().concurrent == Stretch().seconds == 0


@pytest.mark.parametrize(
    ("cpu", "share"),
    [
        pytest.param((50.0,), 0.0, id="none"),
        pytest.param((95.0,), 1.0, id="the only one"),
        pytest.param((20.0, 95.0), 1.0, id="one of two: it is the worst that counts"),
    ],
)
def test_a_saturated_worker_is_seen(cpu: tuple[float, ...], share: float) -> None:
    """As the ledger sees it over a whole run."""
    ledger, rows = filled([[0.1]] * 4, cpu)
    assert Stretch(rows).saturated_share == ledger.saturated_share == share
