"""Tables of settings, and the durations, shares and rates in them as people write them."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loadkit.config.table import (
    Table,
    parse_duration,
    parse_percent_per_hour,
    parse_ratio,
    write_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1.5m", 90.0),
        ("1d12h", 129_600.0),
        ("100ms", 0.1),
        ("2.5s", 2.5),
        ("3m", 180.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1h30m", 5400.0),
        ("1m 30s", 90.0),
        (" 5 s ", 5.0),
        ("0s", 0.0),
        (3, 3.0),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_read_in_seconds(text: str | float, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5x",
        "s",
        "-5s",
        "1.s",
        "1e3s",
        "2 days",
        "5 s x",
        True,
        None,
        -1,
        math.nan,
        math.inf,
        [1],
    ],
)
def test_what_is_no_duration_is_refused(text: object):
    with pytest.raises(ValueError, match="should be a duration"):
        parse_duration(text)


@given(st.text(), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_no_text_makes_a_duration_that_is_negative_or_endless(text: str, unit: str) -> None:
    """Whatever stands before a unit."""
    for written in (text, text + unit):
        with contextlib.suppress(ValueError):
            assert 0 <= parse_duration(written) <= 1e9


@given(st.integers(min_value=0, max_value=10**7))
def test_a_duration_that_is_written_reads_as_the_same(seconds: int) -> None:
    """To the second."""
    assert parse_duration(write_duration(seconds) or "0s") == seconds


@given(st.integers(min_value=0, max_value=10**9))
def test_milliseconds_are_exact(number: int):
    assert parse_duration(f"{number}ms") == number / 1000


@pytest.mark.parametrize(
    ("text", "ratio"), [("1%", 0.01), ("0.5 %", 0.005), ("100%", 1.0), (0, 0.0), (0.25, 0.25)]
)
def test_a_ratio_is_read_as_a_share(text: str | float, ratio: float):
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "1", "101%", "-1%", 1.5, -0.1, True, None, math.nan])
def test_what_is_no_ratio_is_refused(text: object):
    with pytest.raises(ValueError, match="should be a ratio"):
        parse_ratio(text)


@pytest.mark.parametrize(
    ("text", "percent"),
    [("5%/h", 5.0), ("0.25 %/h", 0.25), (" 1% / h ", 1.0), (0, 0.0), (2.5, 2.5)],
)
def test_a_rate_is_read_in_percent_per_hour(text: str | float, percent: float):
    assert parse_percent_per_hour(text) == percent


@pytest.mark.parametrize(
    "text", ["", "5", "5%", "5%/d", "-5%/h", "%/h", "5 ms/h", True, None, -1, math.nan, math.inf]
)
def test_what_is_no_rate_is_refused(text: object):
    with pytest.raises(ValueError, match='should be a rate such as "5%/h"'):
        parse_percent_per_hour(text)


class Settings(Table):
    number: float = 1.0
    seed: int = 1


def test_a_table_cannot_be_changed() -> None:
    """Once it is made."""
    with pytest.raises(ValidationError):
        Settings().seed = 2


@pytest.mark.parametrize(
    "given",
    [
        {"numbre": 1.0},
        {"number": "1.0"},
        {"seed": True},
        {"seed": 1.0},
        {"number": 1e10},
        {"number": float("nan")},
        {"number": float("inf")},
    ],
)
def test_a_slip_of_the_pen_is_not_guessed_at(given: dict[str, object]) -> None:
    """Nor is a number taken that means nothing."""
    with pytest.raises(ValidationError):
        Settings.model_validate(given)


def test_a_seed_may_be_of_any_size() -> None:
    """It counts nothing."""
    assert Settings(seed=2**60).seed == 2**60
