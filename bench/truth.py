"""What the simulator's truth log says of a stretch of time: figures that no generator made."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import orjson


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
        with path.open("rb") as lines:
            for line in lines:
                record = orjson.loads(line)
                if begin <= _at(record) < end:
                    truth._add(record)
        return truth

    def _add(self, record: dict[str, Any]) -> None:
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


def _at(record: dict[str, Any]) -> float:
    """When it came to its end."""
    events = record.get("events")
    return float(events[-1]["at"] if events else record.get("at", record.get("received", 0.0)))


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
    def since(cls, path: Path, begin: float) -> Self:
        """Those that began at `begin`, in seconds on the monotonic clock, or later.

        The same population as that of a generator which measures from `begin`: what a client
        sends reaches the server within a fraction of a millisecond.
        """
        waits = cls()
        for record in _turns(path):
            waits._add_gaps(record, begin)
            if record["kind"] == "turn" and record["received"] >= begin:
                waits._add_turn(record)
        return waits

    @classmethod
    def named(cls, path: Path, prefix: str) -> Self:
        """Those of turns whose `local_id` begins with `prefix`."""
        waits = cls()
        for record in _turns(path):
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


def _turns(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            record = orjson.loads(line)
            if record["kind"] in ("turn", "join"):
                yield record


def _chunks(record: dict[str, Any]) -> list[float]:
    """When the chunks of the answer, or of the greeting, went out to somebody."""
    return [
        event["at"]
        for event in record["events"]
        if event["type"] == "POLY_AGENT_MESSAGE_CHUNK" and event["sockets"]
    ]
