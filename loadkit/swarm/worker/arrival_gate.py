"""The gate: lets one worker's arrivals of the open model in, each at its moment."""

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final, Protocol

import gevent
from gevent.pool import Group

from loadkit.figures import Count
from loadkit.profile.arrivals import Arrivals, ClassDraw
from loadkit.profile.tables import Load, Mix, Stage
from loadkit.swarm.worker.precise_sleep import Alarm

logger = logging.getLogger(__name__)

STOP_LIMIT: Final = 10.0  # seconds that the sessions get to end themselves in order

Visit = Callable[[str, int, float], object]


class Counter(Protocol):
    """What the gate needs of a recorder."""

    def count(self, key: str, n: int = 1) -> None: ...


def share_of_cap(cap: int, index: int, workers: int) -> int:
    """How many of the sessions at once that a run allows are one worker's.

    The first ones get one more where the cap does not divide evenly.
    """
    return cap // workers + (index < cap % workers)


class ArrivalGate:
    """Begins sessions when the plan says, whatever became of those before.

    The first `deal` opens it. Overdue arrivals are all let in at once, each with the moment at
    which it was due, so that a generator that was held up shows in the figures from schedule.

    Args:
        load, mix: of a profile with the open model.
        visit: lives one session, in a greenlet of its own: user class, number of the arrival
            among all of the run, and when it was due on `clock`. It handles its own faults; one
            that escapes is logged and nothing else.
        recorder: counts the arrivals that were due, and those refused at the cap.
        began: when the run began, on `clock`.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        load: Load,
        mix: Mix,
        visit: Visit,
        recorder: Counter,
        began: float,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        assert load.max_concurrent is not None, "only the open model has a cap"
        self._load, self._cap_of_all = load, load.max_concurrent
        self._class_of = ClassDraw(mix, load.seed).of
        self._visit, self._recorder = visit, recorder
        self._began, self._clock = began, clock
        self._arrivals: Arrivals | None = None
        self._cap = 0
        self._letting_in: gevent.Greenlet[..., Any] | None = None
        self._visits = Group()

    @property
    def live(self) -> int:
        """Sessions running now."""
        return len(self._visits)

    def deal(
        self, index: int, workers: int, start: float, stages: Sequence[Stage] | None = None
    ) -> None:
        """Give this worker its slot, or another one in mid-run.

        Args:
            index: the slot, from 0. It counts from `start` on, its share of the cap at once.
            workers: how many slots there are.
            start: seconds since the run began; see `loadkit.profile.arrivals.Arrivals.deal`.
            stages: those to go on by from `start` on, where they have changed.
        """
        if stages is not None:
            self._load = self._load.model_copy(update={"stages": tuple(stages)})
            if self._arrivals is not None:
                self._arrivals.follow(stages)
        self._cap = share_of_cap(self._cap_of_all, index, workers)
        if self._arrivals is None:
            self._arrivals = Arrivals(self._load, index, workers, start)
        else:
            self._arrivals.deal(index, workers, start)
        if self._letting_in is not None:  # it sleeps until an arrival that may not be ours now
            self._letting_in.kill(block=False)
        self._letting_in = gevent.spawn(self._let_in, self._arrivals)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._letting_in is not None:
            self._letting_in.kill()
            self._letting_in = None

    def stop(self, limit: float = STOP_LIMIT) -> None:
        """Let nobody in any more, and have every session that runs end itself, within `limit` s."""
        self.close()
        self._visits.kill(timeout=limit)
        if self._visits:
            logger.error("%d sessions did not end within %g s", len(self._visits), limit)

    def _let_in(self, arrivals: Arrivals) -> None:
        alarm = Alarm()
        try:
            while (coming := arrivals.peek()) is not None:
                due = self._began + coming[1]
                early = due - self._clock()
                if early > 0:
                    alarm.sleep(early)
                    continue
                next(arrivals)
                self._recorder.count(Count.ARRIVALS_DUE)
                if len(self._visits) >= self._cap:
                    self._recorder.count(Count.ARRIVALS_REFUSED)
                else:
                    self._visits.spawn(self._live, coming[0], due)
        finally:
            alarm.close()

    def _live(self, number: int, due: float) -> None:
        name = self._class_of(number)
        try:
            self._visit(name, number, due)
        except Exception:
            logger.exception("arrival %d (%s) failed", number, name)
