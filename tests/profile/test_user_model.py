"""How people are: the defaults are those of the sources."""

import math
from statistics import NormalDist
from typing import Any

import pytest
from pydantic import ValidationError

from loadkit.profile.scenario import Abandon, HandoffTable, Idle
from loadkit.profile.user_model import DESKTOP, PHONE, Speed, UserModel
from loadkit.stats.random_streams import RandomStream, person_rng
from tests.stats.spread import deviations


def share_below(speed: Speed, wpm: float) -> float:
    return NormalDist(math.log(speed.median), speed.sigma).cdf(math.log(wpm))


class TestSources:
    @pytest.mark.parametrize(
        ("speed", "mean", "sd"), [(DESKTOP, 51.56, 20.20), (PHONE, 36.17, 13.22)]
    )
    def test_a_device_types_with_the_mean_and_deviation_of_its_paper(
        self, speed: Speed, mean: float, sd: float
    ):
        """The moments of a log-normal in closed form."""
        variance = speed.sigma**2
        assert speed.median * math.exp(variance / 2) == pytest.approx(mean)
        assert mean * math.sqrt(math.expm1(variance)) == pytest.approx(sd)

    def test_the_fastest_tenth_on_a_desktop_is_as_fast_as_in_the_paper(self):
        """Dhakal et al. give 78 words a minute; nothing was fitted to it."""
        assert share_below(DESKTOP, 78) == pytest.approx(0.9, abs=0.01)

    def test_three_quarters_on_a_phone_are_as_slow_as_in_the_paper(self):
        """Palin et al. give 43.98 words a minute; nothing was fitted to it."""
        assert share_below(PHONE, 43.98) == pytest.approx(0.75, abs=0.025)

    def test_most_adults_read_in_the_range_of_the_review(self):
        """Brysbaert gives 175 to 300 words a minute."""
        reading = UserModel().reading_wpm
        assert reading.median == 238
        assert share_below(reading, 300) - share_below(reading, 175) == pytest.approx(
            0.81, abs=0.01
        )

    def test_three_in_four_type_on_a_phone(self):
        chance, human = RandomStream(person_rng(1)), UserModel()
        phones = sum(human.typing(chance.draws(n)[0]) is PHONE for n in range(4000))
        assert deviations(phones, 4000, 0.75) < 3


class TestHuman:
    def test_defaults_are_those_of_the_documentation(self):
        assert UserModel().model_dump() == {
            "device": {"desktop": 0.25, "phone": 0.75},
            "typing_wpm": None,
            "reading_wpm": {"median": 238.0, "sigma": 0.2},
            "thinking": {"median": 3.0, "sigma": 0.6},
            "typing_pause": 0.1,
            "drafts": 0.05,
            "double_message": 0.0,
            "suggestion": 0.35,
            "impatience": None,
        }
        assert HandoffTable().model_dump() == {
            "patience": 600.0,
            "on_failure": "leave",
            "live_turns": 4,
        }
        assert Idle().model_dump() == {"duration": {"median": 300.0, "sigma": 0.5}}
        assert Abandon().model_dump() == {
            "after": {"min": 0, "max": 2},
            "silent": 0.3,
            "comes_back": 0.0,
            "away": {"median": 20.0, "sigma": 0.5},
        }

    def test_one_half_of_a_speed_leaves_the_other_at_its_default(self):
        human = UserModel.model_validate(
            {"typing_wpm": {"median": 50}, "reading_wpm": {"sigma": 0}}
        )
        assert human.typing_wpm is not None
        assert (human.typing_wpm.median, human.typing_wpm.sigma) == (50.0, 0.35)
        assert (human.reading_wpm.median, human.reading_wpm.sigma) == (238.0, 0.0)

    @pytest.mark.parametrize("uniform", [0.01, 0.99])
    def test_a_typing_speed_that_is_given_replaces_both_devices(self, uniform: float):
        human = UserModel.model_validate({"typing_wpm": {"median": 60, "sigma": 0}})
        assert human.typing(uniform) is human.typing_wpm

    @pytest.mark.parametrize("uniform", [0.01, 0.99])
    def test_a_device_that_is_not_named_is_not_used(self, uniform: float):
        assert UserModel.model_validate({"device": {"desktop": 3}}).typing(uniform) is DESKTOP
        assert UserModel.model_validate({"device": {"phone": 0.1}}).typing(uniform) is PHONE

    @pytest.mark.parametrize(
        "wrong",
        [
            {"device": {"desktop": 0, "phone": 0}},
            {"device": {}},
            {"device": {"tablet": 1}},
            {"drafts": 1.5},
            {"suggestion": "half"},
            {"impatience": {"sigma": 0.5}},
            {"impatience": {"median": 0}},
        ],
    )
    def test_people_who_cannot_be_are_refused(self, wrong: dict[str, Any]):
        with pytest.raises(ValidationError):
            UserModel.model_validate(wrong)


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        (HandoffTable, {"on_failure": "again"}),
        (HandoffTable, {"live_turns": -1}),
        (HandoffTable, {"patience": 0}),
        (Idle, {"duration": "5m"}),
        (Abandon, {"after": {"min": 3, "max": 2}}),
        (Abandon, {"silent": 2}),
    ],
)
def test_an_errand_that_cannot_be_run_is_refused(table: Any, wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        table.model_validate(wrong)
