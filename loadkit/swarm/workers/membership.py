"""Which workers take part in a run: who came, who was lost, who was sent away, and who has what."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from locust.runners import HEARTBEAT_LIVENESS, STATE_MISSING

from loadkit.verdict.run_facts import Absence, Loss

__all__ = ["Membership"]

_LATE: Final = HEARTBEAT_LIVENESS - 1  # Locust counts down by one a second; 2 is still in time


class Membership:
    """The workers of one run.

    Attributes:
        present: those that take part, in the order in which they came: the place is the slot.
        lost: those that went away and did not come back.
        refused: those that were not let in, and why.
        heartbeats_lost: how many of Locust's heartbeats, one a second and worker, did not come.
        absences: the times in which there was none at all.
    """

    def __init__(self) -> None:
        self.present: list[str] = []
        self.lost: dict[str, Loss] = {}
        self.refused: dict[str, str] = {}
        self.heartbeats_lost = 0
        self.absences: list[Absence] = []

    @property
    def absence(self) -> Absence | None:
        """The one that goes on; None if there is a worker."""
        return self.absences[-1] if self.absences and self.absences[-1].to_s is None else None

    def update(
        self,
        at_s: float,
        workers: Mapping[str, tuple[str, int]],
        live: Callable[[str], int],
        finished: Collection[str] = (),
    ) -> bool:
        """Compare with who is there now.

        Args:
            at_s: seconds of the run.
            workers: by name, Locust's state of the worker and what is left of its heartbeats.
            live: tells how many sessions a worker had by its last report.
            finished: workers that have handed over all they had: they may go.

        Returns:
            Whether somebody came or went.
        """
        here = [
            worker
            for worker, (state, _) in workers.items()
            if state != STATE_MISSING and worker not in self.refused
        ]
        gone = [worker for worker in self.present if worker not in here]
        came = [worker for worker in here if worker not in self.present]
        for worker in gone:
            self.present.remove(worker)
            if worker not in self.refused and worker not in finished:
                self.lost[worker] = Loss(worker, round(at_s, 1), live(worker))
        for worker in came:
            self.present.append(worker)
            self.lost.pop(worker, None)  # it was out of reach, and has all it measured meanwhile
        self.heartbeats_lost += sum(workers[worker][1] < _LATE for worker in here)
        return bool(gone or came)

    def refuse(self, worker: str, why: str) -> None:
        """Leave a worker out."""
        self.refused[worker] = why
