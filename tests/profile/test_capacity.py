"""The `[capacity]` table: defaults, what may be written, and what cannot be done."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from loadkit.config.mistakes import ConfigError
from loadkit.profile.capacity import CapacitySettings
from loadkit.profile.profile import Profile, load_profile

CLOSED = """\
# Does it hold?
[load]
stages = [{ duration = "10s", users = 2 }]
[mix]
CompleteChat = 1
"""
OPEN = CLOSED.replace("[load]", '[load]\nmodel = "open"').replace("users", "arrivals_per_second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def mistakes(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(str(path))
    return [mistake.replace(f"{path.parent}/", "") for mistake in caught.value.mistakes]


def test_every_profile_can_be_searched(path: Path):
    """Without the table, with the defaults."""
    path.write_text(CLOSED, encoding="utf-8")
    assert load_profile(str(path)).capacity == CapacitySettings()


def test_the_table_is_read_and_travels(path: Path):
    table = '[capacity]\nstart = 50\nceiling = 800\nbracket = "10%"\nhold = "10m"\nbudget = "1h"\n'
    path.write_text(CLOSED + table, encoding="utf-8")
    profile = load_profile(str(path))
    assert profile.capacity == CapacitySettings(
        start=50, ceiling=800, bracket=0.1, hold=600, budget=3600
    )
    assert Profile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("strat = 5", "capacity.strat: unknown key 'strat'; did you mean 'start'?"),
        ("start = 0", "capacity.start: should be greater than or equal to 0.000001, not 0"),
        ("growth = 1", "capacity.growth: should be greater than or equal to 1.1, not 1"),
        ("bracket = 0.001", "capacity.bracket: should be greater than or equal to 0.01, not 0.001"),
        ("hold = 0", "capacity.hold: should be greater than 0, not 0"),
        (
            "start = 2.5",
            "capacity.start: should be a whole number of users in the closed model, not 2.5",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(path: Path, line: str, told: str):
    assert mistakes(path, f"{CLOSED}[capacity]\n{line}\n") == [f"mine.toml:7: {told}"]


def test_arrivals_need_not_be_whole(path: Path):
    path.write_text(f"{OPEN}[capacity]\nstart = 0.25\nceiling = 2.5\n", encoding="utf-8")
    assert load_profile(str(path)).capacity.start == 0.25


def test_the_start_is_not_above_the_ceiling():
    with pytest.raises(ValidationError, match=r"start \(50\) should not be above ceiling \(40\)"):
        CapacitySettings(start=50, ceiling=40)


def test_a_budget_has_room_for_one_step_and_a_confirmation():
    with pytest.raises(ValidationError, match=r"budget \(60 s\) is too short .* give it 350 s"):
        CapacitySettings(budget=60)
    assert CapacitySettings(budget=350).budget == 350


def test_the_floor_is_six_halvings_below_the_start():
    assert CapacitySettings(start=64).floor == 1
