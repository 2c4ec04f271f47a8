"""Who is found in the midst of a session: held against the closed forms of renewal theory."""

import math
from collections import Counter
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from loadkit.actions import ActionKind, Cue
from loadkit.people.person import ASKS, Person
from loadkit.people.steady_state import turns_found, wait_found
from loadkit.profile.dialogue import builtin
from loadkit.profile.scenario import Abandon, Errand, HandoffTable, Idle
from loadkit.profile.tables import ConversationTable, TurnsRange
from loadkit.profile.user_model import UserModel, WaitModel
from loadkit.stats.random_streams import RandomStream, person_rng
from tests.stats.spread import ONE_IN_TWENTY, deviations, distance, lognormal, uniform

from .helpers import born

SAMPLES = 2000
PEOPLE = 800
SHARE = st.floats(0, 1, exclude_min=True, exclude_max=True)


def pairs() -> list[list[float]]:
    return [RandomStream(person_rng(5, "pair", number)).draws(0)[:2] for number in range(SAMPLES)]


def left(least: int, most: int) -> list[float]:
    """P(R = r) for r = 1 … most: P(N >= r) / E[N], for N uniform from least to most."""
    born = range(least, most + 1)
    return [sum(n >= r for n in born) / sum(born) for r in range(1, most + 1)]


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 2), (2, 5), (7, 7), (3, 40)])
def test_the_turns_left_are_those_of_a_renewal_process_in_its_steady_state(
    least: int, most: int
) -> None:
    """A chi-square test against P(N >= r) / E[N] finds nothing at the level of 1 %."""
    counted = Counter(turns_found(*pair, least, most).left for pair in pairs())
    expected = [SAMPLES * chance for chance in left(least, most)]
    observed = [counted[r] for r in range(1, most + 1)]
    assert sum(observed) == SAMPLES
    assert most == 1 or chisquare(observed, expected).pvalue > 0.01


def test_a_conversation_is_found_in_proportion_to_its_length() -> None:
    """Of lengths 2 to 5, one of n turns is found with the chance n / 14."""
    counted = Counter(turns_found(*pair, 2, 5).length for pair in pairs())
    expected = [SAMPLES * n / 14 for n in range(2, 6)]
    assert chisquare([counted[n] for n in range(2, 6)], expected).pvalue > 0.01


@given(SHARE, SHARE, st.integers(1, 10_000), st.integers(0, 10_000))
def test_at_least_one_turn_is_left_and_none_is_left_out(
    length: float, place: float, least: int, more: int
) -> None:
    """Whatever is drawn, the conversation is one that could have been born, and is not over."""
    found = turns_found(length, place, least, least + more)
    assert least <= found.length <= least + more
    assert 0 <= found.done < found.length
    assert found.left + found.done == found.length


@given(SHARE, st.integers(1, 60), st.integers(0, 60))
def test_the_length_is_where_the_sum_of_the_weights_reaches_the_share(
    share: float, least: int, more: int
) -> None:
    """The closed form is the inverse of the cumulated weights, n for a length of n."""
    lengths = range(least, least + more + 1)
    found = turns_found(share, 0.5, least, least + more).length
    reached = sum(n for n in lengths if n <= found) / sum(lengths)
    before = sum(n for n in lengths if n < found) / sum(lengths)
    assert before - 1e-9 <= share <= reached + 1e-9


def test_a_time_that_is_found_is_weighted_by_its_length_and_over_anywhere() -> None:
    """The length is log-normal with its mean of the logarithm higher by sigma², the place even."""
    wait = WaitModel(median=60.0, sigma=0.8)
    found = [wait_found(*pair, wait) for pair in pairs()]
    assert distance((one.length for one in found), lognormal(60 * math.exp(0.64), 0.8)) < (
        ONE_IN_TWENTY
    )
    assert distance((one.done / one.length for one in found), uniform(0, 1)) < ONE_IN_TWENTY


def test_what_is_left_of_a_time_has_the_density_of_the_steady_state() -> None:
    """Its distribution is the integral of P(T > x) / E[T], in closed form for a log-normal."""
    wait = WaitModel(median=60.0, sigma=0.8)
    mu, mean, normal = math.log(60.0), 60.0 * math.exp(0.32), NormalDist()

    def steady(x: float) -> float:
        z = (math.log(x) - mu) / 0.8
        return (x * (1 - normal.cdf(z)) + mean * normal.cdf(z - 0.8)) / mean

    assert distance((wait_found(*pair, wait).left for pair in pairs()), steady) < ONE_IN_TWENTY


class TestAPersonFoundMidway:
    """Someone who lives only the rest of a session."""

    def found(self, number: int, errand: Errand = Errand.CHAT, **tables: object) -> Person:
        return born(
            UserModel(drafts=0, suggestion=0),
            ConversationTable(turns=TurnsRange(min=2, max=6), time_scale=0.5),
            builtin(""),
            person_rng(3, number),
            errand,
            midway=True,
            **tables,
        )

    def says(self, person: Person) -> list[str]:
        """Everything that is said to an agent who answers at once, until the person is gone."""
        at, lines, cue = 0.0, [], Cue.GREETED
        while True:
            acts = person.react(at, "fine", cue)
            lines += [act.text for act in acts if act.kind is ActionKind.SAY]
            if not acts or acts[-1].kind in (ActionKind.LEAVE, ActionKind.VANISH):
                return lines
            at, cue = acts[-1].due, Cue.ANSWERED

    def test_says_as_many_lines_as_are_left(self) -> None:
        """The lines that are said have the distribution of the steady state."""
        counted = Counter(len(self.says(self.found(number))) for number in range(PEOPLE))
        expected = [PEOPLE * chance for chance in left(2, 6)]
        assert chisquare([counted[r] for r in range(1, 7)], expected).pvalue > 0.01

    def test_is_as_old_as_the_lines_that_are_over(self) -> None:
        """The mean age is the one of the steady state, (E[N²] / E[N] - 1) / 2 turns of 25 s."""
        born = range(2, 7)
        turns = (sum(n * n for n in born) / sum(born) - 1) / 2
        ages = [self.found(number).age_s for number in range(PEOPLE)]
        assert fmean(ages) == pytest.approx(turns * 25 * 0.5, rel=0.05)

    def test_asks_at_once_for_the_human_when_found_with_one(self) -> None:
        """Of 4 turns and 5 with the human on average, five in nine find themselves there."""
        people = [
            self.found(number, Errand.HUMAN, handoff=HandoffTable(live_turns=4))
            for number in range(PEOPLE)
        ]
        first = [self.says(person)[0] for person in people]
        assert deviations(sum(line in ASKS for line in first), PEOPLE, 5 / 9) < 3.5

    def test_has_enough_to_say_to_the_human_whenever_found(self) -> None:
        """No line is missing once the human has come."""
        for number in range(60):
            person = self.found(number, Errand.HUMAN, handoff=HandoffTable(live_turns=4))
            at = person.react(0.0, "hello", Cue.GREETED)[-1].due
            spoken = []
            acts = person.react(at, "a human", Cue.HUMAN_JOINED)
            while acts:
                spoken += [act.text for act in acts if act.kind is ActionKind.SAY]
                acts = person.react(acts[-1].due, "yes", Cue.ANSWERED)
            assert len(spoken) == 4

    def test_is_gone_in_one_of_the_turns_that_are_left(self) -> None:
        """Who leaves without a word after 0 to 2 turns does so in what is left of these."""
        abandon = Abandon.model_validate({"after": {"min": 0, "max": 2}, "silent": 0})
        vanished = Counter[int]()
        for number in range(PEOPLE):
            person = self.found(number, Errand.ABANDON, abandon=abandon)
            at, turn, acts = 0.0, 0, person.react(0.0, "hello", Cue.GREETED)
            while acts[-1].kind is not ActionKind.VANISH:
                at, turn = acts[-1].due, turn + 1
                acts = person.react(at, "fine")
            vanished[turn + 1] += 1
        expected = [PEOPLE * chance for chance in left(1, 3)]
        assert chisquare([vanished[r] for r in range(1, 4)], expected).pvalue > 0.01

    def test_idles_for_the_rest_of_the_time(self) -> None:
        """The rest and the age of who says nothing add up to a time that is found under way."""
        idle = Idle(duration=WaitModel(median=100.0, sigma=0.5))
        whole = []
        for number in range(PEOPLE):
            person = self.found(number, Errand.IDLE, idle=idle)
            (leave,) = person.react(0.0, "hello", Cue.GREETED)
            whole.append((leave.due + person.age_s) / 0.5)
        assert distance(whole, lognormal(100 * math.exp(0.25), 0.5)) < ONE_IN_TWENTY

    def test_who_is_born_is_who_was_born_before(self) -> None:
        """Without it nobody is cut short, and nobody has an age."""
        person = born(
            UserModel(),
            ConversationTable(turns=TurnsRange(min=2, max=2)),
            builtin(""),
            person_rng(3),
        )
        assert (person.turns, person.age_s) == (2, 0.0)
