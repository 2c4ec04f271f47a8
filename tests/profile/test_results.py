"""How finely the course of a run is written down."""

import pytest
from pydantic import ValidationError

from loadkit.profile.results import Results


@pytest.mark.parametrize(
    ("written", "seconds"), [("100ms", 0.1), ("1s", 1.0), (2.5, 2.5), ("1m", 60.0)]
)
def test_an_interval_is_a_tenth_of_a_second_to_a_minute(written: object, seconds: float) -> None:
    """Both ends included."""
    assert Results.model_validate({"interval": written}).interval == seconds


@pytest.mark.parametrize("written", ["99ms", "61s", 0, -1, "often"])
def test_any_other_interval_is_refused(written: object) -> None:
    """Shorter ones would be mostly empty, longer ones would hide what happened."""
    with pytest.raises(ValidationError):
        Results.model_validate({"interval": written})


def test_a_row_lasts_a_second_unless_told_otherwise() -> None:
    """It is what the columns of a chart are read in."""
    assert Results().interval == 1.0
