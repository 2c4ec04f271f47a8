"""What a capacity search found, in words: a number is named only where it may be."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loadkit.errors import UsageError
from loadkit.report.capacity import (
    SCHEMA,
    completed,
    document,
    exit_code,
    load,
    render,
    save,
    sentence,
    steps_to_resume,
)

LIMITS = [("response.p95", 2500.0)]


def step(number: int, at: float, verdict: str = "held", **other: Any) -> dict[str, Any]:
    rate = at / (1 + 0.02 * (at - 1) + 0.0001 * at * (at - 1))
    return {
        "number": number,
        "kind": "probe",
        "load": at,
        "outcome": {
            "load": at,
            "verdict": verdict,
            "settled": True,
            "why": other.pop("why", "response p95 812 ms"),
        },
        "delivered": {
            "concurrent": other.pop("concurrent", at),
            "sessions_per_second": 1.0,
            "turns_per_second": round(rate, 3),
        },
        "latency_ms": {"response": {"count": 900, "p50": 300.0 + at, "p95": 812.0 + at}},
        **other,
    }


STEPS = [
    step(1, 100),
    step(2, 200),
    step(3, 400),
    step(4, 800, "broken", why="response p95 3,000 ms > 2,500 ms"),
    step(5, 412),
    step(6, 421, "broken"),
    step(7, 412, kind="confirm"),
]


def found(model: str = "closed", steps: Any = None, **result: Any) -> dict[str, Any]:
    capacity: dict[str, Any] | None = {
        "verdict": "found",
        "load": 412.0,
        "low": 398.0,
        "high": 421.0,
        "confirmed": True,
        "limit": "slo",
        "flips": None,
        "steps": 7,
        "seconds": 900.0,
        "notes": [],
    } | result
    if result.get("verdict") == "interrupted":
        capacity = None
    return {
        "schema": SCHEMA,
        "profile": "shop",
        "model": model,
        "own_load": 100,
        "slo": [{"metric": metric, "limit": limit} for metric, limit in LIMITS],
        "settings": {},
        "capacity": capacity,
        "steps": STEPS if steps is None else steps,
    }


class TestTheSentence:
    def test_a_capacity_comes_with_its_interval_and_its_limit(self):
        """And with the word that the generator was not the limit."""
        assert sentence(found()) == (
            "This deployment holds 412 concurrent conversations (95 % CI 398–421) with response "
            "p95 ≤ 2.50 s; the generator was not the limit."
        )

    def test_an_open_one_is_a_rate(self):
        """With the sessions at once that came of it."""
        steps = [step(1, 12.4, concurrent=380.2)]
        told = sentence(found("open", steps, load=12.4, low=11.9, high=12.8))
        assert "holds 12.4 new sessions a second (about 380 at once) (95 % CI 11.9–12.8)" in told

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            pytest.param({"confirmed": False}, "no long hold confirmed it", id="unconfirmed"),
            pytest.param({"high": None}, "(95 % CI from 398, no upper end)", id="open end"),
            pytest.param({"low": None}, "(95 % CI up to 421, no lower end)", id="other end"),
            pytest.param(
                {"verdict": "policy", "limit": "policy"}, "a rule of its own", id="policy"
            ),
            pytest.param(
                {"verdict": "at_least", "limit": "generator"},
                "holds at least 412 concurrent conversations (95 % CI 398–421) with response p95 "
                "≤ 2.50 s; the generator was saturated: add workers",
                id="generator",
            ),
            pytest.param(
                {"verdict": "at_least", "limit": "ceiling"}, "raise it to look", id="ceiling"
            ),
            pytest.param(
                {"verdict": "at_least", "limit": "undecided"}, "could not be judged", id="vague"
            ),
            pytest.param(
                {"verdict": "unstable", "flips": [300.0, 410.0]},
                "unstable: between 300 and 410 the same load held and broke",
                id="unstable",
            ),
            pytest.param(
                {"verdict": "out_of_budget", "limit": "budget"}, "The time was up", id="budget"
            ),
            pytest.param(
                {"verdict": "below_start", "load": None},
                "does not hold even 100 concurrent conversations",
                id="below the start",
            ),
            pytest.param(
                {"verdict": "at_least", "limit": "generator", "load": None},
                "No capacity can be named: the generator was saturated at 100",
                id="generator from the first step on",
            ),
            pytest.param(
                {"verdict": "policy", "limit": "policy", "load": None},
                "turns people away by a rule of its own at 100",
                id="policy from the first step on",
            ),
            pytest.param({"verdict": "undecided", "load": None}, "No capacity", id="undecided"),
            pytest.param(
                {"verdict": "interrupted"},
                "Interrupted after 7 steps: the highest load that held so far is 412 concurrent "
                "conversations",
                id="interrupted",
            ),
        ],
    )
    def test_what_was_not_found_is_not_claimed(self, result: dict[str, Any], words: str):
        """Only a capacity that was found says that the generator was not the limit."""
        told = sentence(found(**result))
        assert words in told
        plain = result.keys() <= {"low", "high"}
        assert ("the generator was not the limit" in told) == plain


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({}, 0),
        ({"verdict": "policy", "limit": "policy"}, 0),
        ({"verdict": "at_least", "limit": "ceiling"}, 0),
        ({"confirmed": False}, 1),
        ({"verdict": "unstable"}, 1),
        ({"verdict": "below_start", "load": None}, 1),
        ({"verdict": "out_of_budget", "limit": "budget"}, 1),
        ({"verdict": "interrupted"}, 1),
        ({"verdict": "at_least", "limit": "undecided"}, 1),
        ({"verdict": "at_least", "limit": "generator"}, 3),
        ({"verdict": "at_least", "limit": "generator", "load": None}, 3),
    ],
)
def test_the_exit_code_says_whether_a_number_was_named(result: dict[str, Any], code: int) -> None:
    """0 is a number that may be quoted, 3 that the generator was the limit."""
    assert exit_code(found(**result)) == code


class TestTheFile:
    def test_it_is_read_as_it_was_written(self, tmp_path: Path):
        """Law and knee included: JSON has no infinity."""
        written = completed(found())
        save(tmp_path, written)
        json.loads((tmp_path / "capacity.json").read_text(), parse_constant=pytest.fail)
        assert load(tmp_path) == load(tmp_path / "capacity.json") == written

    def test_an_interrupted_search_gives_its_steps(self, tmp_path: Path):
        """In their order."""
        save(tmp_path, found(verdict="interrupted"))
        assert steps_to_resume(tmp_path, "shop", "closed", LIMITS) == STEPS

    def test_one_that_ran_out_of_time_does_so_too(self, tmp_path: Path):
        """With a larger budget it goes on."""
        save(tmp_path, found(verdict="out_of_budget"))
        assert steps_to_resume(tmp_path, "shop", "closed", LIMITS) == STEPS

    def test_one_that_the_generator_ended_goes_on_from_there(self, tmp_path: Path):
        """With more workers: the step that they were too few for is done again."""
        steps = [step(1, 100), step(2, 200, verdict="generator"), step(3, 100, kind="confirm")]
        save(tmp_path, found("closed", steps, verdict="at_least", limit="generator"))
        assert steps_to_resume(tmp_path, "shop", "closed", LIMITS) == steps[:1]

    @pytest.mark.parametrize(
        ("written", "profile", "model", "limits", "words"),
        [
            pytest.param({}, "shop", "closed", LIMITS, "is over: This deployment", id="over"),
            pytest.param(
                {"verdict": "interrupted"}, "bank", "closed", LIMITS, "another profile", id="name"
            ),
            pytest.param(
                {"verdict": "interrupted"}, "shop", "open", LIMITS, "load.model", id="model"
            ),
            pytest.param(
                {"verdict": "interrupted"},
                "shop",
                "closed",
                [("response.p95", 2000.0)],
                r"another \[slo\]",
                id="objectives",
            ),
        ],
    )
    def test_steps_that_say_nothing_of_this_search_are_refused(
        self, tmp_path: Path, written: Any, profile: str, model: str, limits: Any, words: str
    ):
        """Another limit makes another verdict of the same latencies."""
        save(tmp_path, found(**written))
        with pytest.raises(UsageError, match=words):
            steps_to_resume(tmp_path, profile, model, limits)

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "give the folder"), ("{", "not JSON"), ("[]", "no result"), ("{}", "no result")],
    )
    def test_what_is_no_result_is_refused(self, tmp_path: Path, content: str | None, words: str):
        """With the mend."""
        if content is not None:
            (tmp_path / "capacity.json").write_text(content)
        with pytest.raises(UsageError, match=words):
            load(tmp_path)


class TestTheCurve:
    def test_it_has_a_row_for_each_step_by_load(self):
        """In a file, with why."""
        lines = document(completed(found())).splitlines()
        rows = [line for line in lines if line.startswith("| ") and line[2].isdigit()]
        assert [row.split(" | ")[1] for row in rows] == [
            "100", "200", "400", "412", "412", "421", "800",
        ]  # fmt: skip
        assert rows[4].startswith("| 7* |")
        assert "| broken | response p95 3,000 ms > 2,500 ms |" in rows[-1]
        assert lines[0] == "# Capacity: shop"
        assert lines[2].startswith("This deployment holds 412")

    def test_a_servers_words_do_not_break_the_table(self):
        """They come with what turned people away."""
        steps = [*STEPS, step(8, 900, "policy", why="too | many `<b>`")]
        assert "too \\| many \\`\\<b>\\`" in document(found(steps=steps))

    @pytest.mark.parametrize("result", [{}, {"verdict": "interrupted"}])
    def test_it_fits_a_terminal_of_80_columns(self, result: dict[str, Any]):
        """All but the sentence, which stands unbroken for whoever searches a log."""
        console = Console(width=80, file=StringIO(), force_terminal=False)
        render(completed(found(**result)), console)
        assert isinstance(console.file, StringIO)
        *lines, last = console.file.getvalue().rstrip().splitlines()
        assert all(len(line) <= 80 for line in lines)
        assert last == sentence(found(**result))
