"""A capacity search within one run: asks for a step's load, watches it, decides, goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

from loadkit.capacity.evidence import OUTCOME, LoadStep
from loadkit.capacity.load_schedule import LoadSchedule
from loadkit.capacity.search import CapacityResult, Search
from loadkit.capacity.settling import WINDOW
from loadkit.capacity.step import Stretch
from loadkit.capacity.step_verdict import at_rest, conclude, enough, hopeless, written_down
from loadkit.capacity.stored import SCHEMA
from loadkit.errors import UsageError
from loadkit.figures import DELIVERED_SHARE
from loadkit.measure.timeline import Row
from loadkit.profile.arrivals import Arrivals
from loadkit.profile.metrics import Metric
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load, Results
from loadkit.readiness.foresight import Doubt, Outings, too_patient, unjudged
from loadkit.report.live import clock
from loadkit.verdict.run_facts import Loss, RunFacts
from loadkit.verdict.validity import Validity, assess

AHEAD: Final = 0.5
"""Seconds from the decision for a load to its beginning: every worker has to know of it by then."""

_ROW: Final = 1.0
"""Seconds that a row of the timeline lasts at most: a step is judged by rows."""

_AT_MOST: Final = 3
"""Times the step's own length that it is measured while a percentile lacks samples."""

_DRAINED: Final = 0.05
"""Of the load that was too much, the sessions that may be left when a rest ends."""

Phase = Literal["rest", "ramp", "settle", "measure", "over"]


def for_search(profile: Profile) -> Profile:
    """Return the profile as a search runs it: all of the run is measured, in rows of a second.

    Raises:
        UsageError: it has no service level, or no time to tell whether a step is at rest.
    """
    # How fast something drifts is a question for a soak, and never known of a step.
    slo = tuple(limit for limit in profile.slo if Metric.parse(limit.metric).kind != "drift")
    if not slo:
        raise UsageError(
            f"{profile.name}: a capacity is the highest load that keeps the service level, and "
            'there is none; write one, such as\n\n[slo]\n"response.p95" = "2.5s"'
        )
    interval = min(_ROW, profile.results.interval)
    settle = profile.capacity.settle
    if settle < WINDOW * interval:
        raise UsageError(
            f"{profile.name}: capacity.settle ({settle:g} s) is too short: it takes {WINDOW} rows "
            f"of {interval:g} s to tell rest; give it {WINDOW * interval:g} s or more"
        )
    course = LoadSchedule(profile.load)
    course.go(0.0, profile.capacity.start, profile.capacity.ramp)
    return profile.model_copy(
        update={
            "load": course.load,
            "slo": slo,
            "abort": None,
            "results": Results(interval=interval),
        }
    )


def of_a_step(profile: Profile, session_kinds: Outings) -> Iterator[Doubt]:
    """Tell what the first step of a search, by `for_search`, will hardly be able to tell."""
    settings = profile.capacity

    def step(measure: float) -> Profile:
        course = LoadSchedule(profile.load)
        course.go(0.0, settings.start, settings.ramp)
        course.end(settings.ramp + measure)
        load = course.load.model_copy(update={"warmup": settings.ramp})
        return profile.model_copy(update={"load": load})

    yield from too_patient(step(settings.measure), session_kinds)
    fix = "measure for longer (capacity.measure) or start higher (capacity.start)"
    for doubt in unjudged(step(_AT_MOST * settings.measure), session_kinds):
        yield doubt._replace(fix=fix)


class SearchController:
    """Drives one search. It knows of no clock: it is looked at once a second.

    Args:
        profile: as of `for_search`.
        own_load: that of the profile's own stages, at most.
        earlier: the steps of an interrupted search, by the keys of `capacity.json`.
        ask: called with a new load; the load and the second of the run from which on it differs
            from the last one.
        save: called after each step.

    Raises:
        UsageError: the earlier steps are of another search.
    """

    def __init__(
        self,
        profile: Profile,
        own_load: float,
        earlier: Sequence[Mapping[str, Any]],
        ask: Callable[[Load, float], None],
        save: Callable[[], None],
    ) -> None:
        self._settings, self._ask, self._save = profile.capacity, ask, save
        self._limits = [(limit.metric, limit.limit) for limit in profile.slo]
        self._open = profile.load.model == "open"
        self._profile = profile
        self._own_load = own_load
        self._search = Search(self._settings, whole=not self._open)
        self.steps: list[dict[str, Any]] = [dict(step) for step in earlier]
        for step in self.steps:
            self._search.record(OUTCOME.decode(step["outcome"]))
        self._course = LoadSchedule(profile.load)
        self._phase: Phase = "over"
        self._began = self._until = 0.0
        self._users: list[tuple[float, float]] = []
        self._before, self._measured, self._rested = Stretch(), Stretch(), False
        self._lost: Sequence[Loss] = ()
        self._lost_before: Sequence[Loss] = ()
        self._live = self._peak = 0  # sessions: now, and in the step before
        self._begin(0.0)

    @property
    def load(self) -> Load:
        """What is asked for now."""
        return self._course.load

    @property
    def result(self) -> CapacityResult | None:
        """What the search came to; None while it goes on."""
        due = self._search.next()
        return due if isinstance(due, CapacityResult) else None

    @property
    def state(self) -> str:
        """Where it stands, in a few words."""
        due = self._search.next()
        if isinstance(due, CapacityResult):
            return "over"
        words = {
            "rest": "without load",
            "ramp": "ramping",
            "settle": "settling",
            "measure": f"measuring {self._measured.seconds:,.0f} s",
            "over": "",
        }[self._phase]
        return f"step {due.number}: {self._told(due.load)} ({due.kind}), {words}"

    @property
    def known(self) -> str:
        """What the steps so far have shown, in a few words."""
        low, high = self._search.bracket
        held = "" if low is None else f"{self._told(low)} held"
        broke = "" if high is None else f"{self._told(high)} did not hold"
        return ", ".join(filter(None, (held, broke))) or "nothing yet"

    def time_left(self, now: float) -> str:
        """How long it will still take, as far as that can be told at a second of the run."""
        due = self._search.next()
        if isinstance(due, CapacityResult):
            return "none"
        wait = max(0.0, self._until - now) if self._phase in ("rest", "ramp") else 0.0
        wait += self._settings.ramp if self._phase == "rest" else 0.0
        step = wait + max(0.0, due.measure_s - self._measured.seconds)
        spent = sum(outcome.seconds for outcome in self._search.outcomes) + now - self._began
        most = max(0.0, self._settings.budget - spent)
        return f"{clock(step)} or more for this step, {clock(most)} at most for the search"

    def _told(self, load: float) -> str:
        return f"{load:,g}{'/s' if self._open else ' users'}"

    def advance(
        self, now: float, rows: Sequence[Row], users: float, lost: Sequence[Loss] = ()
    ) -> None:
        """Take what is new; to be called about once a second.

        Args:
            now: seconds of the run.
            rows: of the timeline, closed since the last call.
            users: that there are now (closed model).
            lost: the workers that went away since the run began and are not back.
        """
        self._lost = lost
        step = self._search.next()
        if isinstance(step, CapacityResult):
            return
        self._users.append((now, users))
        if self._phase == "rest":
            self._rest(now, rows)
            return
        for row in rows:
            if row.start < self._until:  # still the ramp, or the step before
                continue
            (self._measured if self._phase == "measure" else self._before).add(row)
        if self._phase == "ramp" and now >= self._until:
            self._phase = "settle"
        if self._phase == "settle":
            if hopeless(self._before, self._limits):
                self._measured, self._rested = Stretch(self._before.rows[-WINDOW:]), False
                self._end(step, now)
                return
            self._rested = at_rest(self._before, self._limits)
            if self._rested or self._before.seconds >= self._settings.settle:
                self._phase = "measure"
        elif self._phase == "measure" and self._is_measured(step):
            self._end(step, now)

    def document(self) -> dict[str, Any]:
        """Return what is known so far, by the keys of `capacity.json`."""
        result = self.result
        return {
            "schema": SCHEMA,
            "profile": self._profile.name,
            "model": self._profile.load.model,
            "own_load": self._own_load,
            "slo": [{"metric": metric, "limit": limit} for metric, limit in self._limits],
            "settings": self._settings.model_dump(mode="json"),
            "capacity": None if result is None else asdict(result),
            "steps": self.steps,
        }

    # One step

    def _begin(self, now: float) -> None:
        step, since = self._search.next(), now + AHEAD if now else 0.0
        self._before, self._measured, self._rested = Stretch(), Stretch(), False
        if isinstance(step, CapacityResult):
            self._phase = "over"
            self._course.end(since)
            self._ask(self._course.load, since)
            return
        self._began = now
        if step.rest_s and now:
            self._phase, self._until = "rest", since + step.rest_s
            self._course.go(since, 0.0, 0.0)
            self._ask(self._course.load, since)
        else:
            self._ramp(step, since)

    def _rest(self, now: float, rows: Sequence[Row]) -> None:
        """Without load, until the time is over and what was begun has come to its end."""
        step = self._search.next()
        assert isinstance(step, LoadStep)
        self._live = rows[-1].live if rows else self._live
        drained = self._live <= _DRAINED * self._peak
        if now >= self._until and (drained or now >= self._until + self._settings.settle):
            self._ramp(step, now + AHEAD)

    def _ramp(self, step: LoadStep, since: float) -> None:
        self._phase, self._until = "ramp", since + self._settings.ramp
        self._lost_before = self._lost
        self._users = []
        self._course.go(since, step.load, self._settings.ramp)
        self._ask(self._course.load, since)

    def _end(self, step: LoadStep, now: float) -> None:
        measured = self._measured
        self._live = self._peak = max(1, measured.peak_concurrent)
        validity = self._assess(step, measured)
        outcome, lines = conclude(
            step.load,
            measured,
            self._limits,
            validity,
            at_rest=self._rested,
            seconds=now - self._began,
        )
        self.steps.append(written_down(step, outcome, measured, lines, validity, self._began))
        self._search.record(outcome)
        self._save()
        self._begin(now)

    def _is_measured(self, step: LoadStep) -> bool:
        seconds = self._measured.seconds
        return seconds >= step.measure_s and (
            seconds >= _AT_MOST * step.measure_s
            or enough(self._measured, self._limits)
            or hopeless(self._measured, self._limits)
        )

    def _assess(self, step: LoadStep, measured: Stretch) -> Validity:
        users = [users for at, users in self._users if measured.start <= at <= measured.end]
        looks = max(1, len(users))
        short = sum(each < DELIVERED_SHARE * step.load for each in users)
        facts = RunFacts(
            duration_s=measured.seconds,
            asked_users=None if self._open else step.load,
            peak_users=max(users, default=0.0),
            asked_sessions=self._due(measured) if self._open else None,
            undelivered_s=0.0 if self._open else measured.seconds * short / looks,
            workers_lost=tuple(loss for loss in self._lost if loss not in self._lost_before),
        )
        return assess(measured, facts)

    def _due(self, measured: Stretch) -> int:
        """How many arrivals the rows had to hold at least: at both ends a row may be a bit off."""
        begin, end, due = measured.start + _ROW, measured.end - _ROW, 0
        if end <= begin:
            return 0
        for _, moment in Arrivals(self._course.load, start=begin):
            if moment >= end:
                break
            due += 1
        return due
