"""Tables of settings."""

import pytest
from pydantic import ValidationError

from loadkit.config.table import Table


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
