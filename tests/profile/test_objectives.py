"""The service level: limits in their units, and when to give up."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from loadkit.profile.objectives import Abort, Limit
from loadkit.profile.profile import load_profile


@pytest.mark.parametrize(
    ("metric", "written", "limit"),
    [
        ("response.p95", "2.5s", 2500.0),
        ("response.p999", "800ms", 800.0),
        ("echo.mean", "70ms", 70.0),  # exactly, though 0.07 * 1000 is not
        ("echo.max", 12.5, 12.5),  # a bare number is milliseconds
        ("response.count", 10, 10.0),
        ("response.p99.5", "1m", 60_000.0),
        ("from_schedule.response.p95", "1s", 1000.0),
        ("HandoffChat.response.p95", "1s", 1000.0),
        ("HandoffChat.turns.lost_ratio", "0.5%", 0.005),
        ("HandoffChat.errors", 2, 2.0),
        ("sessions.failed_ratio", "2%", 0.02),
        ("arrivals.refused", 0, 0.0),
        ("turns.lost_ratio", "1%", 0.01),
        ("turns.lost_ratio", 0, 0.0),
        ("drift.response.p95", "5%/h", 5.0),
        ("drift.memory", "0.5 % / h", 0.5),
        ("drift.throughput", 2, 2.0),  # a bare number is percent per hour
        ("turns.lost", 3, 3.0),
        ("sessions.failed", 0, 0.0),
        ("disconnects.unexpected", 5, 5.0),
        ("errors", 0, 0.0),
        ("errors.unanswered", 1, 1.0),
        ("violations", 0, 0.0),
        ("violations.sequence_gap", 0, 0.0),
    ],
)
def test_a_limit_is_read_in_the_unit_of_its_metric(
    metric: str, written: object, limit: float
) -> None:
    """A duration ends up in milliseconds, a share as a number from 0 to 1."""
    assert Limit(metric, written) == Limit(metric=metric, limit=limit)
    assert Limit(metric, written).limit == limit


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ("respons.p95", "no metric is called 'respons.p95'; did you mean 'response.p95'?"),
        ("response.p9999", "no percentile is called 'p9999'; write p1 to p99.9"),
        ("drift.respnse.p95", "no metric is called 'drift.respnse.p95'; did you mean 'drift.resp"),
        ("HandoffChat.drift.memory", "the run as a whole only; write it without 'HandoffChat'"),
        ("response.maxx", "no statistic is called 'maxx'; did you mean 'max'?"),
        ("HandoffChat.respnse.p95", "no metric is called 'respnse.p95'; did you mean 'response.p"),
        ("HandoffChat.arrivals.due", "the run as a whole only; write it without 'HandoffChat'"),
        ("response", "no statistic is called ''; known: count, max, mean"),
        ("turns.lost_ration", "did you mean 'turns.lost_ratio'?"),
        ("errors.unanswerd", "did you mean 'errors.unanswered'?"),
        ("violations.", "no metric is called"),
        ("violations.Some thing", "no metric is called"),
        ("", "no metric is called ''"),
    ],
)
def test_a_wrong_metric_is_mended(metric: str, complaint: str) -> None:
    """The nearest name is in the text, and the limit is not complained about as well."""
    with pytest.raises(ValidationError) as caught:
        Limit(metric, 1)
    (error,) = caught.value.errors()
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
        ("drift.memory", "1%"),
        ("drift.memory", "-1%/h"),
        ("drift.memory", "10ms/h"),
        ("drift.memory", True),
        ("turns.lost", "1%"),
        ("turns.lost", -1),
        ("turns.lost", True),
        ("errors", float("inf")),
        ("errors", float("nan")),
    ],
)
def test_a_limit_in_the_wrong_unit_is_refused(metric: str, written: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValidationError, match="should be a"):
        Limit(metric, written)


KNOWN = {
    "classes": ["CompleteChat", "HandoffChat", "IdleChat"],
    "mix": {"CompleteChat": 3, "IdleChat": 0},
    "violations": ["sequence_gap"],
}


def told(data: object, model: type, context: dict[str, object]) -> list[str]:
    """The complaints about a value, without pydantic's own words."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_python(data, context=context)
    return [str(error["ctx"]["error"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        (
            "CompletChat.response.p95",
            "no user class is called 'CompletChat'; did you mean 'CompleteChat'?",
        ),
        ("IdleChat.response.p95", "[mix] sends no IdleChat; give it a weight above 0"),
        ("HandoffChat.errors", "[mix] sends no HandoffChat; give it a weight above 0"),
        (
            "CompleteChat.violations.sequence_gpa",
            "no violation is called 'sequence_gpa'; did you mean 'sequence_gap'?",
        ),
    ],
)
def test_a_user_class_that_will_not_be_there_is_refused(metric: str, complaint: str) -> None:
    """A line about it would fail in every run, as never measured, or hold in every run."""
    (text,) = told({"metric": metric, "limit": 1}, Limit, KNOWN)
    assert text.startswith(complaint)


def test_a_misspelt_user_class_is_mended_by_the_mix_where_the_classes_are_not_known() -> None:
    """The command line checks a profile before any class is loaded."""
    line, context = {"metric": "CompletChat.errors", "limit": 1}, {"mix": KNOWN["mix"]}
    assert told(line, Limit, context) == [
        "[mix] has no user class 'CompletChat'; did you mean 'CompleteChat'?"
    ]


def test_a_user_class_of_the_mix_may_be_named() -> None:
    """Whether it is one of the tool's or the user's own."""
    line = {"metric": "CompleteChat.response.p95", "limit": 1}
    assert TypeAdapter(Limit).validate_python(line, context=KNOWN).metric == line["metric"]
    own = {"metric": "OwnChat.errors", "limit": 1}
    context = {"mix": {"OwnChat": 0.5}}
    assert TypeAdapter(Limit).validate_python(own, context=context).metric == own["metric"]


LIMITED = {"limited": ["response.p95", "errors"]}


def test_a_run_is_ended_early_by_any_line_unless_some_are_named() -> None:
    """The grace is read as any other duration."""
    every = Abort.model_validate({"grace": "1m30s"}, context=LIMITED)
    assert (every.grace, every.metrics) == (90.0, ())
    one = Abort.model_validate({"grace": 5, "metrics": ["errors"]}, context=LIMITED)
    assert (one.grace, one.metrics) == (5.0, ("errors",))


@pytest.mark.parametrize("grace", ["0s", 0, -1, "soon", True])
def test_a_grace_is_longer_than_nothing(grace: object) -> None:
    """Without one, the first slow second would end a soak."""
    with pytest.raises(ValidationError):
        Abort.model_validate({"grace": grace}, context=LIMITED)


def test_only_a_line_that_exists_can_end_a_run() -> None:
    """A misspelt one would never do."""
    assert told({"grace": 1, "metrics": ["errors", "response.p59"]}, Abort, LIMITED) == [
        "[slo] has no limit on 'response.p59'; did you mean 'response.p95'?"
    ]
    assert told({"grace": 1, "metrics": ["errors"]}, Abort, {"limited": []}) == [
        "there is no limit that could be broken; write one in [slo]"
    ]


def test_the_example_of_the_documentation_is_a_service_level(tmp_path: Path) -> None:
    """The first one of `docs/slo.md`, behind the tables that a profile needs."""
    text = (Path(__file__).parents[2] / "docs" / "slo.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    tables = '[load]\nstages = [{ duration = "1m", users = 2 }]\n[mix]\nHandoffChat = 1\n'
    path = tmp_path / "slo.toml"
    path.write_text(tables + example, encoding="utf-8")
    profile = load_profile(str(path))
    assert len(profile.slo) == 5
    assert profile.abort == Abort(grace=30.0, metrics=("response.p95", "violations"))
