"""A server that declines by its dials, under a real run: what is told is what the server did.

How it declines is a closed formula (docs/simulator.md, "Drift"); what each answer took the server
says itself, in its truth log. Windows take five seconds, and twenty of them; the run that is tried
each time has shorter ones, on a server that declines the faster. `tests/results/test_decline.py`
has the whole length, on a clock that is set.
"""

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet_of_workers import LOCUSTFILE
from processes import READY_LOCUST, SECRETS, Truth, profile, simulator, started, summary

pytestmark = pytest.mark.timed

FIRST_RESPONSE = 40  # ms, of `processes.QUICK`
ENDLESS = "{ min = 2000, max = 2000 }"


class Length(NamedTuple):
    """How long a run is, and how fast its server declines: to six times the waits in all.

    Attributes:
        seconds: of the run; drift is told from twenty windows on.
        window: seconds of one, which no user can set.
        users: so many that each window sees dozens of answers.
    """

    seconds: float
    window: float
    users: int

    @property
    def growth(self) -> float:
        """Of the waits, an hour."""
        return 5 * 3600 / self.seconds


class Declined(NamedTuple):
    """A run, and what its server knows of it."""

    length: Length
    code: int
    output: str
    summary: dict[str, Any]
    truth: Truth


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Length(18, 0.5, 8), id="short windows"),
        pytest.param(Length(112, 5.0, 3), id="real windows", marks=pytest.mark.slow),
    ],
)
def declined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Declined:
    length: Length = request.param
    folder: Path = tmp_path_factory.mktemp("declined")
    more = '[results]\ninterval = "250ms"\n[slo]\n"drift.response.p50" = "50%/h"'
    path = profile(
        folder, users=length.users, seconds=length.seconds, warmup=2, turns=ENDLESS, more=more
    )
    text = path.read_text().replace("StreamingChat = 50\n", "")
    path.write_text(text.replace("time_scale = 0.02", "time_scale = 0.005"))
    own = folder / "locustfile.py"
    own.write_text(
        "from loadkit.soak import drift\n"
        f"drift.SHORTEST = {length.window}\n{LOCUSTFILE.read_text()}"
    )
    with simulator(folder, f"drift.per_hour={length.growth}") as server:
        command = [READY_LOCUST, "-f", own, "--headless", "--profile", path, "-H", server.url]
        with started([*command, "--out", folder / "out"], folder, SECRETS) as run:
            while run.running:  # the real one for longer than others; pytest's timeout ends it
                time.sleep(0.2)
            code, output = run.finish()
        return Declined(length, code, output, summary(folder / "out"), server.stop())


def test_the_slope_is_the_servers_own(declined: Declined) -> None:
    """Of the response at p50: Sen's over windows, over the server's answers, and by the dials."""
    from scipy.stats import theilslopes  # here, as in `test_arrivals`

    told = declined.summary["drift"]["figures"]["response.p50"]
    assert told["drifts"] == "line"
    turns = declined.truth.of("turn", outcome="answered")
    took = [(each["events"][-1]["at"] - each["received"]) * 1000 for each in turns]
    slope = theilslopes(took, [each["received"] / 3600 for each in turns]).slope
    assert slope == pytest.approx(FIRST_RESPONSE * declined.length.growth, rel=0.05)
    assert told["per_hour"] == pytest.approx(slope, rel=0.1)


def test_it_is_said_in_words_and_breaks_the_limit(declined: Declined) -> None:
    """On the terminal, in the table of objectives, and as the exit code."""
    words = " ".join(declined.output.split())
    assert re.search(r"response p50 rises by \d+ % \([^)]*\) in [\d.]+ (s|min): leak-like", words)
    (line,) = declined.summary["slo"]
    assert (line["metric"], line["pass"]) == ("drift.response.p50", False)
    assert declined.code in (1, 3)  # 3 where the machine is too busy
