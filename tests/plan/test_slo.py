"""The grammar of a service level."""

import pytest
from pydantic import ValidationError

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase
from loadkit.plan.slo import STATISTICS, Limit


@pytest.mark.parametrize(
    ("metric", "written", "limit"),
    [
        ("response.p95", "2.5s", 2500.0),
        ("response.p999", "800ms", 800.0),
        ("echo.mean", "70ms", 70.0),  # exactly, though 0.07 * 1000 is not
        ("echo.max", 12.5, 12.5),  # a bare number is milliseconds
        ("response.count", 10, 10.0),
        ("turns.lost_ratio", "1%", 0.01),
        ("turns.lost_ratio", 0, 0.0),
        ("turns.lost", 3, 3.0),
        ("sessions.failed", 0, 0.0),
        ("disconnects.unexpected", 5, 5.0),
        ("errors", 0, 0.0),
        ("errors.unanswered", 1, 1.0),
        ("violations", 0, 0.0),
        ("violations.sequence_gap", 0, 0.0),
    ],
)
def test_a_limit_is_read_in_the_unit_of_its_metric(metric: str, written: object, limit: float):
    assert Limit(metric, written) == Limit(metric=metric, limit=limit)
    assert Limit(metric, written).limit == limit


@pytest.mark.parametrize(
    "metric",
    [
        *(f"{phase}.{statistic}" for phase in Phase for statistic in STATISTICS),
        *Count,
        *(f"sessions.{ending}" for ending in Ending),
        *(f"errors.{failure}" for failure in Failure),
    ],
)
def test_every_figure_can_be_limited(metric: str):
    assert Limit(str(metric), 1).limit == 1.0


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ("respons.p95", "no metric is called 'respons.p95'; did you mean 'response.p95'?"),
        ("response.p9999", "no statistic is called 'p9999'; did you mean 'p999'?"),
        ("response", "no statistic is called ''; known: count, max, mean"),
        ("turns.lost_ration", "did you mean 'turns.lost_ratio'?"),
        ("errors.unanswerd", "did you mean 'errors.unanswered'?"),
        ("violations.", "no metric is called"),
        ("violations.Some thing", "no metric is called"),
        ("", "no metric is called ''"),
    ],
)
def test_a_wrong_metric_is_mended(metric: str, complaint: str):
    with pytest.raises(ValidationError) as caught:
        Limit(metric, 1)
    (error,) = caught.value.errors()  # the limit is not complained about as well
    assert complaint in error["msg"]


@pytest.mark.parametrize(
    ("metric", "written"),
    [
        ("response.p95", "2.5"),
        ("response.p95", -1),
        ("response.p95", True),
        ("response.p95", "1%"),
        ("response.p95", float("inf")),
        ("turns.lost_ratio", 5),
        ("turns.lost_ratio", "2s"),
        ("turns.lost", "1%"),
        ("turns.lost", -1),
        ("turns.lost", True),
        ("errors", float("inf")),
        ("errors", float("nan")),
    ],
)
def test_a_limit_in_the_wrong_unit_is_refused(metric: str, written: object):
    with pytest.raises(ValidationError, match="should be a"):
        Limit(metric, written)


def test_a_value_at_the_limit_holds_and_one_above_does_not():
    limit = Limit("response.p95", "2.5s")
    assert limit.holds(2500.0)
    assert not limit.holds(2500.1)
