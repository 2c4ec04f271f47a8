"""A person reads, thinks and types as people do, and the same one twice does the same twice."""

import math
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean, pvariance, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.actions import SOMEBODY_ELSE, ActionKind, Cue, UserAction
from loadkit.people.person import ASKS, Person
from loadkit.profile.dialogue import Dialogue, Repertoire, builtin
from loadkit.profile.scenario import Abandon, Errand, HandoffTable, Idle
from loadkit.profile.tables import ConversationTable, TurnsRange
from loadkit.profile.user_model import DESKTOP, PHONE, Speed, UserModel
from loadkit.stats.random_streams import person_rng
from tests.stats.spread import ONE_IN_TWENTY, deviations, distance, lognormal, uniform

from .helpers import born

STARTED, STOPPED = ActionKind.TYPING_STARTED, ActionKind.TYPING_STOPPED
SAY, LEAVE, VANISH = ActionKind.SAY, ActionKind.LEAVE, ActionKind.VANISH

ALIKE = UserModel.model_validate(
    {
        "typing_wpm": {"median": 60, "sigma": 0},  # 5 characters a second
        "reading_wpm": {"median": 60, "sigma": 0},  # a word a second
        "thinking": {"median": "2s", "sigma": 0},
        "typing_pause": 0,
        "drafts": 0,
        "suggestion": 0,
    }
)
PLAIN = UserModel.model_validate({"typing_pause": 0, "drafts": 0})


def but(human: UserModel, **changes: object) -> UserModel:
    return UserModel.model_validate(human.model_dump() | changes)


def talk(turns: int = 1, time_scale: float = 1.0) -> ConversationTable:
    return ConversationTable(turns=TurnsRange(min=turns, max=turns), time_scale=time_scale)


def saying(*lines: str) -> Repertoire:
    return Repertoire([Dialogue("any", lines)])


def a_person(
    *lines: str,
    human: UserModel = ALIKE,
    errand: Errand = Errand.CHAT,
    seed: int = 1,
    **tables: object,
) -> Person:
    """Who says these lines, a turn each, or a turn without one in an errand's further turns."""
    script, rng = saying(*lines), person_rng(seed)
    return born(human, talk(len(lines)), script, rng, errand, **tables)


def said(acts: list[UserAction]) -> list[str]:
    return [act.text for act in acts if act.kind is SAY]


def live(
    person: Person,
    heard: str = "How can I help?",
    at: float = 100.0,
    suggestions: tuple[str, ...] = (),
    most: int = 100_000,
) -> list[list[UserAction]]:
    """A whole life: what the person does after each answer, the answers coming 1 s later."""
    life = [person.react(at, heard, Cue.GREETED)]
    while life[-1] and life[-1][-1].kind not in (LEAVE, VANISH) and len(life) < most:
        at = life[-1][-1].due + 1.0
        life.append(person.react(at, heard, Cue.ANSWERED, suggestions))
    return life


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch):
    """One person types all messages at one speed."""
    monkeypatch.setattr("loadkit.people.writing._WITHIN_SIGMA", 0.0)


@pytest.mark.usefixtures("steady")
class TestReacting:
    def test_a_person_reads_thinks_types_and_sends(self):
        acts = a_person("x" * 10).react(100.0, "four words to read")
        assert [(pytest.approx(due), kind, text) for due, kind, text in acts] == [
            (106.0, STARTED, ""),  # 4 s of reading and 2 s of thinking
            (108.0, STOPPED, ""),  # 10 characters at 5 a second
            (108.0, SAY, "x" * 10),
        ]

    def test_after_the_last_turn_a_person_reads_and_leaves(self):
        person = a_person("hi")
        person.react(0.0, "")
        assert person.react(50.0, "three words more") == [(pytest.approx(53.0), LEAVE, "")]

    def test_a_person_who_is_asked_again_still_leaves(self):
        person = a_person("hi")
        person.react(0.0, "")
        (leave,) = person.react(50.0, "three words more")
        assert person.react(51.0, "and more", Cue.HUMAN_JOINED) == [leave]
        assert person.react(60.0, "") == [(60.0, LEAVE, "")]

    def test_an_answer_that_never_came_is_not_read_and_the_talk_goes_on(self):
        person = a_person("one", "two")
        person.react(0.0, "")
        acts = person.react(60.0, "", Cue.SILENCE)
        assert acts[0] == (pytest.approx(62.0), STARTED, "")
        assert said(acts) == ["two"]

    def test_an_answer_that_comes_while_a_line_is_under_way_is_left_to_that_line(self):
        person = a_person("one", "two")
        (*_, say) = person.react(0.0, "")
        assert person.react(say.due - 0.1, "wait") == []
        assert said(person.react(say.due + 1, "")) == ["two"]

    def test_a_human_who_joins_unasked_is_told_the_next_line(self):
        person = a_person("one", "two")
        person.react(0.0, "")
        assert said(person.react(10.0, "", Cue.HUMAN_JOINED)) == ["two"]

    def test_a_human_who_joins_takes_the_place_of_what_was_under_way(self):
        person = a_person("x" * 30, "x" * 30)
        *_, say = person.react(0.0, "")  # STARTED at 2 s and 5 s
        acts = person.react(1.0, "", Cue.HUMAN_JOINED)
        assert acts[0] == (pytest.approx(4), STARTED, "")
        assert said(acts) == ["x" * 30]
        assert acts[-1].due == pytest.approx(say.due + 1)


class TestHabits:
    def test_a_draft_is_typed_and_given_up_before_the_message(self):
        person = a_person("x" * 5, human=but(ALIKE, drafts=1))
        kinds = [act.kind for act in person.react(0.0, "")]
        assert kinds == [STARTED, STOPPED, STARTED, STOPPED, SAY]

    def test_drafts_send_nothing(self):
        def words(drafts: float) -> list[list[str]]:
            human = but(UserModel(), drafts=drafts)
            return [said(acts) for acts in live(born(human, talk(40), builtin(), person_rng(3)))]

        assert words(1) == words(0)

    @pytest.mark.usefixtures("steady")
    def test_a_pause_makes_the_message_later_and_nothing_else(self):
        plain = a_person("x" * 40).react(0.0, "")
        paused = a_person("x" * 40, human=but(ALIKE, typing_pause=1)).react(0.0, "")
        assert paused[0] == plain[0]
        assert said(paused) == said(plain)
        assert paused[-1].due > plain[-1].due + 1

    def test_a_line_may_come_as_two_messages_in_quick_succession(self):
        person = a_person("where is my order please", "bye", human=but(ALIKE, double_message=1))
        acts = person.react(0.0, "")
        first, second = said(acts)
        assert f"{first} {second}" == "where is my order please"
        sent = [act.due for act in acts if act.kind is SAY]
        assert 0 < sent[1] - sent[0] < 10
        assert said(person.react(100.0, "")) == ["bye"]  # too short to be cut

    def test_the_answer_to_the_first_half_leaves_the_second_to_come(self):
        person = a_person("where is my order please", "bye", human=but(ALIKE, double_message=1))
        acts = person.react(0.0, "")
        first = next(act for act in acts if act.kind is SAY)
        assert person.react(first.due + 0.01, "quick") == []

    def test_a_suggestion_is_tapped_without_typing_and_takes_the_place_of_a_line(self):
        person = a_person("one", "two", human=but(ALIKE, suggestion=1))
        (act,) = person.react(0.0, "a b", Cue.ANSWERED, ["Yes", "No"])
        assert act == (pytest.approx(4.0), SAY, act.text)
        assert act.text in ("Yes", "No")
        assert said(person.react(10.0, "")) == ["two"]

    def test_the_impatient_leave_when_their_own_limit_has_passed(self):
        human = but(ALIKE, impatience={"median": 30.0, "sigma": 0.0})
        person = a_person("one", "two", human=human)
        acts = person.react(0.0, "")
        assert acts[-1] == (pytest.approx(acts[-2].due + 30), LEAVE, "")
        assert acts[-2].kind is SAY
        again = person.react(acts[-2].due + 29, "")
        assert [act.kind for act in again[-2:]] == [SAY, LEAVE]

    def test_the_time_scale_leaves_impatience_alone(self):
        human = but(ALIKE, impatience={"median": 30.0, "sigma": 0.0})
        *_, say, leave = born(human, talk(1, 0.1), saying("hi"), person_rng(1)).react(0.0, "")
        assert leave.due - say.due == pytest.approx(30)

    def test_a_rate_that_changes_moves_no_other_choice(self):
        def thinking(human: UserModel) -> list[float]:
            person = born(human, talk(50), builtin(), person_rng(2))
            first = (person.react(1000.0 * n, "")[0].due for n in range(50))
            return [due - 1000 * n for n, due in enumerate(first)]

        assert thinking(PLAIN) == thinking(but(PLAIN, drafts=0.5, typing_pause=0.5, suggestion=1))


class TestRefusals:
    def test_a_refused_line_is_said_again_after_two_to_five_seconds(self):
        person = a_person("one", "two")
        person.react(0.0, "")
        ((due, kind, text),) = person.react(50.0, "high load", Cue.OVERLOADED)
        assert 52 <= due <= 55
        assert (kind, text) == (SAY, "one")
        assert said(person.react(60.0, "")) == ["two"]  # it was no turn of the script

    def test_after_the_third_time_the_person_leaves(self):
        person, at = a_person("one", "two"), 0.0
        person.react(at, "")
        for _ in range(3):
            at += 100
            assert said(person.react(at, "", Cue.OVERLOADED)) == ["one"]
        assert person.react(at + 100, "", Cue.OVERLOADED) == [(at + 100, LEAVE, "")]

    def test_an_answer_in_between_starts_the_count_again(self):
        person = a_person(*"abcdef")
        for turn in range(6):
            at = 1000.0 * turn
            person.react(at, "")
            for again in (1, 2, 3):
                acts = person.react(at + 100 * again, "", Cue.OVERLOADED)
                assert said(acts) == ["abcdef"[turn]]

    def test_who_is_refused_before_the_first_line_goes_on_to_it(self):
        assert said(a_person("one").react(0.0, "", Cue.OVERLOADED)) == ["one"]

    def test_refusals_do_not_change_what_comes_after(self):
        def later(refusals: int) -> list[UserAction]:
            person = born(UserModel(), talk(2), builtin(), person_rng(4))
            person.react(0.0, "")
            for number in range(refusals):
                person.react(500.0 + 100 * number, "", Cue.OVERLOADED)
            return person.react(5000.0, "fine")

        assert later(0) == later(3)

    def test_waits_are_uniform(self):
        waits = []
        for n in range(1000):
            person = a_person("hi", seed=n)
            person.react(0.0, "")
            waits.append(person.react(100.0, "", Cue.OVERLOADED)[0].due - 100)
        assert distance(waits, uniform(2, 5)) < ONE_IN_TWENTY


class TestHandoff:
    HANDOFF = HandoffTable(live_turns=2, on_failure="retry")

    def asking(self, **changes: object) -> Person:
        """A person who has said what there was for the agent and now asks for a human."""
        handoff = HandoffTable.model_validate(self.HANDOFF.model_dump() | changes)
        script = saying("one", "live", "live two")
        person = born(ALIKE, talk(1), script, person_rng(1), Errand.HUMAN, handoff=handoff)
        assert said(person.react(0.0, "", Cue.GREETED)) == ["one"]
        assert said(person.react(100.0, "")) == [self.request(person)]
        return person

    @staticmethod
    def request(person: Person) -> str:
        assert person._line in ASKS
        return person._line

    @pytest.mark.parametrize("ask", ASKS)
    def test_every_request_holds_the_words(self, ask: str):
        assert "agent please" in ask

    def test_people_ask_in_different_words(self):
        def request(seed: int) -> str:
            person = a_person("x", errand=Errand.HUMAN, seed=seed)
            person.react(0.0, "")
            return said(person.react(100.0, ""))[0]

        assert {request(seed) for seed in range(60)} == set(ASKS)

    def test_the_human_is_told_the_live_lines_and_waited_for(self):
        person = self.asking()
        assert said(person.react(200.0, "", Cue.HUMAN_JOINED)) == ["live"]
        assert said(person.react(300.0, "hello")) == ["live two"]
        assert person.react(400.0, "bye") == []
        assert person.react(500.0, "", Cue.SILENCE) == []

    def test_without_live_turns_the_person_only_waits(self):
        assert self.asking(live_turns=0).react(200.0, "", Cue.HUMAN_JOINED) == []

    def test_a_human_who_joins_early_ends_the_talk_with_the_agent(self):
        handoff = HandoffTable(live_turns=2)
        person = a_person("one", "two", "three", errand=Errand.HUMAN, handoff=handoff)
        person.react(0.0, "")
        person.react(100.0, "", Cue.HUMAN_JOINED)
        person.react(200.0, "")
        assert person.react(300.0, "") == []

    def test_a_failed_hand_off_is_asked_for_once_more(self):
        person = self.asking()
        assert said(person.react(200.0, "", Cue.NO_HUMAN))[0] in ASKS
        assert [act.kind for act in person.react(300.0, "", Cue.NO_HUMAN)] == [LEAVE]

    def test_or_the_person_leaves_at_once(self):
        person = self.asking(on_failure="leave")
        assert person.react(200.0, "sorry", Cue.NO_HUMAN) == [(201.0, LEAVE, "")]

    def test_an_agent_who_only_answers_is_asked_three_times_in_all(self):
        person = self.asking()
        assert said(person.react(200.0, "no"))[0] in ASKS
        assert said(person.react(300.0, "no"))[0] in ASKS
        assert [act.kind for act in person.react(400.0, "no")] == [LEAVE]


class TestIdling:
    def test_who_idles_only_leaves(self):
        durations = []
        for n in range(1000):
            person = born(UserModel(), talk(), builtin(), person_rng(n), Errand.IDLE)
            ((due, kind, _),) = person.react(100.0, "Hello, how can I help?", Cue.GREETED)
            assert kind is LEAVE
            durations.append(due - 100)
        assert distance(durations, lognormal(300, 0.5)) < ONE_IN_TWENTY

    def test_nothing_that_is_said_moves_the_end(self):
        idle = Idle.model_validate({"duration": {"median": 60.0, "sigma": 0.0}})
        person = a_person("hi", errand=Errand.IDLE, idle=idle)
        (leave,) = person.react(0.0, "Hello", Cue.GREETED)
        assert leave.due == 60
        assert person.react(10.0, "Are you there?") == [leave]
        assert person.react(20.0, "", Cue.OVERLOADED) == [leave]

    def test_the_time_scale_scales_it(self):
        idle = Idle.model_validate({"duration": {"median": 60.0, "sigma": 0.0}})
        person = born(ALIKE, talk(1, 0.5), saying("x"), person_rng(1), Errand.IDLE, idle=idle)
        assert person.react(0.0, "")[0].due == 30


class TestAbandoning:
    PEOPLE = 2000

    @staticmethod
    def leaver(n: int, **changes: object) -> Person:
        abandon = Abandon.model_validate(Abandon().model_dump() | changes)
        rng = person_rng(16, n)
        return born(PLAIN, talk(2), builtin(), rng, Errand.ABANDON, abandon=abandon)

    def test_the_last_thing_is_to_vanish_after_the_drawn_number_of_turns(self):
        complete = []
        for n in range(self.PEOPLE):
            life = live(self.leaver(n))
            assert life[-1][-1].kind is VANISH
            assert [act.kind for acts in life for act in acts].count(VANISH) == 1
            complete.append(len(life) - 1)
        for turns in (0, 1, 2):
            assert deviations(complete.count(turns), self.PEOPLE, 1 / 3) < 3

    def test_half_are_gone_while_typing_and_half_while_waiting(self):
        lives = [live(self.leaver(n))[-1] for n in range(self.PEOPLE)]
        typing = [acts for acts in lives if SAY not in {act.kind for act in acts}]
        assert deviations(len(typing), self.PEOPLE, 0.5) < 3
        assert all(acts[0].kind is STARTED for acts in typing)
        waits = [acts[-1].due - acts[-2].due for acts in lives if SAY in {a.kind for a in acts}]
        assert distance(waits, uniform(0, 1)) < ONE_IN_TWENTY

    def test_the_silent_share_vanishes_silently(self):
        hows = [live(self.leaver(n, silent=0.3))[-1][-1].text for n in range(self.PEOPLE)]
        assert set(hows) == {"fin", "silent"}
        assert deviations(hows.count("silent"), self.PEOPLE, 0.3) < 3

    def test_nothing_is_done_before_the_vanishing_is_done(self):
        person = self.leaver(1)
        *_, vanish = live(person)[-1]
        for cue in Cue:  # with a human's, the driver drops what is due
            again = [vanish] if cue in SOMEBODY_ELSE else []
            assert person.react(vanish.due - 0.001, "", cue) == again

    def test_a_share_comes_back(self):
        away = [self.leaver(n, comes_back=0.4).away_s for n in range(self.PEOPLE)]
        back = [seconds for seconds in away if seconds is not None]
        assert deviations(len(back), self.PEOPLE, 0.4) < 3
        assert distance(back, lognormal(20, 0.5)) < ONE_IN_TWENTY
        assert self.leaver(1).away_s is None

    def test_who_comes_back_goes_on_with_the_script_and_leaves_in_the_end(self):
        for n in range(200):
            person = self.leaver(n, comes_back=1, after={"min": 1, "max": 1})
            before = [line for acts in live(person) for line in said(acts)]
            after = live(person, at=1e6)
            assert after[-1][-1].kind is LEAVE
            lines = before + [line for acts in after for line in said(acts)]
            assert len(lines) == 2
            again = born(PLAIN, talk(2), builtin(), person_rng(16, n))
            assert lines == [line for acts in live(again) for line in said(acts)]


class TestChance:
    def test_one_seed_makes_one_life(self):
        lives = [
            live(
                born(UserModel(), ConversationTable(), builtin(), person_rng(7, "CompleteChat", 3))
            )
            for _ in range(2)
        ]
        assert lives[0] == lives[1]

    def test_the_agent_does_not_change_what_is_said(self):
        def words(heard: str) -> list[list[str]]:
            person = born(UserModel(), ConversationTable(), builtin(), person_rng(7, 3, 1))
            return [said(acts) for acts in live(person, heard)]

        assert words("") == words("a longer text altogether")

    def test_who_else_is_born_meanwhile_changes_nothing(self):
        alone = live(born(UserModel(), talk(3), builtin(), person_rng(7, "A", 5)))
        crowd = [born(UserModel(), talk(3), builtin(), person_rng(7, "A", n)) for n in range(10)]
        for person in crowd[:5]:
            live(person)
        assert live(crowd[5]) == alone

    def test_a_life_is_the_same_in_every_version(self):
        """Pinned: a change here makes every old run impossible to repeat."""
        person = born(UserModel(), talk(2), builtin("retail"), person_rng(7, "CompleteChat", 3))
        acts = [act for acts in live(person, at=0.0) for act in acts]
        assert [(round(act.due, 6), act.kind.value) for act in acts] == [
            (5.172473, "typing_started"),
            (8.172473, "typing_started"),
            (10.787655, "typing_stopped"),
            (10.787655, "say"),
            (16.571253, "typing_started"),
            (19.571253, "typing_started"),
            (22.571253, "typing_started"),
            (25.571253, "typing_started"),
            (27.061073, "typing_stopped"),
            (27.061073, "say"),
            (29.32333, "leave"),
        ]


HABITS = st.fixed_dictionaries(
    {},
    optional={
        "typing_pause": st.sampled_from([0.0, 0.5, 1.0]),
        "drafts": st.sampled_from([0.0, 0.5, 1.0]),
        "double_message": st.sampled_from([0.0, 0.5, 1.0]),
        "suggestion": st.sampled_from([0.0, 0.5, 1.0]),
    },
)


@given(
    seed=st.integers(min_value=0),
    low=st.integers(min_value=1, max_value=12),
    more=st.integers(min_value=0, max_value=12),
    at=st.floats(min_value=0, max_value=1e7),
    time_scale=st.floats(min_value=0.01, max_value=100),
    heard=st.text(max_size=200),
    habits=HABITS,
    errand=st.sampled_from(Errand),
    cues=st.lists(st.tuples(st.sampled_from(Cue), st.floats(-0.5, 30)), max_size=30),
)
def test_whatever_is_heard_time_never_runs_backwards_and_typing_keeps_to_its_limits(
    seed: int,
    low: int,
    more: int,
    at: float,
    time_scale: float,
    heard: str,
    habits: dict[str, float],
    errand: Errand,
    cues: list[tuple[Cue, float]],
):
    conversation = ConversationTable(
        turns=TurnsRange(min=low, max=low + more), time_scale=time_scale
    )
    person = born(but(UserModel(), **habits), conversation, builtin(), person_rng(seed), errand)
    acts = person.react(at, heard, Cue.GREETED)
    for cue, wait in cues:
        if acts and acts[-1].kind in (LEAVE, VANISH):
            break
        at = max(at, (acts[-1].due if acts else at) + wait)
        following = person.react(at, heard, cue, ["Yes", "No"])
        assert all(act.due >= at for act in following)
        if cue in SOMEBODY_ELSE:
            acts = [act for act in acts if act.due <= at]
            acts += [UserAction(at, STOPPED)] * (bool(acts) and acts[-1].kind is STARTED)
        acts += following
    assert all(earlier.due <= later.due for earlier, later in pairwise(acts))

    started = [act.due for act in acts if act.kind is STARTED]
    # at 1e7 s a float is good to 2e-9 s
    assert all(later - earlier >= 3 * time_scale - 1e-7 for earlier, later in pairwise(started))
    shown = False
    for act in acts:
        assert act.kind is not STOPPED or shown  # never twice, never without STARTED
        assert act.kind is not SAY or not shown  # STOPPED first
        shown = act.kind is STARTED or (shown and act.kind is not STOPPED)
    assert not shown or acts[-1].kind is VANISH


@given(
    seed=st.integers(min_value=0),
    exponent=st.integers(min_value=-8, max_value=8),
    habits=HABITS,
    errand=st.sampled_from([Errand.CHAT, Errand.HUMAN, Errand.IDLE]),
)
def test_the_time_scale_scales_exactly(
    seed: int, exponent: int, habits: dict[str, float], errand: Errand
):
    """By powers of two, which a float multiplies without rounding."""
    scale, human = 2.0**exponent, but(UserModel(), **habits)
    plain = born(human, talk(3), builtin(), person_rng(seed), errand)
    scaled = born(human, talk(3, scale), builtin(), person_rng(seed), errand)
    for turn in range(6):
        at = turn * 64.0
        expected = [(due * scale, kind, text) for due, kind, text in plain.react(at, "a b c")]
        assert scaled.react(at * scale, "a b c") == expected


class TestPeople:
    """The distributions between and within people, from what can be seen of them."""

    PEOPLE = 2000

    @staticmethod
    def typing_speeds(person: Person) -> list[float]:
        """Words per minute of each message, from the first key to the message."""
        return [
            len(acts[-1].text) / 5 / ((acts[-1].due - acts[0].due) / 60)
            for acts in live(person)[:-1]
        ]

    def sample(
        self, human: UserModel, see: Callable[[Person], float], seed: int = 5
    ) -> list[float]:
        return [
            see(born(human, talk(), builtin(), person_rng(seed, n))) for n in range(self.PEOPLE)
        ]

    @pytest.mark.usefixtures("steady")
    @pytest.mark.parametrize(("device", "speed"), [("desktop", DESKTOP), ("phone", PHONE)])
    def test_people_of_a_device_type_as_fast_as_its_paper_says(self, device: str, speed: Speed):
        human = but(PLAIN, device={device: 1.0})
        speeds = self.sample(human, lambda person: self.typing_speeds(person)[0])
        assert distance(speeds, lognormal(speed.median, speed.sigma)) < ONE_IN_TWENTY

    @pytest.mark.usefixtures("steady")
    def test_the_two_devices_mix_by_their_weights(self):
        speeds = self.sample(PLAIN, lambda person: self.typing_speeds(person)[0])
        desktop, phone = (lognormal(s.median, s.sigma) for s in (DESKTOP, PHONE))
        assert distance(speeds, lambda x: 0.25 * desktop(x) + 0.75 * phone(x)) < ONE_IN_TWENTY

    def test_one_person_varies_less_than_people_do(self):
        people = [
            [
                math.log(wpm)
                for wpm in self.typing_speeds(born(PLAIN, talk(12), builtin(), person_rng(8, n)))
            ]
            for n in range(300)
        ]
        between = pvariance([fmean(logs) for logs in people])
        within = fmean([pvariance(logs) for logs in people])
        assert within == pytest.approx(0.1**2 * 11 / 12, rel=0.1)
        assert between > 10 * within

    def test_reading_speed_differs_between_people(self):
        human, words = but(PLAIN, thinking={"median": 1e-6, "sigma": 0.0}), "word " * 238

        def reading(person: Person) -> float:
            person.react(0.0, "")
            return 238 / ((person.react(1000.0, words)[0].due - 1000) / 60)

        assert distance(self.sample(human, reading), lognormal(238, 0.2)) < ONE_IN_TWENTY

    def test_thinking_differs_from_turn_to_turn(self):
        person = born(PLAIN, talk(2000), builtin(), person_rng(5))
        pauses = [person.react(1000.0 * n, "")[0].due - 1000 * n for n in range(2000)]
        assert distance(pauses, lognormal(3, 0.6)) < ONE_IN_TWENTY
        logs = [math.log(pause) for pause in pauses]
        mean, variance = fmean(logs), stdev(logs) ** 2
        neighbours = [(a - mean) * (b - mean) / variance for a, b in pairwise(logs)]
        assert abs(fmean(neighbours)) < 0.1  # anew each turn, not once for the person

    def test_impatience_differs_between_people(self):
        human = but(PLAIN, impatience={"median": 120.0, "sigma": 0.5})

        def limit(person: Person) -> float:
            *_, say, leave = person.react(0.0, "")
            return leave.due - say.due

        assert distance(self.sample(human, limit, seed=6), lognormal(120, 0.5)) < ONE_IN_TWENTY

    @pytest.mark.parametrize(
        ("habit", "shows"),
        [
            ("drafts", lambda plain, acts: acts[-1].due > plain[-1].due + 5),
            ("typing_pause", lambda plain, acts: acts[-1].due > plain[-1].due + 0.1),
            ("double_message", lambda plain, acts: len(said(acts)) == 2),
            ("suggestion", lambda plain, acts: said(acts) == ["Yes"]),
        ],
    )
    def test_a_habit_shows_in_its_share_of_turns(
        self, habit: str, shows: Callable[[list[UserAction], list[UserAction]], bool]
    ):
        script, turns = saying("a line of five words"), 2000
        plain = born(but(PLAIN, suggestion=0), talk(turns), script, person_rng(9))
        other = born(
            but(PLAIN, **{"suggestion": 0, habit: 0.2}), talk(turns), script, person_rng(9)
        )
        seen = 0
        for n in range(turns):
            before, after = (p.react(1000.0 * n, "", suggestions=["Yes"]) for p in (plain, other))
            seen += shows(before, after)
        assert deviations(seen, turns, 0.2) < 3

    def test_two_in_three_long_pauses_are_seen_as_stopped(self):
        script = saying("x" * 60)
        person = born(but(PLAIN, typing_pause=1), talk(2000), script, person_rng(9))
        seen = [
            [act.kind for act in person.react(1000.0 * n, "")].count(STOPPED) for n in range(2000)
        ]
        expected = 1 - lognormal(6, 0.5)(5)
        assert deviations(seen.count(2), 2000, expected) < 3


def test_a_person_holds_little_memory():
    rngs = [person_rng(1, n) for n in range(500)]
    script = saying("one", "two")
    human, conversation = UserModel(), talk(2)
    tracemalloc.start()
    people = [born(human, conversation, script, rng) for rng in rngs]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(people) < 600
    assert not hasattr(people[0], "__dict__")
