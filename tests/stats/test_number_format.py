"""Numbers in words."""

import pytest

from loadkit.stats.number_format import compare, number, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1204, "1,204"),
        (2500.0, "2,500"),
        (812.3, "812"),
        (81.23, "81.2"),
        (8.123, "8.12"),
        (0.8123, "0.812"),
        (0.01234, "0.0123"),
    ],
)
def test_a_number_has_about_three_digits(value: float, text: str) -> None:
    """More digits than a reader can use are noise."""
    assert number(value) == text


def test_a_comparison_states_its_unit_on_both_sides() -> None:
    """A bare number next to one with a unit invites a mistake."""
    assert compare(812.3, 2500, "ms") == "812 ms ≤ 2,500 ms"
    assert compare(3, 0) == "3 > 0"


def test_a_comparison_never_reads_x_above_x() -> None:
    """Where rounding would hide the difference there are more digits."""
    assert compare(2500.4, 2500, "ms") == "2,500.400 ms > 2,500 ms"


@pytest.mark.parametrize(
    ("share", "text"), [(0.95, "95 %"), (0, "0 %"), (1.786, "179 %"), (12.345, "1,234 %")]
)
def test_a_share_is_whole_percent_with_a_space(share: float, text: str) -> None:
    """As everywhere else."""
    assert percent(share) == text
