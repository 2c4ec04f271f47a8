"""The truth log as a file."""

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from loadkit.errors import UsageError
from loadkit.simulator.app.frame_writer import Frame
from loadkit.simulator.app.truth_log import TruthLog

from .doubles import JOIN, Ear, World, says


def lines(path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_records_reach_the_file_with_a_flush_and_at_the_close(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with closing(TruthLog(path)) as truth:
        truth.record("session", at=1.0)
        truth.flush()
        assert lines(path) == [{"kind": "session", "at": 1.0}]
        truth.record("session", at=2.0)
    assert len(lines(path)) == 2


def test_a_burst_does_not_wait_for_the_flush(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    with closing(TruthLog(path)) as truth:
        for number in range(1200):
            truth.record("session", at=number)
        assert len(lines(path)) >= 1000


def test_without_a_path_nothing_is_kept() -> None:
    truth = TruthLog(None)
    truth.record("session", at=1.0)
    truth.flush()
    truth.close()
    assert not truth.on


def test_a_path_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        TruthLog(tmp_path / "none" / "truth.jsonl")


def test_a_full_disk_ends_the_log_and_not_the_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None: ...

    truth = TruthLog(tmp_path / "truth.jsonl")
    truth._file.close()  # type: ignore[union-attr]
    truth._file = Full()  # type: ignore[assignment]
    truth.record("session", at=1.0)
    truth.flush()
    assert not truth.on
    assert "the truth log ends here" in caplog.text


def test_a_turn_is_told_with_every_event_and_its_time(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(truth=path)
    session, ear = world.greeted(streaming=True)
    start = world.clock.now()
    session.hear(ear, says("where is my order", local_id="mine"))
    world.clock.advance(10)
    world.truth.close()
    join, turn = (record for record in lines(path) if record["kind"] in {"join", "turn"})
    assert join["outcome"] == turn["outcome"] == "answered"
    assert (turn["local_id"], turn["received"]) == ("mine", start)
    assert turn["message_id"] == ear.last("USER_MESSAGE")["payload"]["message_id"]
    told = [(e["type"], e["at"] - start, e["sockets"]) for e in turn["events"]]  # type: ignore
    assert told == [
        ("USER_MESSAGE", 0.0, 1),
        ("POLY_AGENT_THINKING", 0.5, 1),
        ("POLY_AGENT_MESSAGE_CHUNK", 3.0, 1),
        ("POLY_AGENT_MESSAGE_CHUNK", 4.0, 1),
        ("POLY_AGENT_MESSAGE_CHUNK", 5.0, 1),
    ]
    heard = [event["sequence"] for event in ear.events[-5:]]
    assert [event["sequence"] for event in turn["events"]] == heard  # type: ignore[attr-defined]


def test_turns_that_were_never_answered_are_told_too(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World(truth=path)
    session, ear = world.greeted()
    session.hear(ear, JOIN)
    session.hear(ear, says("first"))
    session.hear(ear, says("second"))
    world.registry.cut()
    world.truth.close()
    outcomes = [r["outcome"] for r in lines(path) if r["kind"] in {"join", "turn"}]
    assert outcomes == ["answered", "repeated", "cut_off", "cut_off"]


def test_sessions_and_refusals_are_told(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    world = World("idle_timeout_seconds=20", truth=path)
    session = world.session()
    ear = world.connect(session)
    session.hear(ear, b"nonsense")
    world.clock.advance(20)
    world.truth.close()
    told = lines(path)
    assert [record["kind"] for record in told] == [
        "session",
        "socket_open",
        "refusal",
        "session_end",
    ]
    assert {record["session_id"] for record in told} == {session.id}
    assert told[-1]["reason"] == "REASON_USER_ABANDONED"
    assert told[-1]["at"] == 120.0


def test_an_event_is_stamped_before_it_is_written(tmp_path: Path) -> None:
    """Whoever reads it cannot have it earlier than the log says."""
    path = tmp_path / "truth.jsonl"
    world = World(truth=path)
    session, ear = world.greeted()

    class Slow(Ear):
        def deliver(self, frame: Frame) -> None:
            world.clock.time += 0.25

    session.detach(ear)
    slow = Slow()
    session.attach(slow, 0)
    start = world.clock.now()
    session.hear(slow, says("where is my order"))
    world.clock.advance(10)
    world.truth.close()
    turn = next(record for record in lines(path) if record["kind"] == "turn")
    stamps = [event["at"] - start for event in turn["events"]]  # type: ignore[attr-defined]
    assert stamps == [0.0, 0.75, 3.5]  # each 0.25 s of writing delays what follows, not its stamp


def test_a_message_is_received_when_its_bytes_came(tmp_path: Path) -> None:
    """Not when the loop got round to it."""
    path = tmp_path / "truth.jsonl"
    world = World(truth=path)
    session, ear = world.greeted()
    start = world.clock.now()
    world.clock.time += 0.125
    session.hear(ear, says("where is my order"), start)
    world.clock.advance(10)
    world.truth.close()
    turn = next(record for record in lines(path) if record["kind"] == "turn")
    assert turn["received"] == start
    assert turn["events"][0]["at"] == start + 0.125  # type: ignore[index]
