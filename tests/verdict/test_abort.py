"""When a run is not worth going on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.verdict.abort import AbortWatch
from loadkit.verdict.slo import SloLine

GOOD = SloLine("response.p95", 500, 400.0, "pass", 1000, 90)
BROKEN = SloLine("response.p95", 500, 900.0, "fail", 1000, 90)
UNDECIDED = SloLine("response.p95", 500, None, "undecided", 10, 90)
UNMEASURED = SloLine("response.p95", 500, None, "fail", 0, 90)
ERRORS = SloLine("errors", 0, 4, "fail")


@pytest.mark.parametrize(
    ("looks", "ends_at"),
    [
        ([(0, BROKEN), (29, BROKEN)], None),  # not for long enough yet
        ([(0, BROKEN), (29, BROKEN), (30, BROKEN)], 30),
        ([(0, BROKEN), (70, BROKEN)], 70),  # a look may come late
        ([(0, GOOD), (100, BROKEN), (129, BROKEN), (130, BROKEN)], 130),
        ([(0, BROKEN), (29, GOOD), (30, BROKEN), (59, BROKEN)], None),  # recovered: anew
        ([(0, BROKEN), (29, UNDECIDED), (30, BROKEN), (60, BROKEN)], 60),
        ([(t, UNDECIDED) for t in range(100)], None),
        ([(t, UNMEASURED) for t in range(100)], None),  # the first answer may be on its way
    ],
)
def test_an_objective_ends_the_run_once_broken_for_the_whole_grace(
    looks: list[tuple[float, SloLine]], ends_at: float | None
) -> None:
    """One row a case: looks at a clock in seconds, with a grace of 30 s."""
    watch = AbortWatch(30)
    found = [(now, watch.lasting_breach(now, [line])) for now, line in looks]
    ends = [(now, line) for now, line in found if line is not None]
    assert ends[:1] == ([] if ends_at is None else [(ends_at, BROKEN)])


def test_objectives_are_watched_apart() -> None:
    """Two that take turns at being broken are never broken for long."""
    watch = AbortWatch(10)
    fine = SloLine("errors", 0, 0, "pass")
    for now in range(0, 100, 5):
        turn = [BROKEN, fine] if now % 10 else [GOOD, ERRORS]
        assert watch.lasting_breach(now, turn) is None


def test_of_several_the_one_that_broke_first_is_named() -> None:
    """It is likely to be the cause of the others."""
    watch = AbortWatch(10)
    assert watch.lasting_breach(0, [GOOD, ERRORS]) is None
    assert watch.lasting_breach(5, [BROKEN, ERRORS]) is None
    assert watch.lasting_breach(20, [BROKEN, ERRORS]) is ERRORS


def test_the_line_is_told_as_it_stands_now() -> None:
    """The reader wants the figure that ended the run, not that of half a minute before."""
    watch = AbortWatch(10)
    assert watch.lasting_breach(0, [BROKEN]) is None
    worse = SloLine("response.p95", 500, 9000.0, "fail", 2000, 90)
    assert watch.lasting_breach(10, [worse]) is worse


def test_only_the_objectives_that_were_named_can_end_a_run() -> None:
    """The others are for the verdict."""
    watch = AbortWatch(10, ["errors"])
    assert watch.lasting_breach(0, [BROKEN]) is None
    assert watch.lasting_breach(50, [BROKEN]) is None
    assert watch.lasting_breach(60, [BROKEN, ERRORS]) is None
    assert watch.lasting_breach(70, [BROKEN, ERRORS]) is ERRORS


@given(st.lists(st.sampled_from([GOOD, BROKEN, UNDECIDED, UNMEASURED]), max_size=60))
def test_it_ends_at_the_first_look_after_a_grace_of_nothing_but_broken(
    lines: list[SloLine],
) -> None:
    """By a plain reading of the whole past: eleven looks in a row, a second apart."""
    watch = AbortWatch(10)
    for now, line in enumerate(lines):
        unbroken = now >= 10 and all(past is BROKEN for past in lines[now - 10 : now + 1])
        assert (watch.lasting_breach(now, [line]) is not None) is unbroken
