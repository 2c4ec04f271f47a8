"""The classes of a session's age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.measure.age_bands import AGES, age_class


@pytest.mark.parametrize(
    ("seconds", "begins"),
    [
        (0.0, 0),
        (14.999, 0),
        (15.0, 15),
        (29.9, 15),
        (30.0, 30),
        (59.0, 30),
        (60.0, 60),
        (7_200.0, 3_840),
        (15_360.0, 15_360),
        (200_000.0, 15_360),
    ],
)
def test_a_class_reaches_from_its_beginning_to_the_next_ones(seconds: float, begins: int) -> None:
    """Each class from 15 s on begins at twice the age of the one before it."""
    assert AGES[age_class(seconds)] == begins


@given(st.floats(0, 1e6))
def test_every_age_lies_in_its_class(seconds: float) -> None:
    """The classes are few, whatever the age, and leave none out."""
    number = age_class(seconds)
    assert AGES[number] <= seconds
    assert number == len(AGES) - 1 or seconds < AGES[number + 1]
