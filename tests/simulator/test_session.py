"""The conversation on the server, event by event."""

import gc
import weakref
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadkit.simulator.faults.error_texts import FULL, HIGH_LOAD, NO_CONVERSATION, UNABLE_TO_START
from loadkit.simulator.session import session as session_module
from loadkit.simulator.session.agent import LONGEST_LINE
from loadkit.simulator.session.events import MALFORMED, EndReason
from loadkit.simulator.session.session import ServerSession

from .doubles import END, HEARTBEAT, JOIN, Ear, World, client_event, says, sequences


def test_the_first_event_of_a_session_is_its_start_with_the_capabilities() -> None:
    world = World("heartbeat_interval_seconds=7", "max_reconnect_attempts=3")
    ear = world.connect(world.session(streaming=True))
    assert ear.types == ["SESSION_START"]
    assert ear.events[0]["payload"] == {
        "capabilities": {
            "streaming": True,
            "max_message_size_bytes": 131072,
            "max_reconnect_attempts": 3,
            "heartbeat_interval_seconds": 7,
        }
    }


def test_capabilities_can_be_left_out() -> None:
    world = World('capabilities_left_out=["streaming","heartbeat_interval_seconds"]')
    ear = world.connect(world.session())
    told = ear.events[0]["payload"]["capabilities"]
    assert set(told) == {"max_message_size_bytes", "max_reconnect_attempts"}


def test_a_join_is_echoed_then_the_agent_joins_thinks_and_greets() -> None:
    world = World()
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, client_event("REQUEST_POLY_AGENT_JOIN", local_id="j"))
    assert ear.types == ["SESSION_START", "REQUEST_POLY_AGENT_JOIN"]
    assert ear.events[-1]["metadata"] == {"custom": {"local_id": "j"}}
    world.clock.advance(1)
    assert ear.types[2:] == ["POLY_AGENT_JOINED"]
    assert set(ear.events[-1]["payload"]) == {"agent_name", "agent_avatar_url"}
    world.clock.advance(0.5)
    assert ear.types[3:] == ["POLY_AGENT_THINKING"]
    world.clock.advance(1.5)
    assert ear.types[4:] == ["POLY_AGENT_MESSAGE"]


def test_a_second_join_has_an_echo_and_no_second_greeting() -> None:
    world = World()
    session, ear = world.greeted()
    session.hear(ear, JOIN)
    world.clock.advance(60)
    assert ear.types.count("REQUEST_POLY_AGENT_JOIN") == 2
    assert ear.types.count("POLY_AGENT_JOINED") == ear.types.count("POLY_AGENT_MESSAGE") == 1


def test_a_message_is_echoed_at_once_with_its_metadata_and_a_message_id() -> None:
    world = World()
    session, ear = world.greeted()
    session.hear(ear, says("Hello", local_id="mine", other="kept"))
    echo = ear.events[-1]
    assert echo["type"] == "EVENT_TYPE_USER_MESSAGE"
    assert echo["payload"]["text"] == "Hello"
    assert echo["payload"]["message_id"].startswith("msg_")
    assert echo["metadata"] == {"custom": {"local_id": "mine", "other": "kept"}}


def test_a_message_is_answered_whole_when_the_session_does_not_stream() -> None:
    world = World()
    session, ear = world.greeted()
    session.hear(ear, says("Where is my parcel?"))
    world.clock.advance(3)
    assert ear.types[-3:] == ["USER_MESSAGE", "POLY_AGENT_THINKING", "POLY_AGENT_MESSAGE"]
    payload = ear.events[-1]["payload"]
    assert payload["text"]
    assert (payload["attachments"], payload["response_suggestions"]) == ([], [])
    assert payload["message_id"].startswith("msg_")


@pytest.mark.parametrize("empty", [False, True])
def test_a_message_is_answered_in_chunks_when_the_session_streams(empty: bool) -> None:
    world = World(f"agent.empty_last_chunk={str(empty).lower()}")
    session, ear = world.greeted(streaming=True)
    before = len(ear.events)
    session.hear(ear, says("Where is my parcel?"))
    world.clock.advance(10)
    assert "POLY_AGENT_MESSAGE" not in ear.types
    chunks = [event["payload"] for event in ear.events[before + 2 :]]
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(1, 5 if empty else 4))
    assert [chunk["is_complete"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert len({chunk["message_id"] for chunk in chunks}) == 1
    assert (chunks[-1]["text"] == "") is empty


def test_messages_are_answered_one_after_the_other_in_their_order() -> None:
    world = World()
    session, ear = world.greeted(streaming=True)
    before = len(ear.events)
    session.hear(ear, says("first"))
    session.hear(ear, says("second"))
    world.clock.advance(20)
    turn = ["POLY_AGENT_THINKING"] + ["POLY_AGENT_MESSAGE_CHUNK"] * 3
    assert ear.types[before:] == ["USER_MESSAGE"] * 2 + turn * 2


def test_a_message_during_the_greeting_waits_for_its_end() -> None:
    world = World()
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, JOIN)
    session.hear(ear, says("impatient"))
    world.clock.advance(20)
    assert (
        ear.types[3:] == ["POLY_AGENT_JOINED"] + ["POLY_AGENT_THINKING", "POLY_AGENT_MESSAGE"] * 2
    )


def test_a_message_before_any_join_is_echoed_and_told_to_join() -> None:
    world = World()
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, says("anyone?", local_id="x"))
    world.clock.advance(20)
    assert ear.types[1:] == ["USER_MESSAGE", "SYSTEM_MESSAGE"]
    assert ear.events[-1]["payload"]["message"] == NO_CONVERSATION
    assert ear.events[-1]["metadata"] == {"custom": {"local_id": "x"}}


def test_typing_is_not_echoed() -> None:
    world = World()
    session, ear = world.greeted()
    before = len(ear.frames)
    session.hear(ear, client_event("USER_TYPING", {"state": "TYPING_STATE_STARTED"}))
    session.hear(ear, client_event("USER_TYPING", {"state": "TYPING_STATE_STOPPED"}))
    assert len(ear.frames) == before


def test_a_heartbeat_is_echoed_to_its_own_socket_and_leaves_no_trace() -> None:
    world = World()
    session = world.session()
    ear, other = world.connect(session), world.connect(session)
    session.hear(ear, HEARTBEAT)
    assert ear.types == ["SESSION_START", "HEARTBEAT"]
    assert ear.events[-1]["sequence"] is None
    assert other.types == world.connect(session).types == ["SESSION_START"]


def test_what_cannot_be_understood_is_answered_to_its_own_socket_alone() -> None:
    world = World()
    session = world.session()
    ear, other = world.connect(session), world.connect(session)
    session.hear(ear, b"nonsense")
    session.hear(ear, client_event("SESSION_END", local_id="x"))
    first, second = ear.events[-2:]
    assert first["payload"] == {"level": "SYSTEM_MESSAGE_LEVEL_ERROR", "message": MALFORMED}
    assert second["payload"]["message"] == "Event type not allowed: EVENT_TYPE_SESSION_END"
    assert second["metadata"] == {"custom": {"local_id": "x"}}
    assert ear.closed is None
    assert other.types == ["SESSION_START"]


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_any_bytes_leave_the_session_alive_and_answering(data: bytes) -> None:
    world = World()
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, data)
    assert ear.types[-1] == "SYSTEM_MESSAGE"
    session.hear(ear, HEARTBEAT)
    assert ear.types[-1] == "HEARTBEAT"
    assert ear.closed is None


def test_the_user_ends_with_an_echo_the_end_and_a_clean_close() -> None:
    world = World()
    session, ear = world.greeted()
    session.hear(ear, END)
    assert ear.types[-2:] == ["USER_END_SESSION", "SESSION_END"]
    assert ear.events[-1]["payload"] == {"reason": "REASON_USER_END"}
    assert ear.closed == 1000


@pytest.mark.parametrize("streaming", [False, True])
def test_the_words_that_end_a_conversation_are_answered_and_then_it_ends(streaming: bool) -> None:
    world = World()
    session, ear = world.greeted(streaming=streaming)
    session.hear(ear, says("OK, end the convo"))
    world.clock.advance(10)
    answer, end = ear.events[-2:]
    assert answer["payload"].get("end_conversation", False) is not streaming
    assert end["payload"] == {"reason": "REASON_NATURAL_END"}
    assert ear.closed == 1000


def test_nothing_follows_the_end() -> None:
    world = World()
    session, ear = world.greeted(streaming=True)
    session.hear(ear, says("a long question"))
    world.clock.advance(3)  # in the middle of the answer
    session.hear(ear, END)
    for data in (HEARTBEAT, says("still there?"), JOIN, b"nonsense", END):
        session.hear(ear, data)
    world.clock.advance(1000)
    assert ear.types[-1] == "SESSION_END"
    assert world.clock.pending == 0


@pytest.mark.parametrize("connected", [False, True])
def test_a_silent_client_loses_its_session_with_or_without_a_socket(connected: bool) -> None:
    world = World("idle_timeout_seconds=60")
    session = world.session()
    ear = world.connect(session) if connected else None
    world.clock.advance(59)
    assert session.ended is None
    world.clock.advance(1)
    assert session.ended is EndReason.USER_ABANDONED
    if ear is not None:
        assert ear.events[-1]["payload"] == {"reason": "REASON_USER_ABANDONED"}
        assert ear.closed == 1000


def test_any_message_of_the_client_keeps_the_session_alive() -> None:
    world = World("idle_timeout_seconds=60")
    session = world.session()
    ear = world.connect(session)
    for data in (HEARTBEAT, JOIN, client_event("USER_TYPING", {"state": "TYPING_STATE_STOPPED"})):
        world.clock.advance(50)
        session.hear(ear, data)
    world.clock.advance(59)
    assert session.ended is None


def test_a_session_outlives_its_sockets_and_goes_on_talking() -> None:
    world = World()
    session, ear = world.greeted()
    session.hear(ear, says("question"))
    session.detach(ear)
    world.clock.advance(10)
    later = world.connect(session, cursor=ear.events[-1]["sequence"])
    assert later.types == ["POLY_AGENT_MESSAGE"]


def test_every_socket_hears_every_event_in_the_order_of_the_journal() -> None:
    world = World()
    session, first = world.greeted()
    second = world.connect(session)
    session.hear(first, says("from the first"))
    session.hear(second, says("from the second"))
    world.clock.advance(20)
    lasting = [event for event in first.events if event["sequence"] is not None]
    assert [event for event in second.events if event["sequence"] is not None] == lasting
    assert sequences(lasting) == list(range(1, len(lasting) + 1))


def test_a_session_is_kept_for_as_long_from_the_end_of_its_socket_on() -> None:
    world = World("idle_timeout_seconds=60")
    session, ear = world.greeted()
    world.clock.advance(40)
    session.detach(ear)
    world.clock.advance(59)
    assert session.ended is None
    world.clock.advance(1)
    assert session.ended is EndReason.USER_ABANDONED


def test_ids_are_uuids_and_never_come_twice() -> None:
    world = World()
    _, ear = world.greeted(streaming=True)
    ids = [event["id"] for event in ear.events] + [frame["id"] for frame in ear.frames[:1]]
    assert len(set(ids)) == len(ids)
    assert all(UUID(name) for name in ids)


@given(cursor=st.integers(0, 40), size=st.integers(1, 10))
@settings(max_examples=25)
def test_a_reconnect_gets_what_it_missed_and_nothing_else(cursor: int, size: int) -> None:
    world = World(f"history.batch_size={size}")
    session, ear = world.greeted(streaming=True)
    for text in ("one", "two", "three"):
        session.hear(ear, says(text))
        world.clock.advance(20)
    lasting = [event for event in ear.events if event["sequence"] is not None]
    later = world.connect(session, cursor)
    assert later.events == lasting[cursor:]
    assert later.frames  # at least one batch, empty when nothing is new
    assert all(frame["type"] == "EVENT_TYPE_EVENT_BATCH" for frame in later.frames)


def test_with_nothing_new_there_is_no_batch_when_the_dial_says_so() -> None:
    world = World("history.empty_batch=false")
    session = world.session()
    assert world.connect(session, cursor=1).frames == []
    assert len(world.connect(session, cursor=0).frames) == 1


def test_a_batch_can_carry_payloads_under_their_own_keys() -> None:
    world = World("history.typed_payload_keys=true")
    session = world.session()
    event = world.connect(session).events[0]
    assert "payload" not in event
    assert "capabilities" in event["session_start"]


def test_an_ended_session_is_forgotten_at_once_or_after_its_dial() -> None:
    world, patient = World(), World("ended_session_linger_seconds=30")
    for each in (world, patient):
        session = each.session()
        session.hear(each.connect(session), END)
        each.session()
    assert len(world.registry) == 1
    assert len(patient.registry) == 2
    patient.clock.advance(30)
    assert len(patient.registry) == 1


def test_an_ended_session_is_freed_without_waiting_for_a_collection() -> None:
    world = World()
    session, ear = world.greeted(streaming=True)
    session.hear(ear, says("end the convo"))
    world.clock.advance(20)
    trace = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert trace() is None
    finally:
        gc.enable()


def test_a_server_that_stops_leaves_lingering_sessions_as_they_are() -> None:
    world = World("ended_session_linger_seconds=30")
    session, ear = world.greeted()
    session.hear(ear, END)
    world.registry.cut()
    assert session.ended is EndReason.USER_END


def test_a_reconnect_to_a_lingering_session_gets_its_end_and_is_closed() -> None:
    world = World("ended_session_linger_seconds=30")
    session, ear = world.greeted()
    session.hear(ear, END)
    late = world.connect(session, cursor=4)
    assert late.types[-1] == "SESSION_END"
    assert late.closed == 1000


def test_agents_with_few_slots_answer_in_the_order_of_asking() -> None:
    world = World("agent.slots=1")
    (first, ear1), (second, ear2) = world.greeted(), world.greeted()
    first.hear(ear1, says("first"))
    second.hear(ear2, says("second"))
    world.clock.advance(3)
    assert ear1.types[-1] == "POLY_AGENT_MESSAGE"
    assert ear2.types[-1] == "USER_MESSAGE"
    world.clock.advance(3)
    assert ear2.types[-1] == "POLY_AGENT_MESSAGE"


def test_a_message_over_the_queue_limit_is_told_of_high_load_and_can_be_sent_again() -> None:
    world = World("agent.slots=1", "agent.queue_limit=0")
    (first, ear1), (second, ear2) = world.greeted(), world.greeted()
    first.hear(ear1, says("first"))
    second.hear(ear2, says("second", local_id="x"))
    assert ear2.events[-1]["payload"]["message"] == HIGH_LOAD
    assert ear2.events[-1]["metadata"] == {"custom": {"local_id": "x"}}
    world.clock.advance(10)
    second.hear(ear2, says("again"))
    world.clock.advance(3)
    assert ear2.types[-1] == "POLY_AGENT_MESSAGE"


def test_a_join_over_the_queue_limit_may_be_sent_again() -> None:
    world = World("agent.slots=1", "agent.queue_limit=0")
    first, second = world.session(), world.session()
    first.hear(world.connect(first), JOIN)
    ear = world.connect(second)
    second.hear(ear, JOIN)
    assert ear.events[-1]["payload"]["message"] == UNABLE_TO_START
    world.clock.advance(10)
    second.hear(ear, JOIN)
    world.clock.advance(10)
    assert ear.types.count("POLY_AGENT_JOINED") == 1


def test_a_session_that_ends_gives_its_slot_to_the_next() -> None:
    world = World("agent.slots=1")
    (first, ear1), (second, ear2) = world.greeted(), world.greeted()
    first.hear(ear1, says("first"))
    second.hear(ear2, says("second"))
    world.clock.advance(1)
    first.hear(ear1, END)
    world.clock.advance(3)
    assert ear2.types[-1] == "POLY_AGENT_MESSAGE"


def test_the_same_seed_gives_a_session_the_same_words_whatever_the_others_do() -> None:
    def texts(busy: bool) -> list[str]:
        world = World("seed=5")
        _, ear = world.greeted()
        other = world.session()
        noise: Ear = world.connect(other)
        if busy:
            other.hear(noise, JOIN)
            world.clock.advance(10)
        session, ear = world.greeted()
        session.hear(ear, says("hm"))
        world.clock.advance(10)
        return [e["payload"]["text"] for e in ear.events if e["type"].endswith("AGENT_MESSAGE")]

    assert texts(busy=False) == texts(busy=True)


def test_messages_over_the_rate_are_dropped_as_if_they_had_never_come(tmp_path: Path) -> None:
    world = World("rate_limit.messages_per_second=2", truth=tmp_path / "truth")
    session, ear = world.greeted()
    before = len(ear.events)
    for number in range(4):
        session.hear(ear, says(f"message {number}", local_id=str(number)))
    session.hear(ear, HEARTBEAT)
    assert ear.types[before:] == ["USER_MESSAGE", "USER_MESSAGE", "HEARTBEAT"]
    world.clock.advance(1)
    session.hear(ear, says("and now"))
    assert ear.last("USER_MESSAGE")["payload"]["text"] == "and now"
    world.truth.close()
    told = [orjson.loads(line) for line in (tmp_path / "truth").read_bytes().splitlines()]
    dropped = [r for r in told if r["kind"] == "rate_limited"]
    assert [(r["call"], r["local_id"]) for r in dropped] == [("message", "2"), ("message", "3")]


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_may_end_the_conversation_of_its_own_accord(streaming: bool) -> None:
    world = World("agent.end_conversation_rate=1")
    session, ear = world.greeted(streaming=streaming)
    session.hear(ear, says("hello"))
    world.clock.advance(10)
    assert ear.types[-1] == "SESSION_END"
    assert ear.events[-2]["payload"].get("end_conversation", False) is not streaming
    assert session.ended is EndReason.NATURAL_END


def test_the_end_of_a_session_tells_how_many_events_were_journaled(tmp_path: Path) -> None:
    world = World("faults.sequence_gap=1", truth=tmp_path / "truth")
    sessions = [world.greeted(), world.greeted()]
    sessions[0][0].hear(sessions[0][1], END)
    world.registry.cut()
    world.truth.close()
    told = [orjson.loads(line) for line in (tmp_path / "truth").read_bytes().splitlines()]
    ends = [(r["kind"], r["journaled"]) for r in told if r["kind"].startswith("session_")]
    assert ends == [("session_end", 6), ("session_cut", 4)]


def test_a_session_that_ended_in_a_hand_off_is_freed_too() -> None:
    world = World("faults.duplicate_event=0.5", "handoff.agents=1")
    session, ear = world.greeted()
    session.hear(ear, says("agent please"))
    world.clock.advance(60)
    session.hear(ear, END)
    trace = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert trace() is None
    finally:
        gc.enable()


def test_a_session_with_a_history_without_end_is_told_so_and_can_still_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that never stops talking would take all memory there is."""
    monkeypatch.setattr(session_module, "MOST_JOURNALED", 100_000)
    world = World()
    session, ear = world.greeted()
    for _ in range(20):
        session.hear(ear, says("x" * 10_000))
    assert world_size(session) < 120_000
    assert ear.last("SYSTEM_MESSAGE")["payload"]["message"] == FULL
    session.hear(ear, client_event("USER_END_SESSION"))
    assert ear.types[-1] == "SESSION_END"


def world_size(session: ServerSession) -> int:
    """Of all that a new socket is told, in bytes."""
    return sum(len(frame.plain) for frame in session._channel.replay(0))


def test_messages_that_wait_to_be_answered_are_so_many_and_no_more() -> None:
    """The user is told of high load, as where the pool is full."""
    world = World("agent.first_response=1h")
    session, ear = world.greeted()
    for _ in range(LONGEST_LINE + 5):
        session.hear(ear, says("again"))
    complaints = [e for e in ear.events if e["type"] == "EVENT_TYPE_SYSTEM_MESSAGE"]
    assert [each["payload"]["message"] for each in complaints] == [HIGH_LOAD] * 4
