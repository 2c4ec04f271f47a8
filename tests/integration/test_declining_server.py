"""A server that declines by its dials, under a real run: what is told is what the server did.

How it declines is a closed formula (docs/simulator.md, "Drift"); what each answer took the server
says itself, in its truth log.
"""

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import LOADKIT, SECRETS, Truth, profile, simulator, started, summary

FIRST_RESPONSE = 40  # ms, of `processes.QUICK`
GROWTH_PER_HOUR = 180.0  # of the waits: four times as long after a minute
SECONDS = 112  # drift is told from twenty windows of five seconds on
pytestmark = pytest.mark.timeout(300)


class Declined(NamedTuple):
    """A run, and what its server knows of it."""

    code: int
    output: str
    summary: dict[str, Any]
    truth: Truth


@pytest.fixture(scope="module")
def declined(tmp_path_factory: pytest.TempPathFactory) -> Declined:
    folder: Path = tmp_path_factory.mktemp("declined")
    slo = '[slo]\n"drift.response.p50" = "50%/h"'
    path = profile(folder, users=3, seconds=SECONDS, warmup=2, pause="50ms", more=slo)
    path.write_text(path.read_text().replace("StreamingChat = 50\n", ""))
    with simulator(folder, f"drift.per_hour={GROWTH_PER_HOUR}") as server:
        command = [LOADKIT, "run", path, "--host", server.url, "--out", folder / "out"]
        with started(command, folder, SECRETS) as run:
            while run.running:  # for longer than anything else here; the timeout above ends it
                time.sleep(0.5)
            code, output = run.finish()
        return Declined(code, output, summary(folder / "out"), server.stop())


def test_the_slope_is_the_servers_own(declined: Declined) -> None:
    """Of the response at p50: Sen's over windows, over the server's answers, and by the dials."""
    from scipy.stats import theilslopes  # here, as in `test_arrivals`

    told = declined.summary["drift"]["figures"]["response.p50"]
    assert told["drifts"] == "line"
    turns = declined.truth.of("turn", outcome="answered")[::5]
    took = [(each["events"][-1]["at"] - each["received"]) * 1000 for each in turns]
    slope = theilslopes(took, [each["received"] / 3600 for each in turns]).slope
    assert slope == pytest.approx(FIRST_RESPONSE * GROWTH_PER_HOUR, rel=0.05)
    assert told["per_hour"] == pytest.approx(slope, rel=0.1)


def test_it_is_said_in_words_and_breaks_the_limit(declined: Declined) -> None:
    words = " ".join(declined.output.split())
    assert re.search(r"response p50 rises by \d+ % \([^)]*\) in 1\.8 min: leak-like", words)
    (line,) = declined.summary["slo"]
    assert (line["metric"], line["pass"]) == ("drift.response.p50", False)
    assert declined.code in (1, 3)  # 3 where the machine is too busy
