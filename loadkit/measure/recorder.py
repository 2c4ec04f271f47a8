"""What one worker process measures. The hot path only increments; `take` closes an interval."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from loadkit.errors import Failure
from loadkit.figures import NOWHERE, Answered, Count, Ending, Origin, Phase, Transcript, Wait
from loadkit.measure.interval import GAUGES, LAST_TURN, Interval, age_class
from loadkit.measure.occurrence import Occurrence, to_the_millisecond
from loadkit.measure.open_waits import Waiting
from loadkit.measure.scope import Apart, Scoped
from loadkit.measure.slow_turns import SlowestOfInterval
from loadkit.measure.turn_times import MOST, TurnTime
from loadkit.measure.word_counts import Names
from loadkit.security.escaping import one_line
from loadkit.stats.histogram import Histogram

EXAMPLE_LENGTH: Final = 200
"""How much is kept of the first text of each kind of error or violation, in characters."""

EVIDENCE: Final = 3
"""How many errors and violations of each kind a worker keeps with where they happened."""

FRAME_LENGTH: Final = 400
"""How much of a frame goes into a transcript, in characters."""

PROBE_EVERY: Final = 0.1
"""Seconds between two looks at the event loop's lag."""

_PROBE_MICROSECONDS: Final = round(PROBE_EVERY * 1e6)


class Recorder:
    """Everything one worker measures, given out interval by interval.

    Every stamp is in seconds on one monotonic clock, `time.perf_counter` outside of tests.
    The warm-up is left out of latencies, of the generator's figures and of whatever is counted
    with `since`; sessions, errors and violations count from the first moment, because a failure
    during the warm-up is a failure.

    Args:
        measure_from: the stamp at which the warm-up ends.
        watched: the user classes and clients whose figures are wanted apart from the others'.
        clock: what stamps the starts and ends of sessions. Without one whoever is there at a
            `take` is taken to have been there for the whole interval.
        wall: seconds since the epoch, which says when something went wrong.
        named: further ones, of which counts and responses are wanted and no more.

    Attributes:
        is_ending: whether the load is over and its sessions are being ended, whose cost is kept
            apart.
        live: sessions running now.
        states: how many of them are in which state.
        frames_sent, frames_received, bytes_sent, bytes_received: totals since the worker
            started; being totals, they survive a lost interval. The caller sets these, `states`
            and `is_ending`.
    """

    def __init__(
        self,
        measure_from: float = 0.0,
        watched: frozenset[str] = frozenset(),
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self.measure_from = measure_from
        self.is_ending = False
        self.live = 0
        self.states: Mapping[str, int] = {}
        self.frames_sent = 0
        self.frames_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self._clock, self._wall = clock, wall
        self._taken_at: float | None = None if clock is None else clock()
        self._lived_until = self._taken_at
        self._scopes = {name: Apart(name in watched) for name in sorted(watched | named)}
        self._waiting = Waiting()
        self._turns_left = MOST
        self._answered: Callable[[float, float], object] | None = None  # told of each response
        self._names = Names()
        self._exampled: set[str] = set()  # kinds that already have their example, run-long
        self._kept: Counter[str] = Counter()  # of each kind as evidence, run-long
        self._open()

    def _open(self) -> None:
        # One for every phase beforehand costs less than asking whether there is one.
        self._latency = {phase: Histogram() for phase in Phase}
        self._from_schedule = {phase: Histogram() for phase in Phase}
        self._generator = {name: Histogram() for name in GAUGES}
        self._ages: defaultdict[int, Histogram] = defaultdict(Histogram)
        self._by_turn: defaultdict[int, Histogram] = defaultdict(Histogram)
        self._turns: list[TurnTime] = []
        self._slow = SlowestOfInterval()
        self._schedule_delay = self._generator["schedule_delay_ms"]
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._examples: dict[str, str] = {}
        self._evidence: list[Occurrence] = []
        self._peak = self.live
        self._session_seconds = 0.0

    def scoped(self, *names: str) -> "Recorder | Scoped":
        """Return what records for a user class and a client: itself if none is kept apart."""
        parts = [self._scopes[name] for name in names if name in self._scopes]
        return Scoped(self, parts) if parts else self

    def sample(
        self, phase: Phase, due: float | None, sent: float, end: float, turn: Answered | None = None
    ) -> None:
        """Record how long something took.

        Args:
            phase: what was timed.
            due: when it should have begun by the schedule; None where there is no schedule.
            sent: when it began.
            end: when it was complete.
            turn: of a response, what it is of: it counts by the session's age and by the turn's
                number too.
        """
        if sent < self.measure_from:
            return
        if turn is None:
            self._latency[phase].record(end - sent)
        else:
            took = end - sent
            self._ages[age_class(sent - turn.since)].record(took)
            self._by_turn[min(turn.number, LAST_TURN)].record(took)
            if self._turns_left and turn.person:
                self._turns_left -= 1
                self._turns.append(TurnTime(turn.person, turn.number, sent, round(took * 1e6)))
            if self._answered is not None:
                self._answered(sent, end)
            if took > self._slow.over:
                self._slow.add(turn, due, sent, took, self._wall and self._wall())
        if due is not None:
            self._from_schedule[phase].record(end - due)
            if phase is not Phase.FIRST_CHUNK:  # the response's message, which counts once
                # A timer may fire a moment early; what was sent early was not sent late.
                self._schedule_delay.record(sent - due if sent > due else 0.0)

    def unfinished(
        self, phase: Phase, due: float | None, sent: float, until: float, lost: bool
    ) -> None:
        """Record a wait that is over without what was waited for.

        It was given up (`lost`), or who waited went away, or the run was over.
        """
        if sent < self.measure_from:
            return
        self._latency[phase].unfinished(until - sent, lost=lost)
        if due is not None:
            self._from_schedule[phase].unfinished(until - due, lost=lost)

    def see_waiting(
        self, names: Iterable[str], now: float, waits: Iterable[Wait], turns: Iterable[float]
    ) -> None:
        """Take note of what a session waits for now, to be told with the interval at its `take`.

        Args:
            names: its user class and its client.
            now: the stamp that the coming `take` gets.
            waits: what it waits for.
            turns: when each of its messages was sent that waits for its answer.
        """
        waits = [wait for wait in waits if wait.sent >= self.measure_from]
        open_turns = sum(sent >= self.measure_from for sent in turns)
        self._waiting.see(now, waits, open_turns)
        for name in names:
            if (part := self._scopes.get(name)) is not None:
                part.see_waiting(now, waits, open_turns)

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        """Count something by a key of `loadkit.figures.Count`.

        What began (`since`) in the warm-up is left out, so that a turn is counted as sent and as
        answered, or not at all.
        """
        if since is None or since >= self.measure_from:
            self._counts[key] += n

    def count_named(self, family: str, word: str) -> str:
        """Count something by a word of the server's, and return the key that it counts under.

        The `family` is one of `loadkit.figures.NAMED`; of its words the first `MOST_NAMES` of
        `loadkit.measure.word_counts` stay.
        """
        key = self._names.key(family, word)
        self._counts[key] += 1
        return key

    def fail(self, kind: Failure, detail: str, origin: Origin = NOWHERE) -> None:
        """Count a failure; `detail`, without secrets, is the kind's example if it is the first."""
        self._count_with_example("errors", kind, detail, origin)

    def violate(
        self, kind: str, detail: str, origin: Origin = NOWHERE, transcript: Transcript = tuple
    ) -> None:
        """Count a breach of the protocol by the server, with an example as in `fail`.

        `transcript` gives the frames that led to it, without secrets; it is asked for the first
        few of each kind only.
        """
        self._count_with_example("violations", kind, detail, origin, transcript)

    def session_started(self) -> None:
        """Count a session and raise the gauge of live ones."""
        self._live_on()
        self._counts[Count.SESSIONS_STARTED] += 1
        self.live += 1
        if self.live > self._peak:
            self._peak = self.live

    def session_ended(self, ending: Ending) -> None:
        """Count how a session ended and lower the gauge of live ones."""
        self._live_on()
        self._counts[f"ended.{ending}"] += 1
        self.live -= 1

    def loop_lag(self, seconds: float, at: float | None = None) -> None:
        """Record how many seconds late the event loop woke the probe.

        One late probe stands for all that were due meanwhile: a stall of a second is no single
        sample of 1,000 ms among many good ones but ten, of 1,000, 900, … 100 ms, as each probe
        would have waited. Left out, that is coordinated omission (HdrHistogram's
        `recordValueWithExpectedInterval` is the same correction).
        """
        if at is None or at >= self.measure_from:
            lag = round(seconds * 1e6)
            found = self._generator["ending_lag_ms" if self.is_ending else "loop_lag_ms"]
            found.record_whole(lag)
            for missed in range(lag - _PROBE_MICROSECONDS, 0, -_PROBE_MICROSECONDS):
                found.record_whole(missed)

    def gauge(self, name: str, value: float, at: float | None = None) -> None:
        """Record one of `GAUGES`, in the unit that its name ends on, outside of the warm-up."""
        if not self.is_ending and (at is None or at >= self.measure_from):
            self._generator[name].record_whole(round(value * 1000))

    def take(self, now: float) -> Interval:
        """Close the interval at `now`, start the next, and return all since the last take."""
        self._live_on(now)
        self._close()
        interval = Interval(
            start=now if self._taken_at is None else self._taken_at,
            end=now,
            measure_from=self.measure_from,
            latency=_used(self._latency),
            from_schedule=_used(self._from_schedule),
            generator=_used(self._generator),
            ages=self._ages,
            counts={str(key): count for key, count in self._counts.items()},
            scopes={name: scope.take() for name, scope in self._scopes.items()},
            examples=self._examples,
            evidence=tuple(self._evidence),
            live=self.live,
            peak=self._peak,
            session_seconds=self._session_seconds,
            states=dict(self.states),
            waiting=self._waiting,
            by_turn=self._by_turn,
            turns=tuple(self._turns),
            slow=self._slow.told(),
            frames={
                "sent": self.frames_sent,
                "received": self.frames_received,
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
            },
        )
        self._taken_at, self._waiting = now, Waiting()
        self._open()
        return interval

    def _close(self) -> None:
        """Nothing more comes for the interval: complete what was put off while it ran."""
        for found in self._ages.values():
            self._latency[Phase.RESPONSE].merge(found)

    def _live_on(self, now: float | None = None) -> None:
        if now is None:
            if self._clock is None:
                return
            now = self._clock()
        if self._lived_until is not None:
            self._session_seconds += self.live * (now - self._lived_until)
        self._lived_until = now

    def _count_with_example(
        self,
        of: Literal["errors", "violations"],
        kind: str,
        detail: str,
        origin: Origin,
        transcript: Transcript = tuple,
    ) -> None:
        key = f"{of}.{kind}"
        self._counts[key] += 1
        if key not in self._exampled:
            self._exampled.add(key)
            self._examples[key] = one_line(detail, EXAMPLE_LENGTH)
        if self._kept[key] < EVIDENCE:
            self._kept[key] += 1
            self._evidence.append(
                Occurrence(
                    of=of,
                    kind=str(kind),
                    at="" if self._wall is None else to_the_millisecond(self._wall()),
                    detail=one_line(detail, EXAMPLE_LENGTH),
                    frames=tuple(one_line(frame, FRAME_LENGTH) for frame in transcript()),
                    **{name: one_line(text) for name, text in origin._asdict().items()},
                )
            )


def _used(found: Mapping[Any, Histogram]) -> dict[str, Histogram]:
    return {str(key): each for key, each in found.items() if each}
