"""Objectives against figures."""

import pytest

from loadkit.errors import UsageError
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.slo import SloLine, check_metric, judge

FIGURES = {"response.p95": 812.3, "response.count": 12, "violations": 2, "violations.gap": 2}


@pytest.mark.parametrize(
    ("metric", "limit", "actual", "ok"),
    [
        ("response.p95", 2500, 812.3, True),
        ("response.p95", 812.3, 812.3, True),  # the limit itself is allowed
        ("response.p95", 800, 812.3, False),
        ("first_chunk.p95", 2500, None, False),  # never measured: not met
        ("turns.lost_ratio", 0.0, None, False),  # no turn was sent: not met
        ("first_chunk.count", 0, 0, True),  # a count is 0 where nothing happened
        ("turns.lost", 0, 0, True),
        ("violations", 0, 2, False),
        ("violations.gap", 1, 2, False),
        ("violations.twice", 0, 0, True),
        ("errors.unanswered", 0, 0, True),
        ("sessions.failed", 0, 0, True),
    ],
)
def test_an_objective_holds_if_the_actual_value_is_at_most_the_limit(
    metric: str, limit: float, actual: float | None, ok: bool
) -> None:
    """One row a case."""
    assert judge([(metric, limit)], FIGURES) == (SloLine(metric, limit, actual, ok),)


def test_objectives_keep_the_order_of_the_profile() -> None:
    """A reader finds them where the profile has them."""
    lines = judge([("violations", 5), ("response.p95", 1), ("errors", 0)], FIGURES)
    assert [line.metric for line in lines] == ["violations", "response.p95", "errors"]


@pytest.mark.parametrize(
    "metric",
    [
        *(f"{phase}.p999" for phase in Phase),
        *Count,
        *(f"sessions.{ending}" for ending in Ending),
        "sessions.completed",
        "violations.anything",
        "errors.unanswered",
        "turns.lost_ratio",
    ],
)
def test_every_metric_of_the_grammar_is_known(metric: str) -> None:
    """The lists of figures are the lists of metrics."""
    check_metric(metric)


@pytest.mark.parametrize(
    "metric", ["response", "response.p96", "responce.p95", "errors.nonsense", "violations.", ""]
)
def test_a_metric_that_nobody_measures_is_refused(metric: str) -> None:
    """A misspelt objective would hold for ever."""
    with pytest.raises(UsageError, match="there is no such metric"):
        judge([(metric, 1.0)], FIGURES)


def test_a_refusal_names_the_nearest_metric() -> None:
    """Most such mistakes are misspellings."""
    with pytest.raises(UsageError, match=r"did you mean 'response\.p95'"):
        check_metric("responce.p95")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (SloLine("response.p95", 2500.0, 812.3, True), "response p95 812 ms ≤ 2,500 ms"),
        (SloLine("violations", 0, 3, False), "violations 3 > 0"),
        (SloLine("echo.p50", 9, None, False), "echo p50 never measured, limit 9 ms"),
        (
            SloLine("turns.lost_ratio", 0, None, False),
            "turns lost_ratio never measured, limit 0",
        ),
    ],
)
def test_a_line_reads_as_a_sentence(line: SloLine, text: str) -> None:
    """The same words serve the verdict line and the reasons."""
    assert str(line) == text


def test_a_line_survives_json() -> None:
    """What `summary.json` holds is enough to render it again."""
    line = SloLine("response.p95", 2500, None, False)
    assert SloLine.from_dict(line.to_dict()) == line
