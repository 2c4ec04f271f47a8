"""The law of scalability, the knee and the head-room of a search, against curves that are known."""

from typing import Any

import pytest

from loadkit.capacity.curve import analysed, headline, told_of_curve
from loadkit.stats import scalability


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bands are `loadkit.stats.scalability`'s, and tried there."""
    monkeypatch.setattr(scalability, "_RESAMPLES", 30)


def found(
    points: list[tuple[float, float]], load: float | None = None, **other: Any
) -> dict[str, Any]:
    """A search with steps of so many sessions at once and so many turns a second."""
    steps = [
        {
            "load": at,
            "outcome": {"verdict": other.get("verdict", "held")},
            "delivered": {"concurrent": at, "turns_per_second": rate},
        }
        for at, rate in points
    ]
    return {
        "model": "closed",
        "own_load": 50,
        "slo": [{"metric": other.get("metric", "response.p95"), "limit": 1.0}],
        "capacity": None if load is None else {"load": load, "notes": []},
        "steps": steps,
    }


def law(at: float) -> tuple[float, float]:
    return at, 2.0 * at / (1 + 0.03 * (at - 1) + 0.0004 * at * (at - 1))


LAW = [law(at) for at in (1, 5, 10, 20, 40, 60, 90)]


def test_the_law_that_made_the_curve_is_found() -> None:
    """Its peak too: √((1 - σ) ÷ κ)."""
    fitted = analysed(found(LAW))["law"]
    assert fitted["rate"] == pytest.approx(2.0, rel=1e-3)
    assert fitted["contention"] == pytest.approx(0.03, rel=1e-2)
    assert fitted["coherency"] == pytest.approx(0.0004, rel=1e-2)
    assert fitted["peak"] == pytest.approx((0.97 / 0.0004) ** 0.5, rel=1e-2)
    assert fitted["warnings"] == []


def test_steps_at_one_load_are_one_point() -> None:
    """Their mean: a confirmation must not weigh more than a probe."""
    twice = [*LAW, (20.0, law(20)[1] + 2), (20.0, law(20)[1] - 2)]
    points = analysed(found(twice))["points"]
    assert [tuple(point) for point in points] == [pytest.approx(each) for each in LAW]


def test_steps_of_the_generators_limit_are_left_out() -> None:
    """They say what the generator can do."""
    assert analysed(found(LAW, verdict="generator"))["points"] == []


def test_without_enough_loads_it_says_so() -> None:
    """Three unknowns take four."""
    made = found(LAW[:3])
    told = list(told_of_curve(made | {"model_fit": analysed(made)}))
    assert told[0] == "No law of scalability is fitted: a fit needs 4 different loads or more."


def test_a_poor_fit_is_told() -> None:
    """Throughput that jumps about follows no law."""
    made = found([(1, 2), (2, 6), (4, 7), (8, 18), (16, 14), (32, 22)])
    told = " ".join(told_of_curve(made | {"model_fit": analysed(made)}))
    assert "The law does not describe these figures" in told


def test_the_knee_is_where_throughput_stops_growing() -> None:
    """A queue that is full at 40."""
    made = found([(at, float(min(at, 40))) for at in (5, 10, 20, 40, 60, 80, 100)])
    told = " ".join(told_of_curve(made | {"model_fit": analysed(made)}))
    assert "bends most at 40 sessions" in told


@pytest.mark.parametrize(
    ("load", "words"), [(75.0, "50 % head-room"), (40.0, "20 % too little"), (None, "")]
)
def test_head_room_is_against_the_profiles_own_stages(load: float | None, words: str) -> None:
    """They are the load of today."""
    told = [text for text in told_of_curve(found(LAW, load)) if "own stages" in text]
    assert (words in told[0]) if words else not told


@pytest.mark.parametrize(
    ("metric", "phase"),
    [("first_chunk.p95", "first_chunk"), ("violations", "response")],
)
def test_the_headline_is_the_first_phase_that_is_limited(metric: str, phase: str) -> None:
    """The answer where no phase is."""
    assert headline(found(LAW, metric=metric)) == phase
