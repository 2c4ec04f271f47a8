"""The grammar of a metric: what an objective may be about."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.errors import Failure, UsageError
from loadkit.figures import Count, Ending, Phase
from loadkit.profile.metrics import DRIFTS, RATIOS, STATISTICS, Metric, MetricError

TIMED = [stat for stat in STATISTICS if stat != "count"]


@pytest.mark.parametrize("phase", list(Phase))
def test_every_statistic_of_every_phase_is_a_duration(phase: Phase) -> None:
    """Whatever is timed can be limited, from when it began and from when it was due."""
    for statistic, head in product(TIMED, ("", "from_schedule.")):
        metric = Metric.parse(f"{head}{phase}.{statistic}")
        assert (metric.phase, metric.statistic, metric.kind) == (phase, statistic, "duration")
        assert metric.from_schedule is bool(head), metric.text


COUNTED = [
    *(f"{phase}.count" for phase in Phase),
    *(count.value for count in Count),
    *(f"sessions.{ending}" for ending in Ending),
    "sessions.completed",
    "sessions.peak_concurrent",
    "errors",
    *(f"errors.{failure}" for failure in Failure),
    "violations",
    "violations.sequence_gap",
]


def test_whatever_is_counted_is_a_count() -> None:
    """The lists of figures are the lists of metrics."""
    for text in COUNTED:
        metric = Metric.parse(text)
        assert (metric.kind, metric.scope, metric.name) == ("count", None, text)
        assert metric.per_mille is None, text


@pytest.mark.parametrize("text", list(RATIOS))
def test_every_ratio_is_a_share_of_something_that_is_counted(text: str) -> None:
    """A ratio over a key that nobody counts would never be measured."""
    assert Metric.parse(text).kind == "ratio"
    wrong, of = RATIOS[text]
    keys = {*Count, *(f"ended.{ending}" for ending in Ending)}
    assert {wrong, of} <= keys
    assert wrong != of
    assert text.removesuffix("_ratio").replace("sessions.", "ended.") == wrong


def test_every_drift_is_a_rate() -> None:
    """It is about the run as a whole, and no statistic of a phase."""
    for text in sorted(DRIFTS):
        metric = Metric.parse(text)
        assert (metric.kind, metric.scope, metric.phase, metric.name) == ("drift", None, None, text)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("drift.respose.p95", "drift.response.p95"),
        ("drift.response.p99", "drift.response.p95"),
        ("drift.memry", "drift.memory"),
        ("drift", "drift.memory"),
    ],
)
def test_a_drift_that_is_not_known_is_refused(text: str, option: str) -> None:
    """Only some figures are looked at for drift."""
    with pytest.raises(MetricError, match=f"no metric is called '{text}'") as caught:
        Metric.parse(text)
    assert option in caught.value.options


@pytest.mark.parametrize(
    ("statistic", "per_mille"),
    [
        ("p1", 10),
        ("p9", 90),
        ("p50", 500),
        ("p75", 750),
        ("p99", 990),
        ("p99.0", 990),
        ("p99.5", 995),
        ("p99.9", 999),
        ("p999", 999),
        ("mean", None),
        ("max", None),
        ("count", None),
    ],
)
def test_a_percentile_is_held_in_thousandths(statistic: str, per_mille: int | None) -> None:
    """`p99.9` and `p999` are one percentile, and whole numbers make exact ranks."""
    assert Metric.parse(f"response.{statistic}").per_mille == per_mille


@given(st.integers(10, 999))
def test_any_percentile_with_one_decimal_can_be_asked_for(per_mille: int) -> None:
    """Objectives do not keep to the percentiles that a report prints."""
    assert Metric.parse(f"echo.p{per_mille / 10:g}").per_mille == per_mille


@pytest.mark.parametrize(
    "name",
    [
        "response.p95",
        "response.p99.9",
        "echo.count",
        "turns.lost_ratio",
        "sessions.failed",
        "sessions.failed_ratio",
        "errors",
        "errors.unanswered",
        "violations.sequence_gap",
    ],
)
def test_a_user_class_in_front_narrows_a_metric(name: str) -> None:
    """All else is as without the class."""
    metric, plain = Metric.parse(f"HandoffChat.{name}"), Metric.parse(name)
    assert (metric.scope, metric.name) == ("HandoffChat", name)
    for field in ("phase", "statistic", "kind", "per_mille"):
        assert getattr(metric, field) == getattr(plain, field)


@pytest.mark.parametrize(
    "name",
    [
        "sessions.peak_concurrent",
        "arrivals.due",
        "arrivals.refused",
        "arrivals.refused_ratio",
        "drift.response.p95",
        "from_schedule.response.p95",
    ],
)
def test_what_only_the_run_as_a_whole_has_takes_no_user_class(name: str) -> None:
    """It would never be measured, and an objective about it would hold or fail for ever."""
    assert Metric.parse(name).scope is None
    with pytest.raises(MetricError, match=f"'{name}' is known of the run as a whole only"):
        Metric.parse(f"HandoffChat.{name}")


@pytest.mark.parametrize(
    ("text", "told", "word", "option"),
    [
        ("respons.p95", "no metric is called 'respons.p95'", "respons.p95", "response.p95"),
        ("Response.p95", "no metric is called 'Response.p95'", "Response.p95", "response.p95"),
        ("response", "no statistic is called ''", "", "p95"),
        ("response.median", "no statistic is called 'median'", "median", "mean"),
        ("errors.unanswerd", "called 'errors.unanswerd'", "errors.unanswerd", "errors.unanswered"),
        ("turns.lost_ration", "no metric", "turns.lost_ration", "turns.lost_ratio"),
        ("Chat.respons.p95", "no metric is called 'respons.p95'", "respons.p95", "response.p95"),
        ("Chat.response.men", "no statistic is called 'men'", "men", "mean"),
        ("from_schedule.ehco.p95", "no phase is called 'ehco'", "ehco", "echo"),
        ("violations.", "no metric is called 'violations.'", "violations.", "violations"),
        ("violations.Some thing", "no metric", "violations.Some thing", "violations"),
        ("", "no metric is called ''", "", "errors"),
        (".", "no metric is called '.'", ".", "errors"),
        ("no class.response.p95", "no metric", "no class.response.p95", "response.p95"),
    ],
)
def test_a_wrong_metric_names_the_wrong_part(text: str, told: str, word: str, option: str) -> None:
    """What is right there comes along, so that the caller can mend it."""
    with pytest.raises(MetricError) as caught:
        Metric.parse(text)
    assert told in str(caught.value)
    assert caught.value.word == word
    assert option in caught.value.options


@pytest.mark.parametrize("statistic", ["p0", "p100", "p99.99", "p9999", "p99.", "p05", "p.5"])
def test_a_percentile_beyond_the_grammar_is_refused(statistic: str) -> None:
    """Each of them would be read as another percentile by somebody."""
    with pytest.raises(MetricError):
        Metric.parse(f"response.{statistic}")


def test_a_metric_that_is_none_is_a_mistake_of_the_user() -> None:
    """It ends in exit code 2, and pydantic takes it as a bad value."""
    assert issubclass(MetricError, UsageError)
    assert issubclass(MetricError, ValueError)


@given(st.text())
def test_any_text_is_a_metric_or_refused(text: str) -> None:
    """No text breaks the grammar, and what is read holds together."""
    try:
        metric = Metric.parse(text)
    except MetricError:
        return
    assert metric.text == text
    assert text == (f"{metric.scope}.{metric.name}" if metric.scope else metric.name)
    assert (metric.phase is None) == (metric.statistic is None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("response.p95", "response p95"),
        ("response.p99.9", "response p99.9"),
        ("HandoffChat.response.p95", "HandoffChat response p95"),
        ("from_schedule.response.max", "from_schedule response max"),
        ("turns.lost_ratio", "turns lost_ratio"),
        ("drift.response.p95", "drift response p95"),
        ("errors", "errors"),
    ],
)
def test_a_metric_is_named_in_a_sentence(text: str, words: str) -> None:
    """The dots go, but for the one inside a percentile."""
    assert Metric.parse(text).words == words
