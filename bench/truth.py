"""What the simulator's truth log says of a stretch of time: figures that no generator made."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self

import orjson

_CLOSES: Final = 10.0  # seconds that the sockets of a tool that was killed may take to be seen


@dataclass(slots=True)
class Truth:
    """Counts of what came to its end within a stretch of time; of what was open then, none."""

    turns: int = 0  # user messages answered whole
    joins: int = 0  # joins answered with a greeting
    ends: int = 0  # sessions that were ended by SESSION_END
    refused: int = 0  # turns and joins that got an error
    nonsense: int = 0  # frames that made no sense

    @classmethod
    def read(cls, path: Path, begin: float, end: float) -> Self:
        """Count in a log, between two seconds on the monotonic clock."""
        truth = cls()
        for record in records(path):
            if begin <= ended_at(record) < end:
                truth.add(record)
        return truth

    def add(self, record: dict[str, Any]) -> None:
        """Count one."""
        match record["kind"], record.get("outcome"):
            case "turn", "answered":
                self.turns += 1
            case "join", "answered":
                self.joins += 1
            case "turn" | "join", "refused":
                self.refused += 1
            case "session_end", _:
                self.ends += 1
            case "refusal", _:
                self.nonsense += 1


def ended_at(record: dict[str, Any]) -> float:
    """When it came to its end."""
    events = record.get("events")
    return float(events[-1]["at"] if events else record.get("at", record.get("received", 0.0)))


@dataclass(slots=True)
class Seen(Truth):
    """What the server saw of one tool: `Truth` of the window, and what the tool did in all."""

    frames: int = 0  # that were sent to it in the window, of joins and turns
    sessions: int = 0  # of the whole run, from here on
    greeted: int = 0
    ended: int = 0
    turns_begun: int = 0
    typing: int = 0
    heartbeats: int = 0
    talk_s: float = 0.0  # from each greeting to the session's last word, added up
    lives: list[float] = field(default_factory=list)  # seconds of each socket

    @classmethod
    def of(cls, path: Path, from_byte: int, begin: float, end: float, until: float) -> Self:
        """Count what is told from a byte of the log on, once all sockets are closed.

        Args:
            begin, end: the window, in seconds on the monotonic clock.
            until: when people fall silent; the end of a socket, where that is earlier.
        """
        patience = time.monotonic() + _CLOSES
        while True:
            seen = cls()
            if seen._read(path, from_byte, begin, end, until) or time.monotonic() > patience:
                return seen
            time.sleep(0.3)

    def _read(self, path: Path, from_byte: int, begin: float, end: float, until: float) -> bool:
        """Whether nothing is open any more."""
        sessions, greeted = set[str](), dict[str, float]()
        opened, heard = dict[int, float](), dict[str, tuple[int, int]]()
        for record in records(path, from_byte):
            session = record.get("session_id", "")
            if record["kind"] == "session":
                sessions.add(session)
            if session not in sessions:
                continue  # of who was there before
            if begin <= ended_at(record) < end:
                self.add(record)
            match record["kind"]:
                case "join" | "turn" as kind:
                    self.turns_begun += kind == "turn"
                    if kind == "join" and record["outcome"] == "answered":
                        greeted[session] = ended_at(record)
                    self.frames += sum(
                        begin <= event["at"] < end and event["sockets"] > 0
                        for event in record["events"]
                    )
                case "socket_open":
                    opened[record["socket"]] = record["at"]
                case "socket_close":
                    closed = record["at"]
                    self.lives.append(closed - opened.pop(record["socket"]))
                    heard[session] = record["typing"], record["heartbeats"]
                    if session in greeted:
                        self.talk_s += max(0.0, min(closed, until) - greeted[session])
                case "session_end":
                    self.ended += 1
        self.sessions, self.greeted = len(sessions), len(greeted)
        self.typing = sum(typing for typing, _ in heard.values())
        self.heartbeats = sum(beats for _, beats in heard.values())
        return not opened


def opened(path: Path, from_byte: int) -> int:
    """How many sockets were opened, from a byte of the log on."""
    with path.open("rb") as file:
        file.seek(from_byte)
        return file.read().count(b'{"kind":"socket_open"')


def quantile(
    seconds: Sequence[float], share: float, method: Literal["inverted_cdf", "linear"]
) -> float:
    """One of numpy's, by which no tool's are computed."""
    import numpy as np

    return float(np.quantile(seconds, share, method=method))


class Waits:
    """What users waited for, as the server saw it: each wait of each phase, in seconds.

    A turn's waits run from the message's arrival at the server to the moment right before the
    answer was written; the way there and back is in none of them.
    """

    def __init__(self) -> None:
        # By phase, in the order of the log.
        self.seconds: dict[str, list[float]] = {
            phase: [] for phase in ("echo", "first_chunk", "chunk_gap", "response")
        }

    @classmethod
    def since(cls, path: Path, begin: float, from_byte: int = 0) -> Self:
        """Those that began at `begin`, in seconds on the monotonic clock, or later.

        The same population as that of a generator which measures from `begin`: what a client
        sends reaches the server within a fraction of a millisecond.
        """
        waits = cls()
        for record in _turns(path, from_byte):
            waits._add_gaps(record, begin)
            if record["kind"] == "turn" and record["received"] >= begin:
                waits._add_turn(record)
        return waits

    @classmethod
    def named(cls, path: Path, prefix: str, from_byte: int = 0) -> Self:
        """Those of turns whose `local_id` begins with `prefix`."""
        waits = cls()
        for record in _turns(path, from_byte):
            if (record["local_id"] or "").startswith(prefix):
                waits._add_gaps(record, 0.0)
                waits._add_turn(record)
        return waits

    def _add_turn(self, record: dict[str, Any]) -> None:
        received, chunks = record["received"], _chunks(record)
        echo = next((e["at"] for e in record["events"] if e["type"] == "USER_MESSAGE"), None)
        if echo is not None:
            self.seconds["echo"].append(echo - received)
        if chunks:
            self.seconds["first_chunk"].append(chunks[0] - received)
        if record["outcome"] == "answered" and record["events"][-1]["sockets"]:
            self.seconds["response"].append(record["events"][-1]["at"] - received)

    def _add_gaps(self, record: dict[str, Any], begin: float) -> None:
        self.seconds["chunk_gap"] += [
            late - early for early, late in pairwise(_chunks(record)) if early >= begin
        ]


def _turns(path: Path, from_byte: int) -> Iterator[dict[str, Any]]:
    return (one for one in records(path, from_byte) if one["kind"] in ("turn", "join"))


def records(path: Path, from_byte: int = 0) -> Iterator[dict[str, Any]]:
    """Those that are written, from a byte on."""
    with path.open("rb") as lines:
        lines.seek(from_byte)
        for line in lines:
            if line.endswith(b"\n"):  # else it is being written
                yield orjson.loads(line)


def _chunks(record: dict[str, Any]) -> list[float]:
    """When the chunks of the answer, or of the greeting, went out to somebody."""
    return [
        event["at"]
        for event in record["events"]
        if event["type"] == "POLY_AGENT_MESSAGE_CHUNK" and event["sockets"]
    ]
