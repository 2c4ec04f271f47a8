"""What a master tells a worker of a run: the time, and which share is its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from loadkit.profile.tables import Stage

__all__ = ["Assignment"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's share of a run.

    Attributes:
        run: the run's name.
        elapsed_s: seconds of the run that had passed when it was sent: workers share no clock.
        index: which share, from 0.
        workers: of how many.
        since_s: from which second of the run on; until then the last deal holds.
        late: whether the worker came when the run was under way.
        stages: all stages of the open model as they are from `since_s` on, where they grow in
            mid-run; None where they are the profile's.
    """

    run: str
    elapsed_s: float = 0.0
    index: int = 0
    workers: int = 1
    since_s: float = 0.0
    late: bool = False
    stages: Sequence[Mapping[str, Any]] | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return it as plain types."""
        return asdict(self)

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Self:
        """Undo `to_wire`."""
        return cls(**data)

    def load_stages(self) -> tuple[Stage, ...] | None:
        """Return the stages as a profile has them; None likewise."""
        return None if self.stages is None else tuple(Stage(**stage) for stage in self.stages)
