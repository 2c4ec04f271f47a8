"""What a right server does besides: each habit by itself, and none unless it is turned on."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadkit.protocol.types import RECEIPTS
from loadkit.simulator.faults.error_texts import BROKEN_OFF, UNABLE_TO_START
from loadkit.simulator.session.habits import Habits

from .doubles import JOIN, Ear, World, says

ANSWER = ["POLY_AGENT_THINKING", "POLY_AGENT_MESSAGE"]
FOLLOWED = ("agent.follow_up.share=1", "agent.follow_up.delay=4s")
STREAM = ["POLY_AGENT_MESSAGE_CHUNK"] * 3


def records(world: World, path: Path, *kinds: str) -> list[dict[str, Any]]:
    world.truth.close()
    lines = (orjson.loads(line) for line in path.read_bytes().splitlines())
    return [record for record in lines if record["kind"] in kinds]


def plain(types: list[str]) -> list[str]:
    """Without what concerns no conversation."""
    return [name for name in types if f"EVENT_TYPE_{name}" not in RECEIPTS]


def test_a_habit_is_as_frequent_as_its_rate_and_the_same_for_the_same_seed() -> None:
    one, same, other = Habits("1/1"), Habits("1/1"), Habits("1/2")
    drawn = [one.has(0.3) for _ in range(5000)]
    assert drawn == [same.has(0.3) for _ in range(5000)]
    assert drawn != [other.has(0.3) for _ in range(5000)]
    assert sum(drawn) / 5000 == pytest.approx(0.3, abs=0.03)
    assert not any(one.has(0) for _ in range(100))
    assert all(one.has(1) for _ in range(100))


@pytest.mark.parametrize(("streaming", "said"), [(False, ["POLY_AGENT_MESSAGE"]), (True, STREAM)])
def test_a_follow_up_comes_after_its_delay_under_an_id_of_its_own(
    streaming: bool, said: list[str]
) -> None:
    world = World(*FOLLOWED)
    session, ear = world.greeted(streaming=streaming)  # and its greeting is followed up
    world.clock.advance(30)
    before = len(ear.events)
    session.hear(ear, says("Where is my parcel?"))
    world.clock.advance(3 + (2 if streaming else 0) + 3.9)
    answer = ear.types[before:]
    world.clock.advance(0.2)
    assert ear.types[before:] == [*answer, said[0]]
    world.clock.advance(60)
    assert ear.types[before:] == [*answer, *said]
    names = Counter(e["payload"]["message_id"] for e in ear.events[before + 2 :])
    assert sorted(names.values()) == [len(said)] * 2


def test_the_greeting_can_be_followed_up_too() -> None:
    world = World(*FOLLOWED)
    _, ear = world.greeted()
    assert ear.types[-3:] == [*ANSWER, "POLY_AGENT_MESSAGE"]


def test_a_user_who_speaks_first_hears_no_follow_up() -> None:
    world = World(*FOLLOWED)
    session, ear = world.greeted()
    before = len(ear.events)
    session.hear(ear, says("one"))
    world.clock.advance(6.9)
    session.hear(ear, says("two"))
    world.clock.advance(6.9)
    assert ear.types[before:] == ["USER_MESSAGE", *ANSWER] * 2


def test_a_follow_up_that_is_begun_is_said_to_its_end_before_the_next_answer() -> None:
    world = World(*FOLLOWED)
    session, ear = world.greeted(streaming=True)
    world.clock.advance(30)
    before = len(ear.events)
    session.hear(ear, says("one"))
    world.clock.advance(3 + 2 + 4.5)
    session.hear(ear, says("two"))
    world.clock.advance(6)
    types = ear.types[before:]
    assert types[:8] == ["USER_MESSAGE", "POLY_AGENT_THINKING", *STREAM, *STREAM[:1], *types[6:8]]
    assert types[6:11] == ["USER_MESSAGE", *STREAM[1:], "POLY_AGENT_THINKING", STREAM[0]]


def test_a_nudge_comes_once_in_a_silence(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World("agent.nudge=20s", truth=path)
    session, ear = world.greeted()
    before = len(ear.events)
    world.clock.advance(100)
    assert ear.types[before:] == ["POLY_AGENT_MESSAGE"]
    session.hear(ear, says("still here"))
    world.clock.advance(22.9)
    assert ear.types[before + 1 :] == ["USER_MESSAGE", *ANSWER]
    world.clock.advance(100)
    assert ear.types[before + 4 :] == ["POLY_AGENT_MESSAGE"]
    nudges = records(world, path, "nudge")
    assert [n["outcome"] for n in nudges] == ["said", "said"]
    assert [[e["type"] for e in n["events"]] for n in nudges] == [["POLY_AGENT_MESSAGE"]] * 2


def test_an_agent_that_is_gone_adds_nothing() -> None:
    world = World("faults.conversation_not_found=1", "agent.nudge=20s")
    session, ear = world.greeted()
    session.hear(ear, says("hello"))
    world.clock.advance(100)
    assert ear.types[-2:] == ["USER_MESSAGE", "SYSTEM_MESSAGE"]


def test_a_session_that_ends_leaves_nothing_to_be_added() -> None:
    world = World(*FOLLOWED, "agent.nudge=20s")
    session, ear = world.greeted()
    session.hear(ear, says("end the convo"))
    world.clock.advance(100)
    assert ear.types[-2:] == ["POLY_AGENT_MESSAGE", "SESSION_END"]
    assert world.clock.pending == 0


def test_a_broken_stream_never_completes_and_is_told_of_with_the_message_s_metadata(
    tmp_path: Path,
) -> None:
    path = tmp_path / "truth.jsonl"
    world = World("stream_error=1", truth=path)
    session, ear = world.greeted(streaming=True)
    before = len(ear.events)
    session.hear(ear, says("one", local_id="1"))
    session.hear(ear, says("two", local_id="2"))
    world.clock.advance(60)
    kinds = Counter(ear.types[before:])
    assert kinds["SYSTEM_MESSAGE"] == 2
    assert 2 <= kinds["POLY_AGENT_MESSAGE_CHUNK"] < 6
    told = [e for e in ear.events if e["type"] == "EVENT_TYPE_SYSTEM_MESSAGE"]
    assert {e["payload"]["message"] for e in told} == {BROKEN_OFF}
    assert [e["metadata"]["custom"]["local_id"] for e in told] == ["1", "2"]
    chunks = [e["payload"] for e in ear.events[before:] if "chunk_index" in e["payload"]]
    assert not any(chunk["is_complete"] for chunk in chunks)
    assert [t["outcome"] for t in records(world, path, "turn")] == ["broken_off"] * 2


def test_no_farewell_breaks_off_and_nothing_does_that_is_not_streamed() -> None:
    world = World("stream_error=1")
    session, ear = world.greeted(streaming=True)
    session.hear(ear, says("end the convo"))
    world.clock.advance(60)
    assert ear.types[-4:] == [*STREAM, "SESSION_END"]
    session, ear = world.greeted()
    session.hear(ear, says("hello"))
    world.clock.advance(60)
    assert ear.types[-2:] == ANSWER


@pytest.mark.parametrize("wait", [0, 5])
def test_a_join_that_cannot_be_met_is_told_so_after_the_wait(wait: int) -> None:
    world = World("agent.slots=1", "agent.queue_limit=0", f"agent.start_wait={wait}s")
    busy, refused = world.session(), world.session()
    first, ear = world.connect(busy), world.connect(refused)
    busy.hear(first, JOIN)
    refused.hear(ear, JOIN)
    if wait:
        world.clock.advance(wait - 0.1)
        assert ear.types[1:] == ["REQUEST_POLY_AGENT_JOIN"]
        world.clock.advance(0.1)
    assert ear.types[1:] == ["REQUEST_POLY_AGENT_JOIN", "SYSTEM_MESSAGE"]
    assert ear.events[-1]["payload"]["message"] == UNABLE_TO_START
    world.clock.advance(60)
    refused.hear(ear, JOIN)
    world.clock.advance(60)
    assert ear.types[-2:] == ANSWER


def test_stripped_chunks_make_the_same_words_when_they_are_joined_with_spaces() -> None:
    texts = []
    for spaces in ("kept", "stripped"):
        world = World(f"agent.chunk_spaces={spaces}")
        session, ear = world.greeted(streaming=True)
        session.hear(ear, says("Where is my parcel?"))
        world.clock.advance(60)
        texts.append([e["payload"]["text"] for e in ear.events[-3:]])
    kept, stripped = texts
    assert "".join(kept) == " ".join(stripped)
    assert all(text == text.strip() for text in stripped)
    assert any(text != text.strip() for text in kept)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("streaming", [False, True])
def test_an_end_may_be_a_close_alone(tmp_path: Path, seed: int, streaming: bool) -> None:
    path = tmp_path / "truth.jsonl"
    world = World("end_without_event=1", "survey=1", f"seed={seed}", truth=path)
    session, ear = world.greeted(streaming=streaming)
    session.hear(ear, says("end the convo"))
    world.clock.advance(60)
    assert ear.closed == 1000
    assert ("SESSION_END" in ear.types) is streaming  # a stream has no mark that it was the last
    (end,) = records(world, path, "session_end")
    assert (end["sequence"] is None) is not streaming
    assert end["reason"] == "REASON_NATURAL_END"
    assert end["sockets"] == 1


def test_what_ends_with_a_live_agent_may_end_in_a_close_alone_in_a_stream_too() -> None:
    world = World(*LIVE, "end_without_event=1")
    _, ear, _ = asked(world, streaming=True)
    world.clock.advance(60)
    assert (ear.types[-1], ear.closed) == ("LIVE_AGENT_LEFT", 1000)


def test_an_end_that_nobody_hears_is_journaled() -> None:
    world = World("end_without_event=1", "ended_session_linger_seconds=60")
    session, ear = world.greeted()
    session.hear(ear, says("end the convo"))
    session.detach(ear)
    world.clock.advance(30)
    back = world.connect(session)
    assert (back.types[-1], back.closed) == ("SESSION_END", 1000)


def test_a_survey_comes_right_before_the_end_or_right_after_it_and_may_be_answered(
    tmp_path: Path,
) -> None:
    asked, answered = ["SHOW_CSAT_REQUEST"], ["SHOW_CSAT_REQUEST", "CSAT_RESPONSE"]
    ways = set()
    for seed in range(30):
        path = tmp_path / f"{seed}.jsonl"
        world = World("survey=1", f"seed={seed}", truth=path)
        session, ear = world.greeted()
        before = len(ear.events)
        session.hear(ear, says("end the convo"))
        world.clock.advance(60)
        last = ear.types[before + len(["USER_MESSAGE", *ANSWER]) :]
        survey = [name for name in last if name != "SESSION_END"]
        assert (survey in (asked, answered), ear.closed) == (True, 1000)
        assert last in (["SESSION_END", *survey], [*survey, "SESSION_END"])
        ways.add((len(survey), last[-1] == "SESSION_END"))
        assert [end["surveys"] for end in records(world, path, "session_end")] == [len(survey)]
    assert ways == {(1, True), (1, False), (2, True), (2, False)}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fields", [0, 0.5, 1])
def test_a_reply_may_be_a_number_to_call_and_nothing_else(streaming: bool, fields: float) -> None:
    """Chunks have no such field, so it is a whole message, and no fault of an answer befalls it."""
    world = World(
        "agent.call_action_rate=1",
        f"optional_fields={fields}",
        "faults.wrong_chunk_index=1",
        "faults.unasked_streaming=1",
    )
    session, ear = world.greeted(streaming=streaming)
    session.hear(ear, says("Where is my parcel?"))
    world.clock.advance(60)
    assert ear.types[-3:] == ["USER_MESSAGE", *ANSWER]
    said = ear.last("POLY_AGENT_MESSAGE")["payload"]
    assert (said["text"], said["attachments"], said["response_suggestions"]) == ("", [], [])
    (call,) = said["chat_call_actions"]
    assert call["contact_number"]


@pytest.mark.parametrize("streaming", [False, True])
def test_every_message_can_have_its_two_receipts(streaming: bool) -> None:
    world = World("receipts=1", "handoff.wait=1s", "handoff.live_response=1s")
    session, ear = world.greeted(streaming=streaming)
    for text in ("hello", "agent please", "are you there?"):
        session.hear(ear, says(text))
        world.clock.advance(10)
    seen = Counter(e["type"] for e in ear.events if e["type"] in RECEIPTS)
    assert set(seen) == set(RECEIPTS)
    messages = {e["payload"]["message_id"] for e in ear.events if "message_id" in e["payload"]}
    assert sum(seen.values()) == 2 * len(messages)
    assert all(e["sequence"] is None for e in ear.events if e["type"] in RECEIPTS)


def asked(world: World, *, streaming: bool = False) -> tuple[Any, Ear, int]:
    """A session with a live agent who has answered the last message that they will."""
    session, ear = world.greeted(streaming=streaming)
    session.hear(ear, says("agent please", local_id="asked"))
    world.clock.advance(5)
    before = len(ear.events)
    session.hear(ear, says("hello"))
    session.hear(ear, says("still waiting"))
    world.clock.advance(1)
    return session, ear, before


LIVE = ("handoff.wait=4s", "handoff.live_response=1s", "handoff.live_turns={min=1,max=1}")
TYPED = ["LIVE_AGENT_TYPING", "LIVE_AGENT_MESSAGE", "LIVE_AGENT_TYPING"]


@pytest.mark.parametrize("seed", range(4))
def test_a_live_agent_may_hand_back_to_the_bot(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*LIVE, "handoff.after=bot", f"seed={seed}", truth=path)
    session, ear, before = asked(world)
    assert ear.types[before:][-1] == "LIVE_AGENT_LEFT"
    before = len(ear.events)
    world.clock.advance(60)
    greeting = [["POLY_AGENT_MESSAGE"], []]
    assert ear.types[before:] in [["POLY_AGENT_JOINED", *each, *ANSWER] for each in greeting]
    assert session.ended is None
    before = len(ear.events)
    session.hear(ear, says("hello again"))
    world.clock.advance(60)
    assert ear.types[before:] == ["USER_MESSAGE", *ANSWER]
    session.hear(ear, says("agent please"))
    world.clock.advance(60)
    assert "LIVE_AGENT_JOINED" in ear.types[before:]
    (first, *_) = records(world, path, "handoff")
    assert first["outcome"] == "handed_back"
    assert [turn["answered"] is None for turn in first["live_turns"]] == [False, True]


def test_a_live_agent_may_hand_over_to_another_and_then_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*LIVE, "handoff.after=transfer", truth=path)
    session, ear, before = asked(world)
    assert ear.types[before:][-1] == "LIVE_AGENT_LEFT"
    before = len(ear.events)
    session.hear(ear, says("anybody?"))
    world.clock.advance(4)
    assert ear.types[before:] == ["USER_MESSAGE", "LIVE_AGENT_JOINED", "LIVE_AGENT_TYPING"]
    joined = [e for e in ear.events if e["type"] == "EVENT_TYPE_LIVE_AGENT_JOINED"]
    first, second = (event["payload"]["agent"]["id"] for event in joined)
    assert first != second
    world.clock.advance(60)
    assert ear.types[before + 2 :] == [*TYPED, "LIVE_AGENT_LEFT", "SESSION_END"]
    assert (ear.closed, world.clock.pending) == (1000, 0)
    (handoff,) = records(world, path, "handoff")
    assert handoff["outcome"] == "left"


def test_all_habits_are_off_unless_they_are_turned_on() -> None:
    world = World()
    session, ear = world.greeted(streaming=True)
    for text in ("hello", "agent please", "there?", "there?", "there?", "there?"):
        session.hear(ear, says(text))
        world.clock.advance(200)
    assert plain(ear.types) == ear.types
    assert "SHOW_CSAT_REQUEST" not in ear.types
    assert ear.types.count("POLY_AGENT_JOINED") == ear.types.count("LIVE_AGENT_JOINED") == 1
    assert "SYSTEM_MESSAGE" not in ear.types
