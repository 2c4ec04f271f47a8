"""The rows of a table of latencies."""

from typing import Any

import pytest

from loadkit.report.latency import note, rows, shifted, shown, supported

COLUMNS = ("count", "p50", "p90", "p95", "p99", "max")
PLAIN = {"count": 1000, **dict.fromkeys(("p50", "p90", "p95", "p99", "p999", "max"), 100.0)}


@pytest.mark.parametrize(
    ("name", "least"), [("p50", 7), ("p90", 44), ("p95", 90), ("p99", 459), ("p999", 4603)]
)
def test_a_percentile_needs_its_number_of_samples(name: str, least: int) -> None:
    """The rule of MLPerf at 99 %; the largest needs one sample only."""
    assert not supported(PLAIN | {"count": least - 1}, name)
    assert supported(PLAIN | {"count": least}, name)
    assert supported(PLAIN | {"count": 1}, "max")


def test_what_is_not_supported_is_a_dash() -> None:
    """A figure that would flatter is not shown."""
    assert shown(PLAIN | {"count": 100}, COLUMNS) == ("100", "100", "100", "100", "–", "100")


@pytest.mark.parametrize(("factor", "result"), [(1.0, False), (1.05, False), (1.06, True)])
def test_five_per_cent_is_the_difference_that_counts(factor: float, result: bool) -> None:
    """Less is noise to a reader."""
    assert shifted(PLAIN, PLAIN | {"p95": 100.0 * factor}, COLUMNS) is result
    assert shifted(PLAIN, {}, COLUMNS) is False


def test_a_difference_that_is_not_shown_does_not_count() -> None:
    """Two rows of the same figures would puzzle."""
    few = PLAIN | {"count": 100}
    assert not shifted(few, few | {"p99": 900.0}, COLUMNS)
    assert not shifted(few, few | {"count": 50}, COLUMNS)


def test_rows_come_phase_by_phase_with_what_belongs_to_each(make: Any) -> None:
    """The headline with its interval, the phases, and the schedule where it differs."""
    assert [(row.phase, row.kind) for row in rows(make(), COLUMNS)] == [
        ("response", "headline"),
        ("response", "interval"),
        ("response", "interval"),
        ("echo", "phase"),
        ("echo", "schedule"),
        ("token", "phase"),
    ]


def test_an_interval_encloses_its_percentile(make: Any) -> None:
    """From and to stand in the column of what they are about, the others are empty."""
    value, low, high = (row.cells for row in rows(make(), COLUMNS) if row.phase == "response")
    for name, at in zip(COLUMNS, range(len(COLUMNS)), strict=True):
        if name in ("count", "max"):
            assert low[at] == high[at] == ""
        else:
            assert float(low[at]) < float(value[at]) < float(high[at])


def test_the_note_names_what_was_left_out_only(make: Any) -> None:
    """No dash, no note."""
    summary = make()
    assert note(summary, ("count", "max")) == ""
    assert note(summary, ("p95",)) == "– too few samples for that percentile (p95 needs 90)"
