"""From the agent to a person: each mode, the queue, the live talk, and its end."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from loadkit.simulator.session.events import EndReason
from loadkit.simulator.session.session import ServerSession

from .doubles import END, JOIN, Ear, World, says

CALM = (
    "handoff.wait=10s",
    "handoff.queue_interval=3s",
    "handoff.live_response=2s",
    "handoff.live_turns={min=2,max=2}",
    "handoff.live_idle=30s",
)
ASKED = ["USER_MESSAGE", "POLY_AGENT_TRIGGERED_HANDOFF"]
ACCEPTED = [*ASKED, "POLY_AGENT_LEFT", "HANDOFF_ACCEPTED", "HANDOFF_QUEUE_STATUS"]


def asked(world: World, *, streaming: bool = False) -> tuple[ServerSession, Ear, int]:
    """A greeted session that has asked for a person, and where that is among its events."""
    session, ear = world.greeted(streaming=streaming)
    before = len(ear.events)
    session.hear(ear, says("An AGENT please!", local_id="asked"))
    world.clock.advance(0.5)
    return session, ear, before


def records(world: World, path: Path, kind: str) -> list[dict[str, Any]]:
    world.truth.close()
    lines = (orjson.loads(line) for line in path.read_bytes().splitlines())
    return [record for record in lines if record["kind"] == kind]


def places(ear: Ear) -> list[int]:
    return [
        event["payload"]["position_in_queue"]
        for event in ear.events
        if event["type"] == "EVENT_TYPE_HANDOFF_QUEUE_STATUS"
    ]


def test_the_agent_leaves_and_the_queue_is_entered_at_once() -> None:
    world = World(*CALM)
    _, ear, before = asked(world)
    assert ear.types[before:] == ACCEPTED
    assert ear.last("HANDOFF_ACCEPTED")["payload"] == {"queue_name": "support"}
    status = ear.events[-1]
    assert status["sequence"] is None
    assert set(status["payload"]) == {
        "queue_name",
        "position_in_queue",
        "estimated_wait_seconds",
        "display_message",
    }
    assert status["payload"]["estimated_wait_seconds"] == 10


def test_a_queue_without_a_name_names_none() -> None:
    world = World(*CALM, "handoff.queue_name=")
    _, ear, _ = asked(world)
    assert ear.last("HANDOFF_ACCEPTED")["payload"] == {}
    assert "queue_name" not in ear.events[-1]["payload"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wait", ["0s", "1s", "10s", "37s"])
def test_the_place_in_the_queue_never_rises_and_falls_to_1(seed: int, wait: str) -> None:
    world = World(*CALM, f"handoff.wait={wait}", f"seed={seed}")
    _, ear, _ = asked(world)
    world.clock.advance(float(wait[:-1]))
    assert ear.types[-1] == "LIVE_AGENT_JOINED"
    told = places(ear)
    assert told == sorted(told, reverse=True)
    assert told[-1] == 1


def test_a_live_agent_joins_after_the_wait_and_answers_one_message_at_a_time() -> None:
    world = World(*CALM)
    session, ear, _ = asked(world)
    world.clock.advance(9.9)
    assert ear.types[-1] == "HANDOFF_QUEUE_STATUS"
    world.clock.advance(0.1)
    joined = ear.events[-1]
    assert joined["type"] == "EVENT_TYPE_LIVE_AGENT_JOINED"
    assert set(joined["payload"]["agent"]) == {"id", "name", "avatar_url"}
    before = len(ear.events)
    session.hear(ear, says("first", local_id="1"))
    session.hear(ear, says("second", local_id="2"))
    world.clock.advance(1.9)
    assert ear.types[before:] == ["USER_MESSAGE", "LIVE_AGENT_TYPING", "USER_MESSAGE"]
    world.clock.advance(0.1)
    turn = ["LIVE_AGENT_MESSAGE", "LIVE_AGENT_TYPING"]
    assert ear.types[before + 3 :] == [*turn, "LIVE_AGENT_TYPING"]
    message = ear.last("LIVE_AGENT_MESSAGE")["payload"]
    assert message["agent_id"] == joined["payload"]["agent"]["id"]
    assert message["text"]
    world.clock.advance(2)
    assert ear.types[before + 6 :] == [*turn, "LIVE_AGENT_LEFT", "SESSION_END"]
    states = [e["payload"]["state"] for e in ear.events if e["type"].endswith("LIVE_AGENT_TYPING")]
    assert states == ["TYPING_STATE_STARTED", "TYPING_STATE_STOPPED"] * 2
    assert ear.events[-1]["payload"] == {"reason": EndReason.NATURAL_END}
    assert (ear.closed, world.clock.pending) == (1000, 0)


def test_a_live_agent_leaves_a_user_who_says_nothing() -> None:
    world = World(*CALM)
    session, ear, _ = asked(world)
    world.clock.advance(10)
    world.clock.advance(29)
    session.hear(ear, says("sorry, I was away"))
    world.clock.advance(2 + 29)
    assert session.ended is None
    world.clock.advance(1)
    assert ear.types[-2:] == ["LIVE_AGENT_LEFT", "SESSION_END"]


def test_messages_in_the_queue_are_echoed_and_answered_by_nobody() -> None:
    world = World(*CALM)
    session, ear, _ = asked(world)
    session.hear(ear, says("hello?"))
    assert ear.types[-1] == "USER_MESSAGE"
    world.clock.advance(10 + 29)
    assert "LIVE_AGENT_MESSAGE" not in ear.types


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("mode", ["server", "client"])
def test_the_agent_finishes_what_came_before_and_is_silent_once_it_has_left(
    mode: str, streaming: bool
) -> None:
    world = World(*CALM, f"handoff.mode={mode}")
    session, ear = world.greeted(streaming=streaming)
    for text in ("a question", "agent please", "another question", "agent please", "and one more"):
        session.hear(ear, says(text))
    world.clock.advance(100)
    left = ear.types.index("POLY_AGENT_LEFT")
    assert ear.types[:left].count("POLY_AGENT_THINKING") == 2  # the greeting and the question
    assert not any("POLY" in kind for kind in ear.types[left + 1 :])
    assert ear.types.count("POLY_AGENT_TRIGGERED_HANDOFF") == 1


def test_the_client_is_told_to_hand_over_itself_and_the_session_stays() -> None:
    world = World(*CALM, "handoff.mode=client", "handoff.route=live-chat")
    session, ear, before = asked(world)
    session.hear(ear, says("hello?"))
    world.clock.advance(500)
    expected = [*ASKED, "CLIENT_HANDOFF_REQUIRED", "POLY_AGENT_LEFT", "USER_MESSAGE"]
    assert ear.types[before:] == expected
    required = ear.last("CLIENT_HANDOFF_REQUIRED")["payload"]
    assert required == {"route": "live-chat", "reason": "AGENT_DECISION", "queue_name": "support"}
    assert session.ended is None
    session.hear(ear, END)
    assert session.ended is EndReason.USER_END


@pytest.mark.parametrize(
    ("mode", "kind"), [("fail", "HANDOFF_FAILED"), ("timeout", "HANDOFF_TIMEOUT")]
)
def test_a_hand_off_that_comes_to_nothing_keeps_the_agent(mode: str, kind: str) -> None:
    world = World(*CALM, f"handoff.mode={mode}", "handoff.queue_before_failure=false")
    session, ear, before = asked(world)
    session.hear(ear, says("agent please"))  # it is being seen to: an ordinary message
    world.clock.advance(5)
    answered = ["USER_MESSAGE", "POLY_AGENT_THINKING", "POLY_AGENT_MESSAGE"]
    assert ear.types[before:] == [*ASKED, *answered]
    world.clock.advance(5)
    assert ear.types[-1] == kind
    assert ear.events[-1]["payload"]["reason"]
    session.hear(ear, says("a question"))
    world.clock.advance(5)
    assert ear.types[-3:] == answered
    session.hear(ear, says("agent please"))
    world.clock.advance(11)
    assert ear.types.count(kind) == 2


@pytest.mark.parametrize("mode", ["fail", "timeout"])
def test_who_waits_for_nobody_is_told_of_a_queue_that_nobody_accepted(mode: str) -> None:
    world = World(*CALM, f"handoff.mode={mode}")
    _, ear, before = asked(world)
    world.clock.advance(10)
    queue = ["HANDOFF_QUEUE_STATUS"] * 4  # at once and every 3 s
    kind = {"fail": "HANDOFF_FAILED", "timeout": "HANDOFF_TIMEOUT"}[mode]
    assert ear.types[before:] == [*ASKED, *queue, kind]
    assert places(ear) == sorted(places(ear), reverse=True)


def test_the_first_hand_offs_fail_and_then_one_succeeds() -> None:
    world = World(*CALM, "handoff.fail_first=2")
    session, ear = world.greeted()
    for _ in range(3):
        session.hear(ear, says("agent please"))
        world.clock.advance(11)
    kinds = [k for k in ear.types if k.startswith(("HANDOFF_F", "LIVE"))]
    assert kinds == ["HANDOFF_FAILED", "HANDOFF_FAILED", "LIVE_AGENT_JOINED"]


def test_few_live_agents_serve_sessions_in_the_order_of_asking_and_tell_true_places() -> None:
    world = World(*CALM, "handoff.agents=1")
    guests = [asked(world) for _ in range(3)]
    ears = [ear for _, ear, _ in guests]
    assert [places(ear)[0] for ear in ears] == [1, 1, 2]
    world.clock.advance(10)
    assert [ear.types.count("LIVE_AGENT_JOINED") for ear in ears] == [1, 0, 0]
    guests[0][0].hear(ears[0], END)
    world.clock.advance(10)
    assert [ear.types.count("LIVE_AGENT_JOINED") for ear in ears] == [1, 1, 0]
    for ear in ears:
        assert places(ear) == sorted(places(ear), reverse=True)
    assert places(ears[2])[-1] == 1
    world.clock.advance(100)
    assert ears[2].types.count("LIVE_AGENT_JOINED") == 1


def test_a_session_that_goes_gives_up_its_place_in_the_queue() -> None:
    world = World(*CALM, "handoff.agents=1")
    guests = [asked(world) for _ in range(3)]
    guests[1][0].hear(guests[1][1], END)
    world.clock.advance(3)
    assert places(guests[2][1])[-1] == 1


def test_a_silent_user_in_the_queue_abandons_the_session() -> None:
    world = World(*CALM, "handoff.wait=1h", "idle_timeout_seconds=60")
    session, _, _ = asked(world)
    world.clock.advance(60)
    assert session.ended is EndReason.USER_ABANDONED
    assert world.clock.pending == 0


def test_a_request_before_any_join_is_refused_like_any_message() -> None:
    world = World(*CALM)
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, says("agent please"))
    world.clock.advance(20)
    assert ear.types[-1] == "SYSTEM_MESSAGE"


def test_a_second_join_after_the_agent_left_is_echoed_and_does_nothing() -> None:
    world = World(*CALM)
    session, ear, _ = asked(world)
    session.hear(ear, JOIN)
    world.clock.advance(9)
    assert ear.types.count("POLY_AGENT_JOINED") == 1


def test_the_truth_tells_the_whole_hand_off(tmp_path: Path) -> None:
    world = World(*CALM, truth=tmp_path / "truth")
    start = 110.0
    session, ear, _ = asked(world)
    session.hear(ear, says("in the queue"))
    world.clock.advance(10)
    for text in ("first", "second"):
        session.hear(ear, says(text, local_id=text))
        world.clock.advance(5)
    (told,) = records(world, tmp_path / "truth", "handoff")
    assert (told["mode"], told["outcome"], told["local_id"]) == ("server", "left", "asked")
    stamps = [told[key] - start for key in ("triggered", "accepted", "joined", "left")]
    assert stamps == [0.5, 0.5, 10.5, 17.5]
    times = [
        (each["received"] - start, each["answered"] and each["answered"] - start)
        for each in told["live_turns"]
    ]
    assert times == [(0.5, None), (10.5, 12.5), (15.5, 17.5)]
    kinds = [event["type"] for event in told["events"]]
    assert kinds[:3] == ["POLY_AGENT_TRIGGERED_HANDOFF", "POLY_AGENT_LEFT", "HANDOFF_ACCEPTED"]
    assert kinds[-2:] == ["LIVE_AGENT_JOINED", "LIVE_AGENT_LEFT"]
    turns = records(world, tmp_path / "truth", "live_turn")
    assert [turn["outcome"] for turn in turns] == ["unheard", "answered", "answered"]
    assert [event["type"] for event in turns[1]["events"]] == [
        "USER_MESSAGE",
        "LIVE_AGENT_TYPING",
        "LIVE_AGENT_MESSAGE",
        "LIVE_AGENT_TYPING",
    ]
    asking = records(world, tmp_path / "truth", "turn")[-1]
    assert (asking["outcome"], asking["local_id"]) == ("handoff", "asked")


@pytest.mark.parametrize(
    ("dials", "outcome"),
    [
        (("handoff.mode=client",), "client"),
        (("handoff.mode=fail",), "failed"),
        (("handoff.mode=timeout",), "timeout"),
        (("handoff.fail_first=1",), "failed"),
        (("handoff.wait=1h",), "cut_off"),
    ],
)
def test_every_end_of_a_hand_off_is_told_once(
    tmp_path: Path, dials: tuple[str, ...], outcome: str
) -> None:
    world = World(*CALM, *dials, truth=tmp_path / "truth")
    session, ear, _ = asked(world)
    world.clock.advance(20)
    session.hear(ear, END)
    (told,) = records(world, tmp_path / "truth", "handoff")
    assert (told["outcome"], told["joined"]) == (outcome, None)


def test_a_message_that_the_live_agent_did_not_get_to_is_cut_off(tmp_path: Path) -> None:
    world = World(*CALM, truth=tmp_path / "truth")
    session, ear, _ = asked(world)
    world.clock.advance(10)
    for text in ("first", "second", "third"):
        session.hear(ear, says(text))
    world.clock.advance(20)
    outcomes = [turn["outcome"] for turn in records(world, tmp_path / "truth", "live_turn")]
    assert outcomes == ["answered", "answered", "cut_off"]
