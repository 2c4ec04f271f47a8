"""The whole length at which drift is told, on a clock that is set: twenty windows of five seconds.

`tests/integration/test_declining_server.py` has the same of real processes, for a shorter time.
"""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from loadkit.figures import Count, Phase
from loadkit.measure.recorder import Recorder
from loadkit.profile.tables import Load
from loadkit.results.rebuild import rebuild
from loadkit.simulator.app.truth_log import TruthLog
from loadkit.simulator.clock import Timer
from loadkit.simulator.faults.decline import Decline, DriftDials
from loadkit.soak.drift import SHORTEST
from loadkit.soak.metric_series import LEAST
from loadkit.verdict.summary import Summary

from .master import Master

FIRST_RESPONSE = 40.0  # ms
GROWTH_PER_HOUR = 180.0
WARMUP = 2
ENOUGH = WARMUP + round(LEAST * SHORTEST)  # seconds, from which on there are windows enough
TALKERS = 3


class Clock:
    """Shows what it is told; nobody is called."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def later(self, delay: float, call: Callable[[], None]) -> Timer:
        raise NotImplementedError


def killed(folder: Path, seconds: int) -> Summary:
    """What is made of a run that is killed at a second, against a server in decline.

    Each of three users says the next thing 0.3 to 0.5 s after the answer came.
    """
    chance, clock = Random(3), Clock()
    server = Decline(DriftDials(per_hour=GROWTH_PER_HOUR), clock, TruthLog(None))
    stages = [{"duration": length, "users": TALKERS} for length in (0, 600)]
    load = Load.model_validate({"stages": stages, "warmup": WARMUP})
    master = Master(folder, load, limits=[("drift.response.p50", 50.0)])
    recorder = Recorder(clock=clock.now)
    says = [chance.random() for _ in range(TALKERS)]
    for second in range(1, seconds + 1):
        while (at := min(says)) < second:
            clock.time = at
            takes = FIRST_RESPONSE / 1000 * server.slowness(born=0.0) * chance.uniform(0.9, 1.1)
            recorder.sample(Phase.RESPONSE, at, at, at + takes)
            recorder.count(Count.TURNS_SENT)
            recorder.count(Count.TURNS_ANSWERED)
            says[says.index(at)] = at + takes + chance.uniform(0.3, 0.5)
        clock.time = float(second)
        master.add("w1", second, recorder.take(clock.time), clock.time)
        master.tick(clock.time, users=TALKERS)
    master.kill()
    return rebuild(folder, [])


@pytest.fixture(scope="module")
def declined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, str]:
    """The summary, and the page."""
    folder = tmp_path_factory.mktemp("declined")
    return killed(folder, ENOUGH + 10), (folder / "summary.md").read_text()


def test_the_slope_is_that_of_the_dials(declined: tuple[Summary, str]) -> None:
    """A line, over windows of five seconds, without the warm-up."""
    drift = declined[0].drift
    assert drift is not None
    assert (drift["window_s"], drift["windows"]) == (5.0, LEAST + 2)
    told = drift["figures"]["response.p50"]
    assert told["drifts"] == "line"
    assert told["per_hour"] == pytest.approx(FIRST_RESPONSE * GROWTH_PER_HOUR, rel=0.05)


def test_it_is_said_in_words_and_breaks_the_limit(declined: tuple[Summary, str]) -> None:
    """In minutes, as nobody has seen an hour of it."""
    summary, page = declined
    assert re.search(r"response p50 rises by \d+ % \([^)]*\) in 1\.8 min: leak-like", page)
    (line,) = summary.slo
    assert (line.metric, line.status) == ("drift.response.p50", "fail")


def test_of_a_window_less_than_enough_nothing_is_told(tmp_path: Path) -> None:
    """Nor is the limit kept: it could not be judged."""
    summary = killed(tmp_path, ENOUGH - 1)
    assert summary.drift is None
    assert [line.status for line in summary.slo] == ["undecided"]
