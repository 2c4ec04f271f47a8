"""What a capacity search found, in words: a number is named only where it may be."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from loadkit.capacity.curve import told_of_curve
from loadkit.capacity.document import (
    completed,
    document,
    exit_code,
    load,
    render,
    save,
    sentence,
)
from loadkit.errors import UsageError
from loadkit.stats import scalability

from .searches import STEPS, found, step


@pytest.fixture(autouse=True, scope="module")
def few_resamples() -> Iterator[None]:
    """The bands are `loadkit.stats.scalability`'s, and tried there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalability, "_RESAMPLES", 10)
        yield


class TestTheSentence:
    def test_a_capacity_comes_with_its_interval_and_its_limit(self):
        """And with the word that the generator was not the limit."""
        assert sentence(found()) == (
            "This deployment holds 412 concurrent conversations (95 % CI 398–421), 15.8 turns/s, "
            "with response p95 ≤ 2.50 s; the generator was not the limit."
        )

    def test_people_who_are_busier_than_people_are_named_as_such(self):
        """412 at a tenth of the time, 29 s of 30 in which they do not wait: ten times as many."""
        told = sentence(found(time_scale=0.1))
        assert told.startswith(
            "This deployment holds 412 concurrent conversations at time scale 0.1 "
            "(95 % CI 398–421), 15.8 turns/s, as many as of about 4,000 people at their own pace, "
        )

    def test_the_same_goes_for_a_rate(self):
        steps = [step(1, 12.4, concurrent=380.2)]
        told = sentence(found("open", steps, load=12.4, low=11.9, high=12.8, time_scale=0.1))
        assert "12.4 new sessions a second (about 380 at once at time scale 0.1)" in told

    @pytest.mark.parametrize(
        "result", [{"verdict": "below_start", "load": None}, {"verdict": "interrupted"}]
    )
    def test_a_load_that_is_no_capacity_says_at_what_time_scale_too(self, result: Any):
        assert "at time scale 0.1" in sentence(found(time_scale=0.1, **result))

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
                "holds at least 412 concurrent conversations (95 % CI 398–421), 15.8 turns/s, with "
                "response p95 ≤ 2.50 s; the generator was saturated: add workers",
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
        assert rows[4].startswith("| 7\\* |")
        assert "| broken | response p95 3,000 ms > 2,500 ms |" in rows[-1]
        assert lines[0] == "# Capacity: shop"
        assert lines[2].startswith("This deployment holds 412")

    def test_a_step_names_what_broke_it(self):
        """Which need not be the phase that the columns are of."""
        lines = [
            {"metric": "response.p95", "status": "pass"},
            {"metric": "first_chunk.p95", "status": "fail"},
            {"metric": "violations", "status": "fail"},
        ]
        page = document(found(steps=[*STEPS, step(8, 900, "broken", slo=lines)]))
        assert "| broken by first_chunk.p95 +1 |" in page

    def test_a_percentile_of_too_few_samples_is_a_dash_here_too(self):
        few = {"response": {"count": 20, "mean": 1.0, "p50": 800.0, "p95": 3835.0}}
        page = document(found(steps=[*STEPS, step(8, 900, "broken", latency_ms=few)]))
        assert "| 800 | – | broken |" in page

    @settings(max_examples=10)
    @given(st.lists(st.floats(0.001, 1e4), min_size=4, max_size=8), st.integers(1, 1000))
    def test_whatever_was_measured_no_absurd_figure_is_told(self, rates: list[float], least: int):
        """No peak far beyond what was measured, and no coefficient that stands for nothing."""
        steps = [step(number, least * 2.0**number, turns=rate) for number, rate in enumerate(rates)]
        told = " ".join(told_of_curve(completed(found(steps=steps))))
        most = steps[-1]["load"]
        for tiny in re.findall(r"[\d.]+e-\d\d", told):  # a coefficient that costs next to nothing
            assert float(tiny) * most**2 >= 0.99 * scalability.CLEAR, "even at the greatest load"
        for peak in re.findall(r"peak at ([\d,]+) sessions", told):
            assert int(peak.replace(",", "")) <= 2 * most

    def test_figures_that_tell_nothing_print_nothing_of_the_law(self):
        """Throughput that is the same at any load: what one session would do is not in it."""
        steps = [step(n, 100.0 * n, turns=50 + n % 2) for n in range(1, 8)]
        told = " ".join(told_of_curve(completed(found(steps=steps))))
        assert "tell nothing of a law of scalability" in told
        assert "contention" not in told

    def test_a_line_has_neither_contention_nor_a_peak(self):
        steps = [step(n, 100.0 * n, turns=50.0 * n) for n in range(1, 8)]
        told = " ".join(told_of_curve(completed(found(steps=steps))))
        assert "turns/s by one session, no contention, no coherency, R² 1.000." in told
        assert "peak at" not in told

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
