"""The same turns of two runs, one by one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadkit.compare.pairing import PAIRED, pair
from loadkit.compare.stored_run import StoredRun
from loadkit.measure.turn_times import TurnTime
from loadkit.verdict.summary import Summary
from tests.report.conftest import Make

SETTINGS = {"load.seed": 7, "mix.CompleteChat": 60, "slo": 1}


def spoken(
    summary: Summary,
    chance: np.random.Generator,
    *,
    slower: float = 1.0,
    sessions: int = 200,
    settings: dict[str, Any] = SETTINGS,
) -> StoredRun:
    """A run of sessions of five turns, one a second, in which the same turn takes about as long."""
    same = np.random.default_rng(1)
    turns = []
    for session in range(sessions):
        alike = chance.normal(0, 0.02)
        for number in range(1, 6):
            usual = same.lognormal(-0.5, 0.5)  # of this turn, whatever the run
            took = usual * slower * np.exp(alike + chance.normal(0, 0.05))
            turns.append(
                TurnTime(f"CompleteChat-{session}", number, session + number, round(took * 1e6))
            )
    return StoredRun(Path("drawn"), summary, settings=settings, turns=turns)


def test_a_small_change_of_the_same_turns_is_seen(make: Make) -> None:
    """Of 3 %, where turns differ from each other by half."""
    summary, chance = make(), np.random.default_rng(2)
    found, told = pair(spoken(summary, chance), spoken(summary, chance, slower=1.03), 1.0)
    assert told == "1,000 turns of 200 sessions"
    assert found is not None
    assert found.change.metric == PAIRED
    assert found.p is not None
    assert found.p < 0.001
    low, high = found.change.interval
    assert low is not None
    assert high is not None
    assert 0 < low < 0.03 < high < 0.05
    visible = found.visible(0.01)
    assert visible is not None
    assert visible < 0.03


def test_equal_runs_are_told_to_differ_in_one_case_of_twenty(make: Make) -> None:
    """At most; of 40 pairs more than seven would come by chance once in seven hundred times."""
    summary, told = make(), 0
    for number in range(40):
        chance = np.random.default_rng([3, number])
        pairs = [spoken(summary, chance, sessions=40) for _ in range(2)]
        found, _ = pair(pairs[0], pairs[1], 1.0)
        assert found is not None
        assert found.p is not None
        told += found.p < 0.05
    assert told <= 7


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"settings": {**SETTINGS, "load.seed": 8}}, "another seed"),
        ({"settings": {**SETTINGS, "mix.CompleteChat": 50}}, "differ in mix.CompleteChat"),
        ({"settings": {}}, "profile of one is not known"),
        ({"turns": ()}, "no turns.csv"),
        (
            {"turns": [TurnTime(f"x-{n}", 1, 1.0, 5) for n in range(50)]},
            "0 of 50 turns are in both",
        ),
        ({"turns": [TurnTime("CompleteChat-0", n, 1.0, 5) for n in range(1, 4)]}, "too few stret"),
    ],
)
def test_why_turns_are_not_paired_is_told(make: Make, other: dict[str, Any], why: str) -> None:
    """Rather than a figure that means nothing."""
    run = spoken(make(), np.random.default_rng(4))
    found, told = pair(run, replace(run, **other), 1.0)
    assert found is None
    assert why in told


def test_another_limit_makes_no_other_people(make: Make) -> None:
    """What is asked of the server does not change what is said to it."""
    run = spoken(make(), np.random.default_rng(4))
    found, _ = pair(run, replace(run, settings={**SETTINGS, "slo": 2}), 1.0)
    assert found is not None
    assert found.p == 1.0
