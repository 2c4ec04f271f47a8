"""Summaries to render."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from loadkit.errors import Failure
from loadkit.figures import VIOLATED, Count, Ending, Phase
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.verdict.summary import Summary, summarise
from tests.verdict.known import asked_and_known

Make = Callable[..., Summary]


def _busy(recorder: Recorder) -> None:
    for number in range(1204):
        took = 0.3 + number / 2000
        # The echo waits for our own late send in a tenth of the cases.
        late = 0.5 if number % 10 == 0 else 0.0
        recorder.sample(Phase.ECHO, due=5.0, sent=5.0 + late, end=5.0 + late + 0.004)
        recorder.sample(Phase.RESPONSE, due=5.0, sent=5.0, end=5.0 + took)
    recorder.sample(Phase.TOKEN, due=None, sent=5.0, end=5.0123)
    recorder.count(Count.TURNS_SENT, 1204)
    recorder.count(Count.TURNS_ANSWERED, 1204)
    recorder.count(Count.DISCONNECTS_FORCED, 12)
    recorder.count(Count.DISCONNECTS_RECONNECTED, 12)
    for _ in range(412):
        recorder.session_started()
    for ending, count in ((Ending.USER_END, 398), (Ending.CUT_OFF, 14)):
        for _ in range(count):
            recorder.session_ended(ending)


def _failing(recorder: Recorder) -> None:
    for _ in range(3):
        recorder.fail(Failure.UNANSWERED, "no [answer] | in 60 s")
    recorder.violate("missing_echo", "no echo of a1")
    recorder.count(f"{VIOLATED}.missing_echo")


def _mixed(recorder: Recorder) -> None:
    for name, turns in (("CompleteChat", 100), ("HandoffChat", 5)):
        scoped = recorder.scoped(name)
        scoped.session_started()
        scoped.session_ended(Ending.FAILED if turns < 100 else Ending.USER_END)
        for _ in range(turns):
            scoped.count(Count.TURNS_SENT)
            scoped.sample(Phase.RESPONSE, due=5.0, sent=5.0, end=5.8)


@cache
def _interval(failing: bool, mixed: bool, lag: float) -> Interval:
    recorder = Recorder(named=frozenset({"CompleteChat", "HandoffChat"}))
    _busy(recorder)
    if failing:
        _failing(recorder)
    if mixed:
        _mixed(recorder)
    recorder.loop_lag(lag)
    recorder.gauge("cpu_percent", 38.0)
    recorder.gauge("rss_mb", 85.2)
    return recorder.take(30.0)


@pytest.fixture
def make() -> Make:
    """Return a maker of summaries: `make(failing=True, limits=…, …)`."""

    def build(
        *, failing: bool = False, mixed: bool = False, lag: float = 0.001, **options: Any
    ) -> Summary:
        ledger = Ledger()
        ledger.add("w", 1, _interval(failing, mixed, lag))
        ledger.add("another", 1, Recorder().take(30.0))
        # The delayed echoes make the schedule delay a reason of its own; drop it here.
        ledger.generator.pop("schedule_delay_ms")
        return summarise(ledger, *asked_and_known(**options))

    return build


@pytest.fixture
def examples() -> dict[str, str]:
    """One text for each kind of trouble that `make(failing=True)` has."""
    return {
        "errors.unanswered": "no [answer] | in 60 s",
        "violations.missing_echo": "no echo of a1",
    }
