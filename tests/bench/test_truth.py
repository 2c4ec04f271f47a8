"""The bench's reading of a truth log: which waits count, and from when to when they last."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from bench.truth import Seen, Waits

CHUNK = "POLY_AGENT_MESSAGE_CHUNK"


def turn(received: float, *events: tuple[str, float], **more: Any) -> dict[str, Any]:
    """A turn's record; each event is a type and when it was written."""
    told = [{"type": kind, "sequence": 1, "at": at, "sockets": 1} for kind, at in events]
    record = {"kind": "turn", "local_id": "a", "received": received, "outcome": "answered"}
    return {**record, "events": told, **more}


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """Write records, return the file."""

    def write(*records: dict[str, Any]) -> Path:
        path = tmp_path / "truth.jsonl"
        path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
        return path

    return write


def test_a_turn_has_an_echo_a_first_chunk_gaps_and_a_response(log):
    """All but the gaps begin with the message's arrival."""
    path = log(
        {"kind": "session", "session_id": "s", "at": 1.0},
        turn(
            10.0,
            ("USER_MESSAGE", 10.25),
            ("POLY_AGENT_THINKING", 10.5),
            (CHUNK, 11.0),
            (CHUNK, 11.5),
            (CHUNK, 13.0),
        ),
    )
    assert Waits.since(path, 10.0).seconds == {
        "echo": [0.25],
        "first_chunk": [1.0],
        "chunk_gap": [0.5, 1.5],
        "response": [3.0],
    }


def test_what_began_in_the_warm_up_is_left_out(log):
    """A turn counts by its message, a gap by the chunk it begins with, a greeting's too."""
    path = log(
        turn(9.5, ("USER_MESSAGE", 9.5), (CHUNK, 9.75), (CHUNK, 10.5), (CHUNK, 10.75)),
        turn(9.0, (CHUNK, 10.0), (CHUNK, 12.0), kind="join", local_id=None),
    )
    assert Waits.since(path, 10.0).seconds == {
        "echo": [],
        "first_chunk": [],
        "chunk_gap": [0.25, 2.0],
        "response": [],
    }


def test_what_nobody_could_read_is_no_wait(log):
    """A session that was cut off has no response; a chunk for no socket reached nobody."""
    unread = turn(20.0, ("USER_MESSAGE", 20.5), (CHUNK, 21.0), (CHUNK, 22.0))
    unread["events"][-1]["sockets"] = 0
    path = log(turn(10.0, ("USER_MESSAGE", 10.5), (CHUNK, 11.0), outcome="cut_off"), unread)
    assert Waits.since(path, 0.0).seconds == {
        "echo": [0.5, 0.5],
        "first_chunk": [1.0, 1.0],
        "chunk_gap": [],
        "response": [],
    }


def test_turns_can_be_told_by_their_names(log):
    """Another tool's clock is not ours, so it says by a name which of its turns count."""
    path = log(
        turn(10.0, ("USER_MESSAGE", 10.5), (CHUNK, 11.0), local_id="warm-up-1"),
        turn(20.0, ("USER_MESSAGE", 20.25), (CHUNK, 22.0), local_id="measured-1"),
        turn(21.0, (CHUNK, 23.0), (CHUNK, 24.0), kind="join", local_id=None),
    )
    assert Waits.named(path, "measured").seconds == {
        "echo": [0.25],
        "first_chunk": [2.0],
        "chunk_gap": [],
        "response": [2.0],
    }


def test_what_a_tool_did_is_counted_from_its_own_sessions_on(log):
    """Typing and heartbeats are those that the server heard by the time the socket closed."""

    def story(session: str, at: float) -> list[dict[str, Any]]:
        answer = ("POLY_AGENT_MESSAGE", at + 1.0)
        said = turn(at + 2.0, ("USER_MESSAGE", at + 2.0), ("POLY_AGENT_MESSAGE", at + 3.0))
        place = {"session_id": session, "socket": int(at)}
        close = {"kind": "socket_close", "at": at + 9.0, "typing": 2, "heartbeats": 1, **place}
        return [
            {"kind": "session", "session_id": session, "at": at},
            {"kind": "socket_open", "at": at, **place},
            turn(at, answer, kind="join", local_id=None, session_id=session),
            said | {"session_id": session},
            close,
        ]

    before, mine = story("before", 1.0), story("mine", 50.0)
    path = log(*before)
    from_byte = path.stat().st_size
    with path.open("ab") as file:
        file.writelines(orjson.dumps(one) + b"\n" for one in [*mine, before[-1]])
    seen = Seen.of(path, from_byte, 52.0, 54.0, until=57.0)
    assert (seen.sessions, seen.greeted, seen.turns_begun, seen.turns) == (1, 1, 1, 1)
    assert (seen.typing, seen.heartbeats, seen.frames) == (2, 1, 2)
    assert (seen.talk_s, seen.lives) == (6.0, [9.0])
