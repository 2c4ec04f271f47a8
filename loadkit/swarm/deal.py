"""What a master tells a worker of a run: the time, and which share is its own."""

from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Deal"]


@dataclass(frozen=True, slots=True)
class Deal:
    """One worker's share of a run.

    Attributes:
        run: the run's name.
        elapsed_s: seconds of the run that had passed when it was sent: workers share no clock.
        index: which share, from 0.
        workers: of how many.
        since_s: from which second of the run on; until then the last deal holds.
        late: whether the worker came when the run was under way.
    """

    run: str
    elapsed_s: float = 0.0
    index: int = 0
    workers: int = 1
    since_s: float = 0.0
    late: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types."""
        return asdict(self)

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Self:
        """Undo `to_wire`."""
        return cls(**data)
