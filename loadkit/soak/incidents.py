"""When the target misbehaved as its clients saw it: the windows, what they cost, the recovery."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, takewhile
from math import sqrt
from statistics import fmean, median
from typing import Any, Final

from loadkit.figures import DELIVERED_SHARE
from loadkit.measure.load_curve import Delivered
from loadkit.measure.timeline import Row
from loadkit.profile.delivery import AHEAD
from loadkit.soak.baseline import SURE, Baseline, unlikely
from loadkit.soak.incident import FORCED, Incident, Moment
from loadkit.soak.recovery_time import RecoveryTime
from loadkit.soak.slowness import CLEARLY, Slowness

LISTED: Final = 100
"""Incidents that are told one by one; more are only counted."""

LEARNT: Final = 30  # rows from which the usual number of failures is taken first
WINDOWS: Final = (1, 2, 4, 8, 16)  # rows that are looked at together: a burst, or a slow trouble
FEWEST: Final = 5  # failures; fewer in a window are none's incident
CALM: Final = 5  # rows in a row without trouble that end an incident,
CALM_SECONDS: Final = 3.0  # if they last so long: clients come back after one second, and two more
SHORT: Final = 3  # rows in a row with too little load that begin one
BETWEEN: Final = 0.01  # of the users may be between two sessions, even if none was so far
ARRIVALS: Final = 6.0  # so many wanted, hardly any come: in an incident that says enough
SETTLES: Final = 5.0  # seconds that sessions get to begin after the load asked for went up
STEADY: Final = 1.25  # times; where sessions come and go more than this, answers are not compared
SETTLED: Final = 8  # rows over which they are to be steady
KNOWN: Final = 5  # rows that say which share of the users has a session, before it is judged
BEHIND: Final = 3.0  # nats; in an incident, from here on answers or sessions are still lacking
SLOW_FOR: Final = 3.0  # seconds; slow answers that are over sooner are a hiccup
LASTING: Final = 600.0  # seconds of slow answers and nothing else, after which they are usual


class Incidents:
    """Finds the incidents of a run from its rows, one after the other. Bounded in memory.

    An incident begins with the first row of a window that is clearly above what is usual for the
    run: failures and disconnects (`errors.*`, `retried.*`, `disconnects.unexpected`) by twice and
    beyond chance, answers below a half and beyond chance, their p95 doubled and beyond chance
    (`Slowness`), three rows with less than 95 % of the load asked for, or a worker that is gone. It
    ends with the last row of trouble that five rows without any follow.

    What it reads of a row: `start`, `length`, `asked`, `counts`, `session_seconds`, the state of
    the sessions and the names of the workers in `standing`, and the response's `latency`.

    Args:
        asked_at: the load that the stages ask for at a second of the run, as rows have it: of a
            ramp down users are stopped a moment ahead. None takes it to stay as it is.
    """

    def __init__(self, asked_at: Callable[[float], Mapping[str, float]] | None = None) -> None:
        self._asked_at = asked_at
        self._incidents: list[Incident] = []
        self._unlisted = 0
        self._first: list[Moment] | None = []  # until the usual number of failures is known
        self._failures, self._answers = Baseline(), Baseline()
        self._delivered = Delivered()
        self._presence: deque[float] = deque(maxlen=100)
        self._slowness = Slowness()
        self._window: deque[Moment] = deque()  # the last rows since the last incident
        self._calm: list[Moment] = []  # rows without trouble within an incident
        self._past: deque[Moment] = deque(maxlen=64)
        self._answering = 0  # rows since the first answer
        self._open: Incident | None = None
        self._silence = 0.0  # seconds without answers, up to now
        self._short = 0
        self._recovering: list[Incident] = []

    def add(self, row: Row) -> None:
        """Take the next row."""
        moment = Moment.of(row, self._delivered.of(row))
        if self._first is None:
            self._take(moment)
            return
        if moment.live or moment.trouble or self._first:  # nothing is learnt before the load
            self._first.append(moment)
        if len(self._first) == LEARNT:
            self._begin_with(self._first)

    def to_dicts(self) -> tuple[dict[str, Any], ...]:
        """Return the incidents up to now as plain values, in their order."""
        if self._first:
            self._begin_with(self._first)
        return tuple(incident.to_dict() for incident in self._incidents)

    @property
    def unlisted(self) -> int:
        """How many more there were than are told one by one."""
        return self._unlisted

    def _begin_with(self, moments: list[Moment]) -> None:
        """Learn what is usual from the first rows, in spite of an incident among them."""
        self._first = None
        middle = median(each.trouble / each.exposure for each in moments)
        for each in moments:
            usual = CLEARLY * middle * each.exposure
            if each.trouble <= max(FEWEST, usual + 4 * sqrt(usual)):
                self._failures.learn(each.trouble, each.exposure)
            each.known = True
        for each in moments:
            self._take(each)

    def _take(self, moment: Moment) -> None:
        gone = self._gone(moment)
        self._past.append(moment)
        self._answering += bool(self._answering or moment.answered)
        moment.steady = self._is_steady()
        if moment.asked and len(set(self._asked_lately(moment))) == 1:
            moment.share = moment.connected / moment.asked
        if not moment.closed:
            moment.wanted = DELIVERED_SHARE * self._settled(moment) * moment.length
        moment.slow = self._slowness.of(moment.length, moment.response, moment.live)
        lacking = not moment.answered and self._answers.expected(moment.exposure) >= CLEARLY
        self._silence = self._silence + moment.length if lacking else 0.0
        if self._open is None:
            self._watch(moment, gone)
        else:
            self._go_on(self._open, moment, gone)
        for incident in self._recovering:
            incident.recovery.add(moment.start, moment.response, over=incident.over)
        self._recovering = [each for each in self._recovering if not each.recovery.settled]

    def _watch(self, moment: Moment, gone: list[str]) -> None:
        if len(self._window) == max(WINDOWS):
            # Only now: what may still turn out to be the begin of an incident is not usual.
            self._learn_from(self._window.popleft())
        self._window.append(moment)
        self._short = self._short + 1 if self._lacks_sessions(moment, SURE) else 0
        if rows := self._rows_of_trouble(gone):
            self._begin(rows, gone)

    def _go_on(self, incident: Incident, moment: Moment, gone: list[str]) -> None:
        self._calm.append(moment)
        short = self._count_in(incident, moment, gone)
        if gone or short or self._is_bad(moment):
            incident.bad_until = incident.failing_until = moment.end
            self._calm.clear()
        elif self._slowness.of_all([each.slow for each in self._calm], BEHIND):
            incident.bad_until = moment.end
            self._calm.clear()
            if moment.end - incident.failing_until >= LASTING:
                self._slowness = Slowness()
        elif len(self._calm) >= CALM and moment.end - incident.bad_until >= CALM_SECONDS:
            incident.over = True
            self._open, self._short = None, 0

    # --- what is usual ----------------------------------------------------------------------------

    def _learn_from(self, moment: Moment) -> None:
        if not moment.known:
            self._failures.learn(moment.trouble, moment.exposure)
        if moment.steady:
            self._answers.learn(moment.answered, moment.exposure)
        if moment.share is not None:
            self._presence.append(moment.share)
        self._slowness.learn(moment.response, moment.live, moment.slow)

    def _is_steady(self) -> bool:
        """Whether sessions have been there for long enough for their answers to be compared.

        Where many are new, few can have been answered yet.
        """
        if self._answering < SETTLED:
            return False
        recent = [each.live for each in islice(reversed(self._past), SETTLED)]
        return 0 < max(recent) <= STEADY * min(recent)

    def _asked_lately(self, moment: Moment) -> list[float]:
        """What was asked for while sessions could not but begin, and will be; 0 before the run."""
        since = moment.end - SETTLES
        lately = takewhile(lambda each: each.end > since, reversed(self._past))
        return [each.asked for each in lately] + [0.0] * (since < 0) + self._asked_soon(moment)

    def _asked_soon(self, moment: Moment) -> list[float]:
        """What users are moved to already; what comes after the last stage is no plan."""
        if self._asked_at is None or not moment.closed:
            return []
        soon = self._asked_at(moment.end + AHEAD).get("users", 0.0)
        return [soon] if soon else []

    def _settled(self, moment: Moment) -> float:
        return min(self._asked_lately(moment))

    def _share(self, moment: Moment) -> float | None:
        """Sessions for each user, or for each arrival a second; None while it is not known."""
        if len(self._presence) < KNOWN:
            return None
        usual = fmean(self._presence)
        return min(1.0, usual) if moment.closed else usual

    # --- what is not ------------------------------------------------------------------------------

    def _gone(self, moment: Moment) -> list[str]:
        before = self._past[-1].workers if self._past else frozenset[str]()
        return sorted(before - moment.workers) if moment.asked else []

    def _lacks_sessions(self, moment: Moment, surprise: float) -> bool:
        """Whether a row has too few sessions for its users, beyond a chance of `surprise` nats."""
        settled, share = self._settled(moment), self._share(moment)
        if not moment.closed or not settled or share is None:
            return False
        # Who has no session now and then, between two, is away by chance: binomial, about normal.
        variance = max(share * (1 - share), BETWEEN) * settled
        chance = sqrt(2 * surprise * variance)
        return moment.connected < DELIVERED_SHARE * share * settled - chance

    def _enough_for_arrivals(self, moment: Moment) -> list[Moment]:
        """The fewest rows up to this one in which there should have been some arrivals."""
        rows: list[Moment] = []
        wanted = 0.0
        for each in reversed(self._past):
            if each.end <= moment.end:
                rows.append(each)
                wanted += each.wanted
                if wanted >= ARRIVALS:
                    break
        return rows

    def _is_bad(self, moment: Moment) -> bool:
        """Whether a row within an incident still belongs to it."""
        usual = self._failures.expected(moment.exposure)
        spread = sqrt(usual * self._failures.dispersion)
        if moment.trouble > max(CLEARLY, CLEARLY * usual, usual + 3 * spread):
            return True
        # One row may be short of answers by chance where they are rare, some in a row are not.
        exposure = sum(each.exposure for each in self._calm)
        answered = sum(each.answered for each in self._calm)
        return (
            answered < self._answers.expected(exposure) / CLEARLY
            and self._answers.surprise(answered, exposure) > BEHIND
        )

    def _rows_of_trouble(self, gone: list[str]) -> int:
        """How many of the last rows an incident has so far; 0 if there is none."""
        for rows in WINDOWS:
            if rows > len(self._window):
                break
            recent = list(self._window)[-rows:]
            exposure = sum(each.exposure for each in recent)
            count = sum(each.trouble for each in recent)
            usual = self._failures.expected(exposure)
            if (
                count >= FEWEST
                and count > CLEARLY * usual
                and self._failures.surprise(count, exposure) > SURE
            ):
                return rows - next(at for at, each in enumerate(recent) if each.trouble)
            answered = sum(each.answered for each in recent)
            if (
                answered < self._answers.expected(exposure) / CLEARLY
                and recent[-1].steady
                and self._answers.surprise(answered, exposure) > SURE
            ):
                return rows
            slow = [each.slow for each in recent]
            if sum(each.length for each in slow) >= SLOW_FOR and self._slowness.of_all(slow, SURE):
                return rows - next(at for at, each in enumerate(slow) if each.slow)
            if _lack_arrivals(recent, SURE):
                return rows
        if self._short >= SHORT:
            return min(self._short, len(self._window))
        return 1 if gone else 0

    # --- an incident ------------------------------------------------------------------------------

    def _begin(self, rows: int, gone: list[str]) -> None:
        for _ in range(len(self._window) - rows):
            self._learn_from(self._window.popleft())
        moments = list(self._window)
        self._window.clear()
        self._calm.clear()
        earlier = [each.connected for each in self._past if each.end <= moments[0].start]
        before = earlier[-1] if earlier else moments[0].connected
        recovery = RecoveryTime(self._slowness.p95())
        known = not moments[0].closed or self._share(moments[0]) is not None
        asked = self._settled(moments[0])
        incident = Incident(moments[0].start, before, recovery, known, asked)
        incident.slow_over_ms = self._slowness.limit_ms
        for moment in moments:
            last = moment is moments[-1]
            self._count_in(incident, moment, gone if last else [])
            if not last:
                recovery.add(moment.start, moment.response, over=False)
        incident.bad_until = incident.failing_until = moments[-1].end
        self._open = incident
        if len(self._incidents) < LISTED:
            self._incidents.append(incident)
            self._recovering.append(incident)
        else:
            self._unlisted += 1

    def _count_in(self, incident: Incident, moment: Moment, gone: Iterable[str]) -> bool:
        """Add a row to an incident. Returns whether it had too little load."""
        incident.causes.update(moment.troubles)
        if moment.forced:
            incident.causes[FORCED] += moment.forced
        incident.refusals.update(moment.refusals)
        incident.workers_gone.extend(gone)
        incident.seen_until = moment.end
        incident.silent_s = max(incident.silent_s, self._silence)
        lowest = incident.sessions_lowest
        if lowest is None:
            incident.sessions_lowest = moment.connected
        elif self._settled(moment) >= incident.asked:  # else fewer are as planned
            incident.sessions_lowest = min(lowest, moment.connected)
        incident.sessions_lost += moment.failed
        incident.turns_lost += moment.lost
        incident.slow_responses += moment.slow.slow
        share = self._share(moment)
        if share is not None:
            missing = share * self._settled(moment) - moment.connected
            incident.shortfall += max(0.0, missing) * moment.length
        short = self._lacks_sessions(moment, BEHIND) or _lack_arrivals(
            self._enough_for_arrivals(moment), BEHIND
        )
        if short:
            incident.short_until = moment.end
        return short


def _lack_arrivals(moments: Sequence[Moment], surprise: float) -> bool:
    """Whether rows of the open model have too few arrivals, beyond a chance of so many nats."""
    wanted = sum(each.wanted for each in moments)
    came = sum(each.delivered * each.length for each in moments if each.wanted)
    return came < wanted and unlikely(came, wanted) > surprise
