"""What `--fail-on` takes, and what it makes of a comparison."""

from dataclasses import replace
from typing import Any

import pytest

from loadkit.compare.comparison import Change, Comparison, RunTold
from loadkit.compare.limits import Limit, hold, parse
from loadkit.errors import UsageError
from loadkit.exit_codes import ExitCode

RUN = RunTold(
    "results/a",
    "smoke",
    "2026-11-22T15:06:54Z",
    30.0,
    "http://127.0.0.1:8100",
    "PASS",
    "valid",
    (),
    "response p95 812 ms",
    131,
    344,
)
WORSE = Change(
    "response.p95", "latency", 812.0, 954.0, 0.175, (0.1, 0.25), 0.001, "worse", visible=0.12
)


def compared(*changes: Change, **options: Any) -> Comparison:
    """A comparison of two fine runs."""
    found = Comparison(RUN, RUN, (), (), changes, (), (), (), False, "another seed", len(changes))
    return replace(found, **options)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("response.p95 > 10%", Limit("response.p95 > 10%", "response.p95", 0.1)),
        (" echo.p50>  +2.5 % ", Limit("echo.p50> +2.5 %", "echo.p50", 0.025)),
        ("turns.lost_ratio > 0.5pp", Limit("turns.lost_ratio > 0.5pp", "turns.lost_ratio", 0.005)),
        (
            "throughput.turns_per_second < -5%",
            Limit("throughput.turns_per_second < -5%", "throughput.turns_per_second", 0.05),
        ),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    """With blanks and without."""
    assert parse(text) == limit


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "as in 'response.p95 > 10%'"),
        ("response.p95", "as in 'response.p95 > 10%'"),
        ("response.p95 > 10", "as in 'response.p95 > 10%'"),
        ("response.p95 < 10%", "as in 'response.p95 > 10%'"),
        ("response.p95 > -10%", "as in 'response.p95 > 10%'"),
        ("response.p95 > 1e999%", "as in 'response.p95 > 10%'"),
        ("respnse.p95 > 10%", "did you mean 'response.p95'"),
        ("response.max > 10%", "did you mean 'response.p"),
        ("rubbish > 10%", "nothing that is compared is called so"),
        ("turns.lost_ratio > 1%", "as in 'turns.lost_ratio > 0.5pp'"),
        ("throughput.turns_per_second > 5%", "as in 'throughput.turns_per_second < -5%'"),
        ("x" * 100_000, "as in 'response.p95 > 10%'"),
    ],
)
def test_nonsense_is_told_with_what_would_be_right(text: str, told: str) -> None:
    """In a line of sane length."""
    with pytest.raises(UsageError) as error:
        parse(text)
    assert told in str(error.value)
    assert len(str(error.value)) < 600


def test_a_limit_is_broken_by_more_than_noise_and_more_than_it_allows() -> None:
    """And only by both."""
    limits = [parse("response.p95 > 10%"), parse("response.p95 > 20%")]
    held = hold(compared(WORSE), limits)
    assert [each.status for each in held] == ["broken", "kept"]
    assert "more than noise" in held[0].told
    assert "within the limit" in held[1].told
    (noise,) = hold(compared(replace(WORSE, verdict="noise")), limits[:1])
    assert noise.status == "kept"
    assert "could see +12.0 %" in noise.told


def test_a_rate_breaks_its_limit_by_falling() -> None:
    """More of it is no fault."""
    name = "throughput.turns_per_second"
    limits = [parse(f"{name} < -5%")]
    for change, verdict, status in ((-0.1, "worse", "broken"), (0.1, "better", "kept")):
        found = Change(name, "rate", 10.0, 10 + 10 * change, change, verdict=verdict)  # type: ignore[arg-type]
        assert [each.status for each in hold(compared(found), limits)] == [status]


@pytest.mark.parametrize("changes", [(), (replace(WORSE, verdict="unknown", why="too few"),)])
def test_what_cannot_be_judged_is_not_passed_over(changes: tuple[Change, ...]) -> None:
    """A gate that nobody watches is open."""
    with pytest.raises(UsageError, match="cannot be judged"):
        hold(compared(*changes), [parse("response.p95 > 10%")])


def test_why_turns_are_not_paired_is_why_a_limit_on_them_cannot_be_judged() -> None:
    """A limit on pairs is the sharpest there is, and asks for runs of the same people."""
    with pytest.raises(UsageError, match="cannot be judged: another seed"):
        hold(compared(WORSE), [parse("response.paired > 5%")])


def test_limits_decide_in_place_of_what_got_worse() -> None:
    """What no limit is about is told, and fails nothing."""
    found = compared(WORSE)
    assert found.exit_code == ExitCode.FAILED
    kept = replace(found, held=hold(found, [parse("response.p95 > 20%")]))
    assert kept.exit_code == ExitCode.OK
    broken = replace(found, held=hold(found, [parse("response.p95 > 10%")]))
    assert broken.exit_code == ExitCode.FAILED
