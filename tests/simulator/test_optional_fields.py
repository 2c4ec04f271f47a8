"""Fields that may be there and need not: what clients must take, some of the time."""

from collections import defaultdict
from typing import Any

import pytest

from loadkit.protocol.types import EventType
from loadkit.simulator.session.habits import Habits, vary

from .doubles import Ear, World, says

WORDY = (
    "handoff.wait=10s",
    "handoff.live_response=1s",
    "handoff.live_turns={min=1,max=1}",
    "agent.suggestion_rate=1",
)


def whole_life(*settings: str) -> Ear:
    """All that a session with a hand-off hears."""
    world = World(*WORDY, *settings)
    session, ear = world.greeted()
    for text in ("hello", "agent please", "are you there?"):
        session.hear(ear, says(text))
        world.clock.advance(20)
    return ear


def shapes(rate: float) -> dict[str, set[tuple[str, ...]]]:
    """The keys of payloads, by type of event, over some sessions."""
    found = defaultdict(set)
    for seed in range(30):
        ear = whole_life(f"optional_fields={rate}", f"seed={seed}")
        for name, event in zip(ear.types, ear.events, strict=True):
            found[name].add(tuple(sorted(event["payload"])))
    return found


def test_each_optional_field_is_on_some_events_and_not_on_others() -> None:
    usual, some = shapes(0), shapes(0.3)
    assert all(len(shape) == 1 for shape in usual.values())
    varied = {name for name, shape in some.items() if len(shape) > 1}
    assert varied == {
        "SESSION_START",
        "POLY_AGENT_MESSAGE",
        "POLY_AGENT_LEFT",
        "HANDOFF_ACCEPTED",
        "HANDOFF_QUEUE_STATUS",
        "LIVE_AGENT_JOINED",
        "LIVE_AGENT_TYPING",
        "LIVE_AGENT_MESSAGE",
        "LIVE_AGENT_LEFT",
    }
    keys = {name: {key for shape in shapes for key in shape} for name, shapes in some.items()}
    assert keys["SESSION_START"] == {"capabilities", "context_id"}
    assert keys["POLY_AGENT_MESSAGE"] >= {"avatar_url", "agent_name", "chat_call_actions"}
    assert keys["HANDOFF_QUEUE_STATUS"] >= {"position", "position_in_queue"}
    assert keys["LIVE_AGENT_JOINED"] == {"agent", "agent_id", "agent_name", "avatar_url"}
    assert keys["LIVE_AGENT_LEFT"] == {"agent_id", "agent_name", "reason"}


def test_a_suggestion_may_have_a_payload() -> None:
    offers = [
        offer
        for seed in range(10)
        for event in whole_life("optional_fields=0.5", f"seed={seed}").events
        for offer in event["payload"].get("response_suggestions", ())
    ]
    assert {"payload" in offer for offer in offers} == {True, False}
    assert all(offer["message_text"] for offer in offers)


@pytest.mark.parametrize("kind", [EventType.POLY_AGENT_JOINED, EventType.USER_MESSAGE])
def test_what_has_no_optional_field_is_left_as_it_is(kind: EventType) -> None:
    payload: dict[str, Any] = {"agent_name": "Poly"}
    assert vary(kind, payload, Habits("1"), 1.0) is payload


def test_the_same_seed_gives_the_same_fields() -> None:
    def fields() -> list[dict[str, Any]]:
        events = whole_life("optional_fields=0.5").events
        return [sorted(event["payload"]) for event in events]

    assert fields() == fields()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_greeting_has_three_suggestions_and_an_image(streaming: bool) -> None:
    world = World("agent.rich_greeting=true")
    _, ear = world.greeted(streaming=streaming)
    greeting = ear.events[-1]["payload"]
    assert len(greeting["response_suggestions"]) == 3
    (attachment,) = greeting["attachments"]
    assert attachment["content_type"] == "ATTACHMENT_CONTENT_TYPE_IMAGE"


@pytest.mark.parametrize("route", ["", "sales"])
def test_the_route_of_a_hand_off_to_the_client_is_the_dial_s(route: str) -> None:
    world = World("handoff.mode=client", f"handoff.route={route}")
    session, ear = world.greeted()
    session.hear(ear, says("agent please"))
    world.clock.advance(5)
    required = ear.last("CLIENT_HANDOFF_REQUIRED")["payload"]
    assert required.get("route", "") == route
    assert set(required) >= {"reason", "queue_name"}
