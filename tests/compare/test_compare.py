"""What a comparison tells of runs of which it is known whether they differ."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadkit.compare import terminal
from loadkit.compare.compare import compare
from loadkit.compare.comparison import Change
from loadkit.compare.counts import rates, shares
from loadkit.compare.latencies import latencies
from loadkit.compare.stored_run import StoredRun, load_run
from loadkit.compare.unjudged import judge
from loadkit.exit_codes import ExitCode
from loadkit.report.screen import Screen
from tests.compare.folders import INFO, lived
from tests.compare.simulated import PHASES, stored
from tests.report.conftest import Make


def judged(base: StoredRun, new: StoredRun) -> tuple[Change, ...]:
    return judge([*latencies(base, new), *shares(base, new), *rates(base, new)])[0]


def told(make: Make, pairs: int, seed: int, **options: Any) -> int:
    """In how many comparisons of equal runs anything is told to have changed."""
    summary, found = make(), 0
    for number in range(pairs):
        chance = np.random.default_rng([seed, number])
        base, new = (stored(summary, chance, **options) for _ in range(2))
        found += any(each.verdict in ("worse", "better") for each in judged(base, new))
    return found


def test_equal_runs_are_hardly_ever_told_to_differ(make: Make) -> None:
    """Of twelve pairs: more than three would come by chance once in three hundred times."""
    assert told(make, 12, seed=1, rows=40) <= 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "options",
    [
        {"rows": 120, "hang_together": 0.7},
        {"rows": 30, "hang_together": 0.5},
        {"rows": 240, "hang_together": 0.8, "a_second": 4.0, "lost": 0.0},
    ],
)
def test_of_a_thousand_pairs_of_equal_runs_one_in_twenty_is_told_to_differ(
    make: Make, options: dict[str, Any]
) -> None:
    """At most, all figures together."""
    assert told(make, 1000, seed=2, **options) <= 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_regression_that_it_could_have_seen_is_seen_four_times_of_five(make: Make) -> None:
    """More often, as it errs to the careful side."""
    summary, seen = make(), Counter[str]()
    for number in range(200):
        chance = np.random.default_rng([3, number])
        base = stored(summary, chance, rows=240)
        equal = {each.metric: each for each in judged(base, stored(summary, chance, rows=240))}
        visible = equal["response.p50"].visible
        assert visible is not None
        new = stored(summary, chance, rows=240, slower=1 + visible)
        changes = {each.metric: each for each in judged(base, new)}
        seen[changes["response.p50"].verdict] += 1
    assert 140 <= seen["worse"] <= 190
    assert not seen["better"]


def test_slower_responses_are_told_and_nothing_else(make: Make) -> None:
    """By half, in runs of two minutes; the four other phases are as they were."""
    summary, chance = make(), np.random.default_rng(8)
    base = stored(summary, chance)
    worse = {each.metric: each for each in judged(base, stored(summary, chance, slower=1.5))}
    assert {name for name, each in worse.items() if each.verdict == "worse"} >= {
        "response.p50",
        "response.p95",
    }
    assert {each.phase for each in worse.values() if each.verdict != "noise"} == {"response"}
    low, high = worse["response.p50"].interval
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert {each.phase for each in worse.values() if each.kind == "latency"} == set(PHASES)


def test_more_lost_turns_are_told(make: Make) -> None:
    """Ten of a hundred where there was one."""
    summary, chance = make(), np.random.default_rng(9)
    base, new = stored(summary, chance), stored(summary, chance, lost=0.1)
    (lost,) = (each for each in judged(base, new) if each.metric == "turns.lost_ratio")
    assert lost.verdict == "worse"
    assert lost.interval[0] is not None
    assert lost.interval[0] > 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, `equal` with another chance, `slower` by a fifth, `invalid`."""
    folder = tmp_path_factory.mktemp("runs")
    lived(folder / "base", seed=1, limits=(("response.p95", 5000.0),))
    lived(folder / "equal", seed=2, limits=(("response.p95", 5000.0),))
    other = {**INFO, "profile": {"load": {"seed": 8, "warmup": 5.0}}, "machine": {"cores": 4}}
    lived(folder / "slower", seed=3, slower=1.3, info=other)
    lived(folder / "invalid", seed=4, asked_users=50)
    return folder


def between(runs: Path, base: str, new: str) -> Any:
    return compare(load_run(runs / base), load_run(runs / new))


def test_equal_runs_pass_and_say_what_they_could_have_seen(runs: Path) -> None:
    """With curves of both, and the shift along them."""
    found = between(runs, "base", "equal")
    assert found.exit_code == ExitCode.OK
    assert not found.regressions
    assert 0.02 < found.change("response.p95").visible < 0.5
    (response, _) = found.curves
    shares = [point.share for point in response.points]
    assert shares == sorted(shares)
    for point in response.points:
        assert point.change == pytest.approx(point.new_ms / point.base_ms - 1)
    assert found.settings == ()


def test_a_slower_run_fails_and_says_what_else_differs(runs: Path) -> None:
    """The seed, a machine of other cores."""
    found = between(runs, "base", "slower")
    assert found.exit_code == ExitCode.FAILED
    assert "response.p50" in {each.metric for each in found.regressions}
    assert ("load.seed", "7", "8") in {(each.key, each.base, each.new) for each in found.settings}
    assert "machine.cores" in {each.key for each in found.surroundings}
    assert "seed" in found.pairing


def test_a_faster_run_is_no_regression(runs: Path) -> None:
    """It is told all the same."""
    found = between(runs, "slower", "base")
    assert found.exit_code == ExitCode.OK
    assert "response.p50" in {each.metric for each in found.improvements}


def test_an_invalid_run_proves_nothing(runs: Path) -> None:
    """Whatever its figures."""
    found = between(runs, "base", "invalid")
    assert found.exit_code == ExitCode.INVALID
    assert found.doubts[0].startswith("NEW is invalid")


def test_without_histograms_nothing_is_told_from_noise(runs: Path, tmp_path: Path) -> None:
    """The figures stand all the same, and it says so."""
    (tmp_path / "summary.json").write_bytes((runs / "slower/summary.json").read_bytes())
    found = compare(load_run(runs / "base"), load_run(tmp_path / "summary.json"))
    response = found.change("response.p50")
    assert response is not None
    assert response.verdict == "unknown"
    assert response.change == pytest.approx(0.3, abs=0.1)
    low, high = response.interval
    assert low is not None
    assert high is not None
    assert 0.2 < low < response.change < high < 0.5
    assert any("latency.hlog" in note for note in found.notes)
    assert found.judged == 0
    assert found.exit_code == ExitCode.OK


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("latency_ms", "response", "p50"), 5e-324),
        (("latency_ms", "response", "p95"), 1e15),
        (("throughput", "turns_per_second"), 5e-324),
        (("throughput", "turns_per_second"), 1e15),
        (("turns", "sent"), 10**15),
        (("turns", "lost"), 10**15),
        (("sessions", "started"), 10**15),
        (("duration_s",), 1e8),
    ],
)
def test_a_strangers_figures_break_nothing(
    runs: Path, tmp_path: Path, keys: tuple[str, ...], value: float
) -> None:
    """And what they come to is JSON."""
    shutil.copytree(runs / "equal", tmp_path / "stranger")
    path = tmp_path / "stranger/summary.json"
    told = json.loads(path.read_text())
    place = told
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(told))
    for order in ((runs / "base", path), (path, runs / "base")):
        found = compare(*map(load_run, order))
        json.dumps(found.to_dict(), allow_nan=False)
        terminal.render(found, Screen())


def test_a_warm_up_longer_than_the_run_leaves_nothing_to_judge(runs: Path, tmp_path: Path) -> None:
    """As a stranger's profile may have it."""
    for name in ("base", "equal"):
        shutil.copytree(runs / name, tmp_path / name)
        info = {"profile": {"load": {"warmup": 1e8}}}
        (tmp_path / name / "run.json").write_text(json.dumps(info))
    found = between(tmp_path, "base", "equal")
    assert found.change("response.p50").verdict == "unknown"
