"""A person types, reads and thinks as people do, and the same one twice does the same twice."""

import math
import subprocess
import sys
from itertools import pairwise
from statistics import NormalDist, fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadkit.plan.dialogue import Dialogue, Repertoire, builtin
from loadkit.plan.human import Act, Person, person_rng
from loadkit.plan.settings import Conversation, Human, Turns

ALIKE = Human.model_validate(
    {
        "typing_wpm": {"median": 60, "sigma": 0},  # 5 characters a second
        "reading_wpm": {"median": 60, "sigma": 0},  # a word a second
        "thinking": {"median": "2s", "sigma": 0},
    }
)


def talk(turns: int = 1, time_scale: float = 1.0) -> Conversation:
    return Conversation(turns=Turns(min=turns, max=turns), time_scale=time_scale)


def saying(*lines: str) -> Repertoire:
    return Repertoire([Dialogue("any", lines)])


def live(person: Person, heard: str = "How can I help?", at: float = 100.0) -> list[list[Act]]:
    """A whole life: what the person does after each answer, the answers coming 1 s later."""
    life: list[list[Act]] = []
    while not life or life[-1][-1][1] != "leave":
        life.append(person.react(at, heard))
        at = life[-1][-1][0] + 1.0
    return life


class TestReacting:
    @pytest.fixture(autouse=True)
    def _no_variation(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("loadkit.plan.human._WITHIN_SIGMA", 0.0)

    def test_a_person_reads_thinks_types_and_sends(self):
        person = Person(ALIKE, talk(), saying("x" * 10), person_rng(1))
        acts = person.react(100.0, "four words to read")
        assert [(pytest.approx(due), kind, text) for due, kind, text in acts] == [
            (106.0, "typing_started", ""),  # 4 s of reading and 2 s of thinking
            (108.0, "typing_stopped", ""),  # 10 characters at 5 a second
            (108.0, "say", "x" * 10),
        ]

    def test_while_typing_started_is_repeated_every_three_seconds(self):
        person = Person(ALIKE, talk(), saying("x" * 40), person_rng(1))
        acts = person.react(0.0, "")
        assert [(pytest.approx(due), kind) for due, kind, _ in acts] == [
            (2.0, "typing_started"),
            (5.0, "typing_started"),
            (8.0, "typing_started"),
            (10.0, "typing_stopped"),
            (10.0, "say"),
        ]

    def test_after_the_last_turn_a_person_reads_and_leaves(self):
        person = Person(ALIKE, talk(), saying("hi"), person_rng(1))
        person.react(0.0, "")
        assert person.react(50.0, "three words more") == [(pytest.approx(53.0), "leave", "")]

    def test_a_person_who_is_asked_again_still_leaves(self):
        person = Person(ALIKE, talk(), saying("hi"), person_rng(1))
        live(person)
        assert person.react(9.0, "") == [(9.0, "leave", "")]

    def test_an_answer_that_never_came_is_not_read_and_the_talk_goes_on(self):
        person = Person(ALIKE, talk(2), saying("one", "two"), person_rng(1))
        person.react(0.0, "")
        acts = person.react(60.0, "")
        assert acts[0] == (pytest.approx(62.0), "typing_started", "")
        assert acts[-1][1:] == ("say", "two")


class TestChance:
    def test_one_seed_makes_one_life(self):
        lives = [
            live(Person(Human(), Conversation(), builtin(), person_rng(7, 3, 1))) for _ in range(2)
        ]
        assert lives[0] == lives[1]

    def test_the_agent_does_not_change_what_is_said(self):
        def said(heard: str) -> list[str]:
            person = Person(Human(), Conversation(), builtin(), person_rng(7, 3, 1))
            return [acts[-1][2] for acts in live(person, heard)]

        assert said("") == said("a longer text altogether")

    def test_paths_have_streams_of_their_own(self):
        paths: list[tuple[int | str, ...]] = [(), (1,), ("1",), (1, 2), (12,), (2, 1), ("a", "b")]
        assert len({person_rng(1, *path).random() for path in paths}) == len(paths)
        assert person_rng(1, 2).random() != person_rng(2, 2).random()

    def test_a_stream_is_the_same_in_every_process(self):
        code = "from loadkit.plan.human import person_rng; print(person_rng(7, 'u', 3).random())"
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": "5"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert float(run.stdout) == person_rng(7, "u", 3).random()

    def test_a_stream_is_the_same_in_every_version(self):
        """Pinned: a change here makes every old run impossible to repeat."""
        assert person_rng(7, "u", 3).random() == 0.5639321832433105


@given(
    seed=st.integers(min_value=0),
    low=st.integers(min_value=1, max_value=12),
    more=st.integers(min_value=0, max_value=12),
    at=st.floats(min_value=0, max_value=1e7),
    time_scale=st.floats(min_value=0.001, max_value=100),
    heard=st.text(max_size=200),
)
def test_time_never_runs_backwards_and_the_turns_are_those_asked_for(
    seed: int, low: int, more: int, at: float, time_scale: float, heard: str
):
    conversation = Conversation(turns=Turns(min=low, max=low + more), time_scale=time_scale)
    person = Person(Human(), conversation, builtin(), person_rng(seed))
    life = live(person, heard, at)
    kinds = [kind for acts in life for _, kind, _ in acts]
    dues = [due for acts in life for due, _, _ in acts]
    assert dues[0] >= at
    assert all(earlier <= later for earlier, later in pairwise(dues))
    assert low <= kinds.count("say") == person.turns <= low + more
    assert kinds.count("leave") == 1
    for acts in life[:-1]:
        assert acts[0][1] == "typing_started"
        assert [kind for _, kind, _ in acts[-2:]] == ["typing_stopped", "say"]
        assert acts[-2][0] == acts[-1][0]
        started = [due for due, kind, _ in acts if kind == "typing_started"]
        gaps = [later - earlier for earlier, later in pairwise(started)]
        # at 1e7 s a float is good to 2e-9 s
        assert all(gap == pytest.approx(3 * time_scale, abs=1e-8) for gap in gaps)


@given(seed=st.integers(min_value=0), exponent=st.integers(min_value=-8, max_value=8))
def test_the_time_scale_scales_exactly(seed: int, exponent: int):
    """By powers of two, which a float multiplies without rounding."""
    scale = 2.0**exponent
    plain = Person(Human(), talk(3), builtin(), person_rng(seed))
    scaled = Person(Human(), talk(3, scale), builtin(), person_rng(seed))
    for _ in range(4):
        expected = [(due * scale, kind, text) for due, kind, text in plain.react(0.0, "a b c")]
        assert scaled.react(0.0, "a b c") == expected


class TestPeople:
    """The distributions between and within people, from what can be seen of them."""

    @staticmethod
    def typing_speeds(person: Person) -> list[float]:
        """Words per minute of each message, from the first key to the message."""
        return [
            len(acts[-1][2]) / 5 / ((acts[-1][0] - acts[0][0]) / 60) for acts in live(person)[:-1]
        ]

    def test_the_typing_speed_between_people_is_log_normal(self, monkeypatch: pytest.MonkeyPatch):
        """Kolmogorov-Smirnov: sqrt(n) D stays below 1.36 at the 5 % level (Smirnov 1948)."""
        monkeypatch.setattr("loadkit.plan.human._WITHIN_SIGMA", 0.0)
        expected = NormalDist(math.log(40), 0.35)
        people = 2000
        logs = sorted(
            math.log(self.typing_speeds(Person(Human(), talk(), builtin(), person_rng(5, n)))[0])
            for n in range(people)
        )
        distance = max(
            max(abs((n + 1) / people - expected.cdf(x)), abs(n / people - expected.cdf(x)))
            for n, x in enumerate(logs)
        )
        assert math.sqrt(people) * distance < 1.36

    def test_one_person_varies_little(self):
        person = Person(Human(), talk(1000), builtin(), person_rng(5))
        logs = [math.log(speed) for speed in self.typing_speeds(person)]
        assert stdev(logs) == pytest.approx(0.1, rel=0.1)

    def test_the_reading_speed_differs_between_people(self):
        words = "word " * 238
        logs = []
        for n in range(2000):
            person = Person(Human(), talk(), builtin(), person_rng(6, n))
            person.react(0.0, "")
            logs.append(math.log(238 / (person.react(0.0, words)[0][0] / 60)))
        assert fmean(logs) == pytest.approx(math.log(238), abs=0.02)
        assert stdev(logs) == pytest.approx(0.2, rel=0.1)

    def test_thinking_differs_from_turn_to_turn(self):
        person = Person(Human(), talk(2000), builtin(), person_rng(5))
        logs = [math.log(person.react(0.0, "")[0][0]) for _ in range(2000)]
        assert fmean(logs) == pytest.approx(math.log(3), abs=0.05)
        assert stdev(logs) == pytest.approx(0.6, rel=0.1)
        neighbours = [
            (a - fmean(logs)) * (b - fmean(logs)) / stdev(logs) ** 2 for a, b in pairwise(logs)
        ]
        assert abs(fmean(neighbours)) < 0.1  # anew each turn, not once for the person


def test_a_person_holds_little_memory():
    person = Person(Human(), talk(2), saying("one", "two"), person_rng(1))
    held = (getattr(person, name) for name in Person.__slots__)
    assert sum(map(sys.getsizeof, held)) < 600
    assert not hasattr(person, "__dict__")
