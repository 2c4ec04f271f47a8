"""What the server says that it cannot do: every text where it belongs, and nothing besides."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from loadkit.protocol.system_texts import Family, family
from loadkit.simulator.faults.error_texts import FINAL, JOIN_AGAIN, TEXTS, About

from .doubles import JOIN, Ear, World, says

# From the document of the protocol, not from the table that is tried.
DOCUMENTED = {
    "Sorry, I'm having trouble responding right now. Please try again.",
    "Sorry, I encountered an error. Please try again.",
    "Error: Session not found",
    "Error: Unable to retrieve session",
    "Error: Connector not found",
    "Error: Conversation ID not found in session",
    "Sorry, we could not connect you to an agent. Please try again.",
    "Failed to forward message to live agent",
    "Sorry, handoff could not be initiated.",
}
ALWAYS = ("errors.rate=1", "handoff.wait=4s", "handoff.live_response=1s")
TO_AGENT = [name for name, error in TEXTS.items() if error.about is About.MESSAGE]


def only(name: str) -> str:
    return f'errors.texts=["{name}"]'


def told(ear: Ear) -> list[str]:
    system = "EVENT_TYPE_SYSTEM_MESSAGE"
    return [e["payload"]["message"] for e in ear.events if e["type"] == system]


def records(world: World, path: Path, kind: str) -> list[dict[str, Any]]:
    world.truth.close()
    lines = map(orjson.loads, path.read_bytes().splitlines())
    return [record for record in lines if record["kind"] == kind]


def test_every_documented_text_is_there_and_has_a_family() -> None:
    assert {error.text for error in TEXTS.values()} == DOCUMENTED
    assert Family.OTHER not in {family(error.text) for error in TEXTS.values()}


@pytest.mark.parametrize("name", TO_AGENT)
def test_a_message_is_echoed_and_answered_by_the_text_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*ALWAYS, only(name), "agent.nudge=20s", truth=path)
    session, ear = world.greeted()
    before = len(ear.events)
    session.hear(ear, says("hello", local_id="1"))
    world.clock.advance(15)
    assert ear.types[before:] == ["USER_MESSAGE", "SYSTEM_MESSAGE"]
    assert told(ear) == [TEXTS[name].text]
    assert ear.events[-1]["metadata"]["custom"]["local_id"] == "1"
    assert ear.events[-1]["sequence"] is None
    (turn,) = records(world, path, "turn")
    assert (turn["outcome"], turn["events"][-1]["text"]) == ("refused", TEXTS[name].text)


def test_without_its_conversation_s_id_the_agent_is_gone_until_the_next_join() -> None:
    (name,) = JOIN_AGAIN
    world = World(*ALWAYS, only(name))
    session, ear = world.greeted()
    session.hear(ear, says("hello"))
    session.hear(ear, says("hello?"))
    assert told(ear) == [TEXTS[name].text, "Error: Conversation not found"]
    session.hear(ear, JOIN)
    world.clock.advance(10)
    assert ear.types.count("POLY_AGENT_JOINED") == 2


@pytest.mark.parametrize("name", [*sorted(FINAL), "trouble_responding"])
def test_what_is_wrong_with_the_session_may_end_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*ALWAYS, only(name), "errors.ends=1", truth=path)
    session, ear = world.greeted()
    session.hear(ear, says("hello"))
    ends = records(world, path, "session_end")
    assert (session.ended is not None) is (name in FINAL) is bool(ends)
    if name in FINAL:
        assert ear.types[-2:] == ["SYSTEM_MESSAGE", "SESSION_END"]
        assert (ear.closed, world.clock.pending) == (1000, 0)
        assert [end["reason"] for end in ends] == ["REASON_NATURAL_END"]


def test_a_hand_off_that_is_not_initiated_leaves_the_agent_there() -> None:
    world = World(*ALWAYS, only("handoff_not_initiated"))
    session, ear = world.greeted()
    before = len(ear.events)
    session.hear(ear, says("agent please"))
    assert ear.types[before:] == ["USER_MESSAGE", "SYSTEM_MESSAGE"]
    session.hear(ear, says("hello"))
    world.clock.advance(60)
    answer = ["USER_MESSAGE", "POLY_AGENT_THINKING", "POLY_AGENT_MESSAGE"]
    assert ear.types[before + 2 :] == answer


@pytest.mark.parametrize(("mode", "texts"), [("fail", 1), ("timeout", 0), ("server", 0)])
def test_a_hand_off_that_fails_is_told_in_words_first(
    mode: str, texts: int, tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*ALWAYS, only("not_connected"), f"handoff.mode={mode}", truth=path)
    session, ear = world.greeted()
    session.hear(ear, says("agent please", local_id="asked"))
    world.clock.advance(20)
    handoffs = records(world, path, "handoff")
    assert told(ear) == [TEXTS["not_connected"].text] * texts
    if texts:
        assert ear.types[-2:] == ["SYSTEM_MESSAGE", "HANDOFF_FAILED"]
        assert ear.last("SYSTEM_MESSAGE")["metadata"]["custom"]["local_id"] == "asked"
        assert [event.get("text") for event in handoffs[0]["events"][-2:]] == [*told(ear), None]


def test_a_message_that_does_not_reach_a_live_agent_is_told_and_never_answered(
    tmp_path: Path,
) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(*ALWAYS, only("not_forwarded"), "handoff.live_idle=50s", truth=path)
    session, ear = world.greeted()
    session.hear(ear, says("agent please"))
    session.hear(ear, says("anybody?"))  # in the queue nobody is there whom it could not reach
    world.clock.advance(10)
    before = len(ear.events)
    session.hear(ear, says("hello", local_id="1"))
    world.clock.advance(10)
    assert ear.types[before:] == ["USER_MESSAGE", "SYSTEM_MESSAGE"]
    world.clock.advance(60)
    assert ear.types[-2:] == ["LIVE_AGENT_LEFT", "SESSION_END"]
    turns = records(world, path, "live_turn")
    assert [turn["outcome"] for turn in turns] == ["unheard", "refused"]


def test_errors_come_at_their_rate_and_each_of_those_that_belong() -> None:
    world = World("errors.rate=0.5", 'errors.texts=["trouble_responding", "session_not_found"]')
    session, ear = world.greeted()
    for _ in range(400):
        session.hear(ear, says("hello"))
    texts = told(ear)
    assert len(texts) == pytest.approx(200, abs=50)
    for name in ("trouble_responding", "session_not_found"):
        assert texts.count(TEXTS[name].text) == pytest.approx(100, abs=40)
