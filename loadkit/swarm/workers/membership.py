"""Which workers take part in a run: who may, who came, who was lost, who was sent away."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from locust.runners import HEARTBEAT_LIVENESS, STATE_MISSING

from loadkit.profile.profile import Profile
from loadkit.swarm.messages import VERSION, WorkerHello
from loadkit.verdict.run_facts import Absence, Loss

_LATE: Final = HEARTBEAT_LIVENESS - 1  # Locust counts down by one a second; 2 is still in time


class Membership:
    """The workers of one run."""

    def __init__(self) -> None:
        # those that take part, in the order in which they came: the place is the slot
        self.present: list[str] = []
        self.lost: dict[str, Loss] = {}  # those that went away and did not come back
        self.refused: dict[str, str] = {}  # those that were not let in, and why
        # how many of Locust's heartbeats, one a second and worker, did not come
        self.heartbeats_lost = 0
        self.absences: list[Absence] = []  # the times in which there was none at all

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


def objection(worker: str, hello: WorkerHello | None, version: str, asked: Profile) -> str | None:
    """Say why a worker cannot take part, and the mend; None if it can.

    Args:
        hello: what it said; None if it said nothing.
        version: the master's of this tool.
        asked: the run's profile.
    """
    if hello is None:
        with_ours = "start it with the one that the master has"
        return f"{worker} does not run loadkit's locustfile: {with_ours}"
    if hello.version != version:
        return (
            f"{worker} runs loadkit {hello.version}, the master {version}: "
            "install the same version on both"
        )
    if hello.messages != VERSION:
        return (
            f"{worker} speaks version {hello.messages} of the messages between workers and master, "
            f"the master version {VERSION}: install the same loadkit on both"
        )
    if hello.profile is not None and (difference := _other_profile(hello.profile, asked)):
        return (
            f"{worker} was started with {difference}: "
            "start it without --profile, it gets the run's from the master"
        )
    lacking = sorted(
        name for name, share in asked.mix.items() if share and name not in hello.classes
    )
    if lacking:
        names = ", ".join(lacking)
        return f"{worker} has no user class {names}: start it with the master's locustfile"
    return None


def _other_profile(own: str, asked: Profile) -> str | None:
    """Say how a profile differs from the run's, if it does."""
    there, here = json.loads(own), dict(asked.outline)
    for told in (there, here):
        told.pop("dialogues_told", None)  # names the file, which may lie elsewhere there
    if there["name"] != here["name"]:
        return f"the profile {there['name']!r}, this run's is {here['name']!r}"
    keys = sorted(_differences(there, here))
    return f"another {asked.name!r} (it differs in {', '.join(keys[:5])})" if keys else None


def _differences(one: Any, other: Any, at: str = "") -> list[str]:
    """The dotted keys at which two trees of plain values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {*one, *other}
            for found in _differences(one.get(key), other.get(key), f"{at}.{key}".lstrip("."))
        ]
    return [] if one == other else [at]
