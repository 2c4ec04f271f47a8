"""A rehearsed session does what its person does, and waits as long as the server was said to."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.figures import Count, Phase
from loadkit.profile.dialogue import Dialogue
from loadkit.profile.profile import Profile
from loadkit.profile.scenario import Errand, SessionKind
from loadkit.readiness.rehearsal import Pace, Rehearsal, rehearse

WHOLE = SessionKind("CompleteChat")
STREAMED = SessionKind("StreamingChat", streaming=True)
HUMAN = SessionKind("HandoffChat", Errand.HUMAN)
IDLE = SessionKind("IdleChat", Errand.IDLE)
GONE = SessionKind("AbandoningChat", Errand.ABANDON)
RESUMING = SessionKind("ResumingChat", restarts=1)
FLAKY = SessionKind("FlakyNetworkChat", streaming=True)

PACE = Pace(
    entry=1, join=2, greeting=5, answer=10, queue=40, human=20, reconnect=3, end=0.5
)  # no two alike
ALIKE = {
    "typing_wpm": {"median": 60.0, "sigma": 0.0},  # 5 characters a second
    "reading_wpm": {"median": 60.0, "sigma": 0.0},  # a word a second
    "thinking": {"median": 2.0, "sigma": 0.0},
    "typing_pause": 0.0,
    "drafts": 0.0,
}
LINE = "x" * 20  # takes 4 s
GREETING, ANSWER = 14, 27  # words that are read, a second each


def people(turns: int = 2, **tables: Any) -> Profile:
    """Who say the same line in every turn, and but for 10 % in typing speed are all alike."""
    talk = {"turns": {"min": turns, "max": turns}, "dialogues": "mine", "pause": 7.0}
    return Profile.model_validate(
        {
            "name": "alike",
            "load": {"stages": [{"duration": 1.0, "users": 1}]},
            "mix": {"CompleteChat": 1.0},
            "conversation": talk | tables.pop("conversation", {}),
            "human": ALIKE | tables.pop("human", {}),
            "own_dialogues": (Dialogue("any", (LINE,) * 300),),
            **tables,
        }
    )


def lived(profile: Profile, session_kind: SessionKind = WHOLE, number: int = 0) -> Rehearsal:
    return rehearse(profile, session_kind, number, PACE)


def lasted(session: Rehearsal, what: str) -> set[float]:
    return {round(done - begun, 6) for begun, done in session.spans.get(what, ())}


def begins(session: Rehearsal, what: str) -> list[float]:
    return [begun for begun, _ in session.spans[what]]


def test_a_session_takes_the_time_of_its_person_and_that_of_the_server() -> None:
    """Reckoned by hand: in, greeted, then reading, thinking, typing and the answer in each turn."""
    session = lived(people(2))
    first = 1 + 5 + GREETING + 2 + 4
    second = first + 10 + ANSWER + 2 + 4
    leaves = second + 10 + ANSWER
    typing = pytest.approx(0, abs=2)  # what 10 % of twice 4 s comes to, and then some
    assert begins(session, Phase.RESPONSE)[0] - first == typing
    assert begins(session, Phase.RESPONSE)[1] - second == typing
    assert session.lasts - leaves == typing
    assert session.busy - session.lasts == pytest.approx(7)
    assert lasted(session, Phase.RESPONSE) == {10}
    assert (lasted(session, Phase.JOIN), lasted(session, Phase.GREETING)) == ({2}, {5})
    assert lasted(session, Phase.END) == {0.5}


def test_every_phase_is_there_as_often_as_it_is_measured() -> None:
    session = lived(people(3))
    for phase in (Phase.RESPONSE, Phase.ECHO, Phase.THINKING, Count.TURNS_SENT):
        assert len(session.spans[phase]) == 3, phase
    for phase in (Phase.TOKEN, Phase.CREATE_SESSION, Phase.CONNECT, Phase.HISTORY, Phase.JOIN):
        assert len(session.spans[phase]) == 1, phase
    assert Phase.FIRST_CHUNK not in session.spans
    assert Phase.RECONNECT not in session.spans


def test_a_streamed_answer_has_a_first_chunk_before_it_is_complete() -> None:
    session = lived(people(3), STREAMED)
    assert lasted(session, Phase.FIRST_CHUNK) == {5}
    assert len(session.spans[Phase.FIRST_CHUNK]) == len(session.spans[Phase.RESPONSE]) == 3
    assert len(session.spans[Phase.CHUNK_GAP]) == 4 * 6  # the greeting's are measured, too


def test_who_asks_for_a_human_waits_for_one_and_talks_to_them_until_they_leave() -> None:
    """The message that asks is a turn without a response, for its answer is the hand-off."""
    session = lived(people(2, handoff={"live_turns": 5}), HUMAN)
    assert len(session.spans[Phase.RESPONSE]) == 2
    assert lasted(session, Phase.HANDOFF_WAIT) == {40}
    assert len(session.spans[Count.HANDOFFS_TRIGGERED]) == 1
    assert lasted(session, Phase.LIVE_RESPONSE) == {20}
    assert len(session.spans[Phase.LIVE_RESPONSE]) == 3  # then the human leaves
    assert len(session.spans[Count.TURNS_SENT]) == 2 + 1 + 3
    assert Phase.END not in session.spans  # it was not the person who left


def test_who_gives_up_on_a_human_does_not_wait_for_longer_than_the_patience() -> None:
    session = lived(people(1, handoff={"patience": 15.0}), HUMAN)
    assert lasted(session, Phase.HANDOFF_WAIT) == {15}


def test_who_idles_says_nothing_and_beats() -> None:
    idle = {"duration": {"median": 100.0, "sigma": 0.0}}
    session = lived(people(idle=idle), IDLE)
    assert session.lasts == pytest.approx(1 + 5 + 100)
    assert Count.TURNS_SENT not in session.spans
    assert begins(session, Phase.HEARTBEAT) == [31, 61, 91]


def test_who_is_gone_without_a_word_gets_no_further_answer() -> None:
    """In the second turn, whether while typing or right after sending."""
    profile = people(9, abandon={"after": {"min": 1, "max": 1}})
    for number in range(10):
        session = lived(profile, GONE, number)
        assert len(session.spans[Phase.RESPONSE]) == 1
        assert len(session.spans[Count.TURNS_SENT]) in (1, 2)
        assert Phase.END not in session.spans


def test_who_comes_back_is_busy_for_as_long_as_they_are_away() -> None:
    away = {"median": 50.0, "sigma": 0.0}
    session = lived(people(abandon={"comes_back": 1.0, "away": away}), GONE)
    assert session.busy - session.lasts == pytest.approx(50 + 5 + 7)


def test_who_is_impatient_leaves_before_a_slow_answer() -> None:
    hurried = {"impatience": {"median": 4.0, "sigma": 0.0}}
    session = lived(people(5, human=hurried))
    assert Phase.RESPONSE not in session.spans
    assert len(session.spans[Count.TURNS_SENT]) == 1
    assert session.lasts == pytest.approx(begins(session, Count.TURNS_SENT)[0] + 4)


def test_a_new_process_of_the_app_connects_once_more() -> None:
    assert len(lived(people(3), RESUMING).spans[Phase.CONNECT]) == 2


def test_a_socket_that_has_grown_old_is_replaced() -> None:
    """And the new one's first heartbeat is a whole interval away."""
    idle = {"duration": {"median": 100.0, "sigma": 0.0}}
    session = lived(people(idle=idle, connection={"recycle": 50.0}), IDLE)
    assert begins(session, Phase.RECONNECT) == [50, 100]
    assert begins(session, Phase.HEARTBEAT) == [31, 50 + 3 + 30]


def test_who_is_cut_off_in_each_turn_reconnects_as_often_and_is_answered_later() -> None:
    cut = {"per_minute": 0.0, "per_turn": 1.0, "at": {}, "how": {"reset": 1.0}}
    sessions = [lived(people(8, chaos=cut), FLAKY, number) for number in range(10)]
    cuts = sum(len(session.spans[Phase.RECONNECT]) for session in sessions)
    assert 70 <= cuts <= 80  # one a turn; the last turns may be over before theirs
    assert all(lasted(session, Phase.RECONNECT) == {3} for session in sessions)


def test_the_same_person_lives_the_same_session() -> None:
    profile = people(4, human={"typing_wpm": None, "thinking": {"median": 3.0}})
    assert lived(profile, number=3) == lived(profile, number=3)
    assert lived(profile, number=3) != lived(profile, number=4)


@given(
    per_minute=st.sampled_from([0.0, 3.0, 1e9]),
    chance=st.sampled_from([0.0, 0.5, 1.0]),
    turns=st.sampled_from([1, 5, 10_000]),
    recycle=st.sampled_from([0.0, 0.001, 7200.0]),
    session_kind=st.sampled_from([WHOLE, STREAMED, HUMAN, IDLE, GONE, RESUMING]),
    midway=st.booleans(),
)
@settings(max_examples=40)
def test_whatever_befalls_it_a_rehearsal_comes_to_an_end(
    per_minute: float,
    chance: float,
    turns: int,
    recycle: float,
    session_kind: SessionKind,
    midway: bool,
) -> None:
    """And is no shorter than nothing: its user would never get through with new ones."""
    moments = dict.fromkeys(("connect", "join", "between_turns", "before_echo", "queue"), chance)
    chaos = {"classes": ["*"], "per_minute": per_minute, "per_turn": chance, "at": moments}
    profile = people(turns, chaos=chaos, connection={"recycle": recycle})
    session = rehearse(profile, session_kind, 0, PACE, midway=midway)
    assert 0 < session.lasts <= session.busy < math.inf
    assert sum(map(len, session.spans.values())) < 20_000
