"""What the simulator's truth log says of a stretch of time: counts that no generator made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

__all__ = ["Truth"]


@dataclass(slots=True)
class Truth:
    """Counts of what came to its end within a stretch of time.

    Attributes:
        turns: user messages answered whole.
        joins: joins answered with a greeting.
        ends: sessions that were ended by SESSION_END.
        refused: turns and joins that got an error. What was still open when the run was cut
            off is in none of the counts.
        nonsense: frames that made no sense.
    """

    turns: int = 0
    joins: int = 0
    ends: int = 0
    refused: int = 0
    nonsense: int = 0

    @classmethod
    def read(cls, path: Path, begin: float, end: float) -> Self:
        """Count in a log.

        Args:
            path: the log.
            begin, end: seconds on the monotonic clock.
        """
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
