"""A target that never answers some of its turns and greetings, held against its own log."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from processes import (
    SECRETS,
    Finished,
    Truth,
    as_run,
    profile,
    results,
    run,
    simulator,
    summary,
    timeline,
    unless_busy,
)

LIMIT_MS = 1500.0
MORE = f"""patience = "60s"
[slo]
"response.p95" = "{LIMIT_MS / 1000}s"
"turns.lost_ratio" = 0.0
"""


class Run(NamedTuple):
    """A run against such a target, and what that knows.

    Attributes:
        missing: what the target never answered, in its own words.
    """

    ended: Finished
    folder: Path
    told: dict[str, Any]
    truth: Truth
    missing: list[dict[str, Any]]


def lived(folder: Path, path: Path, *dials: str) -> Run:
    out = folder / "out"
    with simulator(folder, *dials) as server:
        ended = run(as_run(path, server.url, out), folder, SECRETS)
        truth = server.stop()
    missing = [
        record
        for record in truth.of("turn", outcome="unanswered")
        if len(record["events"]) and record["events"][-1]["type"].endswith("THINKING")
    ]
    return Run(ended, results(out), summary(out), truth, missing)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Both at once, as they mostly wait."""
    one, other = (tmp_path_factory.mktemp("run") for _ in range(2))
    hanging = profile(one, users=24, seconds=13, turns="{ min = 3, max = 6 }", more=MORE)
    more = '[slo]\n"response.p95" = "3s"\n'
    late = profile(other, users=12, seconds=4, turns="{ min = 20, max = 20 }", more=more)
    dials = ("faults.missing_answer=0.1", "agent.first_response=200ms")
    with ThreadPoolExecutor() as pool:
        ended = {
            "hanging": pool.submit(lived, one, hanging, *dials),
            "late": pool.submit(lived, other, late, "agent.first_response=1200ms"),
        }
        return {name: each.result() for name, each in ended.items()}


@pytest.fixture
def hanging(runs: dict[str, Run]) -> Run:
    return runs["hanging"]


class TestATargetThatNeverAnswers:
    def test_does_not_pass(self, hanging: Run) -> None:
        """The patience is longer than the run: no turn is ever lost."""
        (p95, lost) = hanging.told["slo"]
        assert hanging.told["turns"]["lost"] == 0
        assert (p95["status"], p95["at_least"]) == ("fail", True)
        assert p95["actual"] > LIMIT_MS
        assert (lost["status"], lost["stale"] > 0) == ("undecided", True)
        assert hanging.ended.code == unless_busy(1, hanging.told)

    def test_has_every_turn_in_the_books(self, hanging: Run) -> None:
        turns = hanging.told["turns"]
        assert turns["sent"] == len(hanging.truth.of("turn"))
        assert turns["answered"] == len(hanging.truth.of("turn", outcome="answered"))
        assert turns["open"] == len(hanging.truth.of("turn", outcome="unanswered")) > 5
        assert turns["sent"] == turns["answered"] + turns["lost"] + turns["open"]

    def test_has_its_oldest_turn_as_old_as_the_target_says(self, hanging: Run) -> None:
        """It heard the message, and the visitor's goodbye."""
        ends = {record["session_id"]: record["at"] for record in hanging.truth.of("session_end")}
        ages = [
            1000 * (ends[record["session_id"]] - record["received"])
            for record in hanging.truth.of("turn", outcome="unanswered")
        ]
        waits = hanging.told["waits"]["response"]
        assert waits["open"] == len(ages)
        assert waits["open_oldest_ms"] == pytest.approx(max(ages), rel=0.01, abs=50)

    def test_has_its_greetings_in_the_books(self, hanging: Run) -> None:
        missing = hanging.truth.of("join", outcome="unanswered")
        assert hanging.told["waits"].get("greeting", {"open": 0})["open"] == len(missing)

    def test_is_told_of_while_it_happens(self, hanging: Run) -> None:
        lines = [line for line in hanging.ended.output.splitlines() if "waiting " in line]
        assert lines
        found = re.search(r"waiting (\d+), oldest ([\d.]+) s", lines[-1])
        assert found is not None, lines[-1]
        assert int(found[1]) > 0

    def test_is_told_of_at_the_end(self, hanging: Run) -> None:
        assert re.search(r"response +\d+ +[\d.]+ +[\d.]+ +0", hanging.ended.output)
        assert f"{hanging.told['turns']['open']} open" in hanging.ended.output
        assert "## Waits without an end" in (hanging.folder / "summary.md").read_text()

    def test_has_the_waits_of_each_second_in_the_timeline(self, hanging: Run) -> None:
        rows = timeline(hanging.folder.parent)
        most = max(int(row["turns_open"]) for row in rows)
        assert most >= hanging.told["turns"]["open"]
        assert max(float(row["oldest_wait_s"] or 0) for row in rows) > 5
        for name in ("sent", "answered", "lost"):
            assert sum(int(row[f"turns_{name}"]) for row in rows) == hanging.told["turns"][name]


def test_who_waits_when_the_load_ends_may_still_be_answered(runs: dict[str, Run]) -> None:
    """For as long as the greatest limit; meanwhile nobody says anything new, and nobody comes."""
    _, folder, told, truth, _ = runs["late"]
    assert told["turns"]["sent"] == told["turns"]["answered"] == len(truth.of("turn"))
    assert told["turns"]["open"] == 0
    assert "response" not in told["waits"]
    asked = json.loads((folder / "run.json").read_text())
    assert asked["profile"]["load"]["drain"] is None
    # All that was said was said while the load was on, though its answers came after it.
    ends = [turn["events"][-1]["at"] for turn in truth.of("turn")]
    said = [turn["received"] for turn in truth.of("turn")]
    assert max(ends) - max(said) >= 1.0
    assert max(said) - min(said) <= told["duration_s"]
