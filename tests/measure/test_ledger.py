"""What the master accumulates, held against one worker that had seen everything."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase, Wait
from loadkit.measure.interval import GAUGES, Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.scope import Scope
from loadkit.measure.state import PART
from loadkit.measure.timeline import Row, Timeline
from tests.answers import answered

Act = Callable[[Recorder], None]

seconds = st.floats(0, 700, allow_nan=False)
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        lambda phase, late, took: lambda r: r.sample(phase, 10.0, 10.0 + late, 10.0 + late + took),
        st.sampled_from(Phase),
        st.floats(-1, 1),
        seconds,
    ),
    st.builds(
        lambda phase, took, lost: lambda r: r.unfinished(phase, 10.0, 10.0, 10.0 + took, lost),
        st.sampled_from(Phase),
        seconds,
        st.booleans(),
    ),
    st.builds(lambda key, n: lambda r: r.count(key, n), st.sampled_from(Count), st.integers(1, 5)),
    st.builds(lambda kind: lambda r: r.fail(kind, "text"), st.sampled_from(Failure)),
    st.builds(lambda kind: lambda r: r.violate(kind, "text"), st.sampled_from(["gap", "twice"])),
    st.builds(lambda lag: lambda r: r.loop_lag(lag), st.floats(0, 3)),
    st.builds(
        lambda name, value: lambda r: r.gauge(name, value),
        st.sampled_from(GAUGES),
        st.floats(0, 100),
    ),
    st.builds(
        lambda phase, took: lambda r: r.scoped("Watched").sample(phase, None, 10.0, 10.0 + took),
        st.sampled_from(Phase),
        seconds,
    ),
    st.builds(lambda key: lambda r: r.scoped("Watched").count(key), st.sampled_from(Count)),
    st.just(lambda r: r.session_started()),
    st.builds(lambda ending: lambda r: r.session_ended(ending), st.sampled_from(Ending)),
    st.builds(lambda n: lambda r: _send(r, n), st.integers(0, 9)),
)


def _send(recorder: Recorder, frames: int) -> None:
    recorder.frames_sent += frames
    recorder.bytes_sent += 100 * frames


def _all_stats(scope: Scope) -> dict[str, dict[str, float]]:
    return {phase: one.stats() for phase, one in sorted(scope.latency.items())}


def figures(ledger: Ledger) -> list[Any]:
    return [
        ledger.stats(),
        ledger.stats_from_schedule(),
        {name: one.stats() for name, one in sorted(ledger.generator.items())},
        {age: one.stats() for age, one in sorted(ledger.ages.items())},
        dict(ledger.counts),
        {name: (_all_stats(scope), dict(scope.counts)) for name, scope in ledger.scopes.items()},
        ledger.examples,
        ledger.frames,
        ledger.live,
        ledger.left_out,
    ]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), acts), max_size=60), st.randoms())
def test_many_workers_are_the_same_as_one_that_saw_everything(
    script: list[tuple[int, bool, Act]], chance: random.Random
) -> None:
    """Reports of four workers, shuffled and doubled, add up to those of a single one."""
    workers = [Recorder(watched=frozenset({"Watched"})) for _ in range(4)]
    alone = Recorder(watched=frozenset({"Watched"}))
    sent: list[tuple[str, int, Interval]] = []
    taken = [0] * 4

    def take(number: int, now: float) -> None:
        taken[number] += 1
        sent.append((f"w{number}", taken[number], workers[number].take(now)))

    for now, (number, closes, act) in enumerate(script):
        act(workers[number])
        act(alone)
        if closes:
            take(number, float(now))
    for number in range(4):
        take(number, float(len(script)))

    truth, ledger = Ledger(), Ledger()
    truth.add("alone", 1, alone.take(1.0))
    arrivals = sent + sent[::2]
    chance.shuffle(arrivals)
    new = [ledger.add(*arrival) for arrival in arrivals]

    assert figures(ledger) == figures(truth)
    assert new.count(True) == len(sent)
    assert ledger.missing() == {}
    assert ledger.peak_concurrent >= truth.live


def interval(act: Act = lambda r: None, now: float = 1.0) -> Interval:
    recorder = Recorder()
    act(recorder)
    return recorder.take(now)


def test_a_report_that_comes_twice_counts_once() -> None:
    """A worker may send again whatever it is not sure of."""
    ledger = Ledger()
    report = interval(lambda r: r.count(Count.TURNS_SENT))
    assert [ledger.add("a", 1, report), ledger.add("a", 1, report)] == [True, False]
    assert ledger.add("b", 1, report) is True
    assert ledger.counts[Count.TURNS_SENT] == 2


def test_gaps_are_known_by_worker() -> None:
    """Numbers count from 1, so that a lost first report is a gap as well."""
    ledger = Ledger()
    for worker, seq in (("a", 2), ("a", 5), ("b", 1), ("b", 2)):
        ledger.add(worker, seq, interval())
    assert ledger.missing() == {"a": 3}


def test_a_gap_closes_when_its_report_comes_after_all() -> None:
    """Late is not lost."""
    ledger = Ledger()
    ledger.add("a", 2, interval())
    ledger.add("a", 1, interval())
    assert ledger.missing() == {}


def test_numbers_may_start_at_zero() -> None:
    """A first 0 is a report like any other, and is known when it comes again."""
    ledger = Ledger()
    assert [ledger.add("a", seq, interval()) for seq in (0, 1, 0)] == [True, True, False]
    assert ledger.missing() == {}


def test_what_a_worker_said_it_sent_is_expected() -> None:
    """The end of a worker's reports can be missing too."""
    ledger = Ledger()
    ledger.add("a", 1, interval())
    ledger.expect("a", 3)
    assert ledger.missing() == {"a": 2}


def test_sessions_that_are_older_take_no_more_room() -> None:
    """All classes of age have theirs from the first answer on; memory is flat in a soak."""
    ledger = Ledger()
    ledger.add("w", 1, interval(lambda r: r.sample(Phase.RESPONSE, None, 1.0, 1.5, answered(0.0))))
    young = set(ledger.ages)
    ledger.add("w", 2, interval(lambda r: r.sample(Phase.RESPONSE, None, 2e4, 2e4, answered(0.0))))
    assert set(ledger.ages) == young
    assert [one.count for one in ledger.ages.values()] == [1, *[0] * (len(young) - 2), 1]


def test_frames_survive_a_lost_report() -> None:
    """They are totals: the latest of each worker holds, then workers are added up."""
    ledger, recorder = Ledger(), Recorder()
    for seq, total in enumerate((10, 20, 30), start=1):
        recorder.frames_received = total
        report = recorder.take(float(seq))
        if seq != 2:
            ledger.add("a", seq, report)
    ledger.add("b", 1, interval(lambda r: setattr(r, "frames_received", 5)))
    assert ledger.frames == {"sent": 0, "received": 35, "bytes_sent": 0, "bytes_received": 0}


def test_phases_come_in_the_order_of_a_report() -> None:
    """The headline first, whatever was measured first."""
    ledger = Ledger()
    for seq, phase in enumerate((Phase.END, Phase.TOKEN, Phase.RESPONSE), start=1):
        ledger.add("a", seq, interval(lambda r, p=phase: r.sample(p, None, 1.0, 2.0)))  # type: ignore[misc]
    assert list(ledger.stats()) == ["response", "token", "end"]


def test_the_saturated_share_is_of_the_busiest_worker() -> None:
    """One full core is a limit, however idle the others are; silent intervals do not count."""
    ledger = Ledger()
    for seq, cpu in enumerate((95.0, 90.0, 50.0, 10.0), start=1):
        ledger.add("busy", seq, interval(lambda r, c=cpu: r.gauge("cpu_percent", c)))  # type: ignore[misc]
        ledger.add("idle", seq, interval(lambda r: r.gauge("cpu_percent", 5.0)))
    ledger.add("busy", 5, interval())
    assert ledger.saturated_share == 0.5


def second_of_one_session(zero: float) -> dict[str, Any]:
    """A worker's second from its stamp `zero` on, in which one session was there."""
    recorder = Recorder()
    recorder.take(zero)
    recorder.session_started()
    return recorder.take(zero + 0.9)


def test_workers_are_laid_over_each_other_by_when_their_reports_arrive() -> None:
    """Two machines' clocks share no zero, so the master's is the one that both are read by."""
    ledger = Ledger()
    ledger.add("a", 1, second_of_one_session(1_000.0), at=0.95)
    ledger.add("b", 1, second_of_one_session(777_000.0), at=0.95)
    ledger.add("c", 1, second_of_one_session(5.0), at=60.9)
    assert ledger.peak_concurrent == 2


def test_a_report_that_was_long_under_way_stays_where_it_was_measured() -> None:
    """The quickest of a worker's reports says how its clock lies to the master's."""
    timeline = Timeline()
    ledger = Ledger(timeline)
    ledger.add("a", 1, second_of_one_session(500.0), at=0.9)
    ledger.add("a", 2, second_of_one_session(501.0), at=7.0)
    rows = timeline.finish()
    assert [row.counts[Count.SESSIONS_STARTED] for row in rows] == [1, 1]


def test_a_doubled_report_is_in_no_row_twice() -> None:
    """What the ledger takes once the timeline gets once."""
    timeline = Timeline()
    ledger = Ledger(timeline)
    report = second_of_one_session(0.0)
    for _ in range(2):
        ledger.add("a", 1, report, at=1.0)
    assert sum(row.counts[Count.SESSIONS_STARTED] for row in timeline.finish()) == 1


def test_an_empty_ledger_has_no_figures() -> None:
    """Nothing measured is nothing, not an error."""
    ledger = Ledger()
    assert (ledger.stats(), ledger.workers, ledger.saturated_share) == ({}, 0, 0.0)
    assert ledger.under("errors") == {}


# --- its state ----------------------------------------------------------------------------------


def everything(ledger: Ledger, rows: list[Row]) -> list[Any]:
    """All that anyone can ask a ledger and its rows, in an order of its own."""
    return [
        *figures(ledger),
        ledger.session_seconds,
        ledger.peak_concurrent,
        ledger.missing(),
        ledger.saturated_share,
        ledger.workers,
        list(ledger.evidence),
        [_plain(row) for row in rows],
    ]


def _plain(row: Row) -> list[Any]:
    return [
        (row.start, row.length, row.asked, row.session_seconds, row.live, row.rss_mb),
        [
            {key: one.stats() for key, one in sorted(of.items())}
            for of in (row.latency, row.from_schedule, row.generator)
        ],
        {name: _all_stats(scope) for name, scope in sorted(row.scopes.items())},
        (row.counts, +row.frames, sorted(row.cpu.items()), sorted(row.reported)),
    ]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2), acts), max_size=40),
    st.data(),
    st.randoms(),
)
def test_a_state_goes_on_as_if_nothing_had_been(
    script: list[tuple[int, Act]], data: st.DataObject, chance: random.Random
) -> None:
    """Put away at any moment, carried by JSON and taken up again, down to every row."""
    workers = [Recorder(watched=frozenset({"Watched"})) for _ in range(3)]
    for worker in workers:
        for _ in script:
            worker.session_started()  # as many as may end
    taken = [0] * 3
    reports = []
    for at, (number, act) in enumerate(script, start=1):
        act(workers[number])
        taken[number] += 1
        reports.append((f"w{number}", taken[number], workers[number].take(float(at)), at + 0.25))
    put_away = data.draw(st.integers(0, len(reports)))

    def new() -> tuple[Ledger, Timeline]:
        timeline = Timeline(1.0, lambda second: {"users": second})
        return Ledger(timeline), timeline

    whole, of_whole = new()
    ledger, timeline = new()
    rows: list[Row] = []
    rows_of_whole: list[Row] = []
    for index, report in enumerate([*reports, None]):
        if index == put_away:
            parts = ledger.state()
            for late in reports[index : index + 3]:
                ledger.add(*late)  # what comes in while the parts are written is in none of them
            state = [PART.decode(json.loads(PART.json(part))) for part in parts]
            ledger, timeline = new()
            for part in state:
                ledger.restore(part)
        if report is not None:
            whole.add(*report)
            ledger.add(*report)
            if chance.random() < 0.5:
                rows_of_whole += of_whole.closed(report[3])
                rows += timeline.closed(report[3])
    rows_of_whole += of_whole.finish()
    rows += timeline.finish()
    assert everything(ledger, rows) == everything(whole, rows_of_whole)
    assert all(not ledger.add(*report) for report in reports)


# --- waits that are open --------------------------------------------------------------------------


def waiting_since(recorder: Recorder, now: float, *stamps: float) -> Interval:
    """An interval at whose end turns have been open since those stamps."""
    for sent in stamps:
        recorder.see_waiting("CompleteChat", now, [Wait(Phase.RESPONSE, None, sent)], [sent])
    return recorder.take(now)


def test_an_open_wait_counts_with_the_age_that_was_told_last() -> None:
    """It is the same wait, a second older; once it has ended it is a sample and no longer open."""
    recorder, ledger = Recorder(), Ledger()
    ledger.add("w", 1, waiting_since(recorder, 3.0, 1.0))
    ledger.add("w", 2, waiting_since(recorder, 4.0, 1.0))
    assert ledger.waits()["response"]["open_oldest_ms"] == pytest.approx(3000, rel=0.001)
    assert (ledger.counts["turns.open"], ledger.waiting.turns) == (1, 1)
    recorder.sample(Phase.RESPONSE, None, 1.0, 4.5)
    ledger.add("w", 3, waiting_since(recorder, 5.0))
    assert (ledger.waits(), ledger.counts["turns.open"]) == ({}, 0)


def test_the_open_waits_of_a_worker_that_died_stay_open() -> None:
    """Nobody will ever see their end."""
    ledger = Ledger()
    ledger.add("dead", 1, waiting_since(Recorder(), 3.0, 1.0, 2.0))
    ledger.add("alive", 1, waiting_since(Recorder(), 3.0, 2.5))
    ledger.add("alive", 2, waiting_since(Recorder(), 4.0))
    assert ledger.waits()["response"]["open"] == ledger.counts["turns.open"] == 2


def test_an_interval_that_comes_late_does_not_bring_old_waits_back() -> None:
    recorder, ledger = Recorder(), Ledger()
    first = waiting_since(recorder, 3.0, 1.0)
    ledger.add("w", 2, waiting_since(recorder, 4.0))
    ledger.add("w", 1, first)
    assert ledger.waits() == {}


def test_what_began_in_the_warm_up_is_waited_for_by_nobody() -> None:
    ledger = Ledger()
    ledger.add("w", 1, waiting_since(Recorder(measure_from=2.0), 5.0, 1.0, 3.0))
    assert ledger.waits()["response"]["open"] == ledger.counts["turns.open"] == 1


def test_what_a_watched_class_waits_for_is_known_apart() -> None:
    recorder, ledger = Recorder(watched=frozenset({"HandoffChat"})), Ledger()
    for name in ("HandoffChat", "CompleteChat"):
        recorder.see_waiting([name], 9.0, [Wait(Phase.RESPONSE, 1.0, 2.0)], [2.0])
    ledger.add("w", 1, recorder.take(9.0))
    assert ledger.latency["response"].waits == 2
    assert ledger.scopes["HandoffChat"].latency["response"].waits == 1
    assert ledger.from_schedule["response"].unfinished_stats()["open_oldest_ms"] == pytest.approx(
        8000, rel=0.001
    )


def test_a_ledger_goes_on_with_the_waits_that_it_knew() -> None:
    """Restored from its state, it knows which of them to take back."""
    recorder, ledger, again = Recorder(), Ledger(), Ledger()
    ledger.add("w", 1, waiting_since(recorder, 3.0, 1.0))
    for part in ledger.state():
        again.restore(PART.decode(json.loads(PART.json(part))))
    assert again.waits() == ledger.waits()
    again.add("w", 2, waiting_since(recorder, 4.0))
    assert again.waits() == {}
