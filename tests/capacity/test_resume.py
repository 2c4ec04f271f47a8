"""An interrupted search goes on against what it began with, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from loadkit.capacity.document import save
from loadkit.capacity.resume import differences, steps_to_resume
from loadkit.errors import UsageError

from .searches import STEPS, found, step

SUBJECT: dict[str, Any] = {
    "target": "https://a.example",
    "announced": {"streaming": True, "heartbeat_interval_seconds": 30},
    "profile": {"name": "shop", "conversation": {"time_scale": 0.1}, "mix": {"CompleteChat": 1}},
    "slo": {"response.p95": 2500.0},
}


def search(verdict: str, steps: Any = None, **result: Any) -> dict[str, Any]:
    return found("closed", steps, verdict=verdict, **result) | {"subject": SUBJECT}


@pytest.mark.parametrize("verdict", ["interrupted", "out_of_budget"])
def test_a_search_that_is_not_over_gives_its_steps(tmp_path: Path, verdict: str) -> None:
    """In their order; one that ran out of time goes on with a larger budget."""
    save(tmp_path, search(verdict))
    assert steps_to_resume(tmp_path, SUBJECT) == STEPS


def test_one_that_the_generator_ended_goes_on_from_there(tmp_path: Path) -> None:
    """With more workers: the step that they were too few for is done again."""
    steps = [step(1, 100), step(2, 200, verdict="generator"), step(3, 100, kind="confirm")]
    save(tmp_path, search("at_least", steps, limit="generator"))
    assert steps_to_resume(tmp_path, SUBJECT) == steps[:1]


def test_one_that_is_over_is_refused(tmp_path: Path) -> None:
    save(tmp_path, search("found"))
    with pytest.raises(UsageError, match="is over: This deployment"):
        steps_to_resume(tmp_path, SUBJECT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "https://b.example"}, "target was https://a.example, now https://b.example"),
        (
            {"announced": {"streaming": False, "heartbeat_interval_seconds": 30}},
            "announced.streaming was True, now False",
        ),
        ({"announced": {}}, "announced.heartbeat_interval_seconds was 30, now not set"),
        ({"simulator": {"agent": {"slots": 8}}}, "simulator was not set, now {'agent': {'slots'"),
        ({"slo": {"response.p95": 2000.0}}, r"slo.response.p95 was 2500.0, now 2000.0"),
        (
            {"profile": SUBJECT["profile"] | {"conversation": {"time_scale": 1.0}}},
            "profile.conversation.time_scale was 0.1, now 1.0",
        ),
        (
            {"profile": SUBJECT["profile"] | {"mix": {"IdleChat": 1}}},
            "profile.mix.CompleteChat was 1, now not set; profile.mix.IdleChat was not set, now 1",
        ),
    ],
)
def test_whatever_else_it_was_of_is_named(tmp_path: Path, change: Any, words: str) -> None:
    """Its steps would say that one load both broke and held."""
    save(tmp_path, search("interrupted"))
    with pytest.raises(UsageError) as refused:
        steps_to_resume(tmp_path, SUBJECT | change)
    assert words in str(refused.value)


def test_many_differences_are_counted(tmp_path: Path) -> None:
    save(tmp_path, search("interrupted"))
    with pytest.raises(UsageError, match=r"target was.*; profile.name was.*, and 3 more"):
        steps_to_resume(tmp_path, {key: {} for key in SUBJECT} | {"target": "", "more": 1})


def test_a_search_that_does_not_say_what_it_was_of_is_refused(tmp_path: Path) -> None:
    """An earlier version did not write it down."""
    old = search("interrupted")
    del old["subject"]
    save(tmp_path, old)
    with pytest.raises(UsageError, match="an earlier version wrote it; begin anew"):
        steps_to_resume(tmp_path, SUBJECT)


def test_what_is_the_same_differs_in_nothing() -> None:
    assert list(differences(SUBJECT, SUBJECT)) == []
