"""Disconnects come as often, and in the ways, that the settings say."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from loadkit.profile.chaos import (
    MOMENTS,
    Chaos,
    ChaosFault,
    ChaosPlan,
    in_storm,
)
from loadkit.stats.random_streams import person_rng
from tests.stats.spread import ONE_IN_TWENTY, deviations, distance, exponential, uniform

CALM: dict[str, Any] = {"per_minute": 0, "per_turn": 0, "at": {}}


def chaos(**settings: Any) -> Chaos:
    return Chaos.model_validate(CALM | settings)


def faults(number: int = 0, **settings: Any) -> ChaosPlan:
    return ChaosPlan(chaos(**settings), person_rng(1, "chaos", number))


def strikes(session: ChaosPlan, started: float, until: float) -> list[float]:
    """When the session is struck by the rate, each strike carried out when it is due."""
    times = []
    while (due := session.due(started)) < until:
        times.append(due)
        session.strike(due)
    return times


class TestRate:
    def test_the_number_of_strikes_is_that_of_a_poisson_process(self):
        """Mean and variance are both rate times time."""
        rate, minutes, sessions = 0.5, 20, 500
        counts = [
            len(strikes(faults(n, per_minute=rate), 100.0, 100.0 + minutes * 60))
            for n in range(sessions)
        ]
        expected = rate * minutes
        mean = sum(counts) / sessions
        variance = sum((count - mean) ** 2 for count in counts) / (sessions - 1)
        assert abs(mean - expected) < 3 * math.sqrt(expected / sessions)
        assert variance == pytest.approx(expected, rel=0.2)

    def test_the_time_to_the_first_strike_is_exponential(self):
        first = [faults(n, per_minute=2).due(100.0) - 100 for n in range(2000)]
        assert distance(first, exponential(30.0)) < ONE_IN_TWENTY

    def test_the_time_between_strikes_is_too(self):
        times = strikes(faults(per_minute=2), 0.0, 60_000.0)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert distance(gaps, exponential(30.0)) < ONE_IN_TWENTY

    def test_what_is_due_stays_due_until_it_has_struck(self):
        session = faults(per_minute=2)
        due = session.due(100.0)
        assert session.due(100.0) == due
        session.strike(due + 50)
        assert session.due(100.0) > due + 50

    def test_without_a_rate_nothing_is_ever_due(self):
        assert faults().due(100.0) == math.inf


class TestTurns:
    def test_a_share_of_turns_is_struck_at_a_uniform_moment(self):
        session, turns, moments = faults(per_turn=0.1), 20_000, []
        for number in range(turns):
            begins = 100.0 * number
            session.turn(begins, begins + 20)
            if (due := session.due(0.0)) < math.inf:
                moments.append(due - begins)
                session.strike(due)
                assert session.due(0.0) == math.inf
        assert deviations(len(moments), turns, 0.1) < 3
        assert distance(moments, uniform(0, 20)) < ONE_IN_TWENTY

    def test_a_turn_that_was_over_sooner_is_not_struck_in_the_next(self):
        session = faults(per_turn=0.1)
        begins = 0.0
        while session.due(0.0) == math.inf:
            begins += 100
            session.turn(begins, begins + 20)
        for number in range(1, 4):  # of these, none is struck itself
            session.turn(begins + 100 * number, begins + 100 * number)
            assert session.due(0.0) in (math.inf, begins + 100 * number)

    def test_the_earlier_of_rate_and_turn_is_due(self):
        session = faults(per_turn=1.0, per_minute=1.0)
        by_rate = session.due(0.0)
        session.turn(0.0, by_rate / 2)
        assert session.due(0.0) < by_rate
        session.strike(session.due(0.0))
        assert session.due(0.0) == by_rate


class TestMoments:
    @pytest.mark.parametrize("moment", MOMENTS)
    def test_each_moment_has_its_own_chance(self, moment: str):
        session = faults(2, at={moment: 0.2})
        hits = Counter(
            name for _ in range(5000) for name in MOMENTS if session.at_moment(name) is not None
        )
        assert set(hits) == {moment}
        assert deviations(hits[moment], 5000, 0.2) < 3

    def test_what_happens_at_one_moment_does_not_move_another(self):
        both = {"before_echo": 0.5, "mid_stream": 0.5}
        quiet, busy = faults(at=both), faults(at=both, per_minute=1, per_turn=1)
        expected = [quiet.at_moment("mid_stream") for _ in range(50)]
        seen = []
        for _ in range(50):
            busy.at_moment("before_echo")
            busy.turn(0.0, 1.0)
            busy.strike(busy.due(0.0))
            seen.append(busy.at_moment("mid_stream"))
        assert seen == expected


class TestHow:
    def drawn(self, count: int = 4000, **settings: Any) -> Counter[ChaosFault]:
        session = faults(at={"join": 1.0}, **settings)
        return Counter(m for _ in range(count) if (m := session.at_moment("join")) is not None)

    def test_kinds_come_by_their_weights(self):
        drawn = self.drawn(how={"fin": 1, "reset": 3})
        assert set(drawn) == {ChaosFault("fin"), ChaosFault("reset")}
        assert deviations(drawn[ChaosFault("reset")], 4000, 0.75) < 3

    def test_codes_come_by_their_weights(self):
        drawn = self.drawn(how={"close": 2}, codes={"1001": 1, "4002": 4, "4003": 0})
        assert set(drawn) == {ChaosFault("close", 1001), ChaosFault("close", 4002)}
        assert deviations(drawn[ChaosFault("close", 4002)], 4000, 0.8) < 3

    def test_a_stall_knows_how_long_it_lasts(self):
        assert set(self.drawn(how={"stall": 1}, stall_for="7s")) == {
            ChaosFault("stall", seconds=7.0)
        }

    def test_a_timed_strike_draws_from_the_same_weights(self):
        session = faults(per_minute=1, how={"half_open": 1})
        assert {session.strike(session.due(0.0)) for _ in range(20)} == {ChaosFault("half_open")}


class TestWhose:
    def test_only_the_named_classes_meet_mishaps(self):
        settings = chaos(per_minute=1, classes=["FlakyNetworkChat"])
        assert isinstance(ChaosPlan.of(settings, "FlakyNetworkChat", person_rng(1)), ChaosPlan)
        assert ChaosPlan.of(settings, "CompleteChat", person_rng(1)) is None

    def test_a_star_names_all(self):
        assert chaos(per_minute=1, classes=["*"]).concerns("CompleteChat")

    def test_where_all_chances_are_zero_there_is_nothing_to_hold(self):
        assert ChaosPlan.of(chaos(classes=["*"]), "CompleteChat", person_rng(1)) is None

    def test_one_session_meets_the_same_wherever_it_runs(self):
        lives = [strikes(faults(3, per_minute=1), 0.0, 3600.0) for _ in range(2)]
        assert lives[0] == lives[1] != strikes(faults(4, per_minute=1), 0.0, 3600.0)


def storms(share: float) -> Chaos:
    return chaos(storms=[{"at": "20s", "share": share}] * 2)


class TestStorms:
    SESSIONS = 5000

    def hit(self, index: int, share: float, seed: int = 1) -> set[int]:
        settings = storms(share)
        return {n for n in range(self.SESSIONS) if in_storm(settings, index, n, seed)}

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
    def test_a_storm_hits_its_share(self, share: float):
        assert deviations(len(self.hit(0, share)), self.SESSIONS, share) < 3

    def test_no_share_and_the_whole_are_exact(self):
        assert self.hit(0, 0.0) == set()
        assert len(self.hit(0, 1.0)) == self.SESSIONS

    def test_a_wider_storm_hits_the_same_and_more(self):
        assert self.hit(0, 0.2) < self.hit(0, 0.4)

    def test_two_storms_hit_independently(self):
        both = self.hit(0, 0.5) & self.hit(1, 0.5)
        assert deviations(len(both), self.SESSIONS, 0.25) < 3

    def test_the_seed_chooses_whom(self):
        assert self.hit(0, 0.5, seed=1) != self.hit(0, 0.5, seed=2)

    def test_membership_is_the_same_in_every_version(self):
        """Pinned: a change here makes every old run impossible to repeat."""
        settings = storms(0.3)
        assert [n for n in range(12) if in_storm(settings, 0, f"CompleteChat/{n}", 7)] == [
            1,
            4,
            5,
            6,
            10,
            11,
        ]

    def test_all_who_are_hit_meet_its_kind(self):
        settings = chaos(storms=[{"at": "20s", "share": 0.5, "how": "close"}], codes={"1001": 1})
        met = [in_storm(settings, 0, n, 1) for n in range(100)]
        assert {m for m in met if m is not None} == {ChaosFault("close", 1001)}
        assert 30 < sum(m is not None for m in met) < 70


class TestSettings:
    def test_defaults_are_those_of_the_documentation(self):
        assert Chaos().model_dump() == {
            "classes": ("FlakyNetworkChat",),
            "per_minute": 0.5,
            "per_turn": 0.1,
            "at": {
                "connect": 0.0,
                "replay": 0.0,
                "join": 0.0,
                "between_turns": 0.0,
                "before_echo": 0.0,
                "mid_stream": 0.05,
                "queue": 0.0,
                "human": 0.0,
            },
            "how": {"close": 1.0, "fin": 2.0, "reset": 2.0, "half_open": 1.0, "stall": 1.0},
            "codes": None,
            "stall_for": 5.0,
            "storms": (),
            "reconnect": None,
        }

    @pytest.mark.parametrize(
        "wrong",
        [
            {"at": {"elsewhere": 0.1}},
            {"at": {"join": 1.1}},
            {"how": {}},
            {"how": {"reset": 0}},
            {"codes": {"4002": 0}},
            {"codes": {"1006": 1}},
            {"codes": {"999": 1}},
            {"codes": {"5000": 1}},
            {"codes": {"away": 1}},
            {"per_minute": -1},
            {"per_turn": "often"},
            {"storms": [{"at": "5s"}]},
            {"storms": [{"at": "5s", "share": 0.5, "how": "thunder"}]},
            {"reconnect": "never"},
        ],
    )
    def test_chaos_that_cannot_be_is_refused(self, wrong: dict[str, Any]):
        with pytest.raises(ValidationError):
            Chaos.model_validate(wrong)
