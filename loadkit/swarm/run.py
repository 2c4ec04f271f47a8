"""One run as it goes: what is asked for, what is measured of it, and where that is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from loadkit.capacity import document
from loadkit.capacity.adapter import CapacityAdapter
from loadkit.errors import Failure
from loadkit.exit_codes import ExitCode
from loadkit.figures import Count
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recent import RecentRows
from loadkit.measure.timeline import Timeline
from loadkit.net.http.target import Way
from loadkit.profile.delivery import Delivery
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.readiness.foresight import Doubt
from loadkit.report.live import LiveFigures
from loadkit.results.journal_lines import Head
from loadkit.results.run_folder import write
from loadkit.soak.run_analysis import RunAnalysis
from loadkit.stats.histogram import Histogram
from loadkit.stats.number_format import number
from loadkit.swarm.run_files import RunFiles, run_info
from loadkit.swarm.workers.membership import Membership
from loadkit.verdict.run_facts import DoneByHand, Loss, RunFacts, RunSpec
from loadkit.verdict.slo import AbortWatch, SloLine, judge
from loadkit.verdict.summary import Summary, summarise
from loadkit.verdict.validity import Validity, assess
from loadkit.verdict.verdict import of_search

if TYPE_CHECKING:
    from loadkit.pages.course import Course

NOBODY_STARTS: Final = 10.0
"""Seconds after which a run ends to which the user's own code has let nobody come."""

ON_ITS_WAY: Final = 3.0
"""Seconds for a session that was to begin to do so, and for a worker's report of it to come."""

EARLY: Final = 0.1
"""Seconds; the stages are told to be over by a timer, which may fire a moment early."""


class Run:
    """A run from its first second to its summary. It knows of no greenlet and of no process.

    Args:
        profile: what is run.
        target: whom it is run against.
        folder: where its results go.
        way: how the target is reached; None where nothing is to be said of it.
        strict: whether an objective that too few samples decide on is broken.
        pause: called between two pieces of work of some milliseconds, to let others run.
        doubts: what it will hardly be able to tell, as was foreseen.
        course: takes what its charts show while it goes on; None where nobody watches.
        again: the command that runs it again.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        profile: Profile,
        target: str,
        folder: RunFiles,
        *,
        way: Way | None = None,
        strict: bool,
        pause: Callable[[], None],
        doubts: Sequence[Doubt] = (),
        course: "Course | None" = None,
        again: str = "",
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._started = datetime.now(UTC)
        # when it began, by the wall clock
        self.name = self._started.isoformat(timespec="microseconds")
        self.profile, self.target, self.folder = profile, target, folder
        self._strict, self._pause = strict, pause
        self._clock, self._doubts, self._again = clock, doubts, again
        self._way = way or Way({}, ())
        self._delivery = Delivery(profile.load)
        self._timeline = Timeline(profile.results.interval, self._delivery.asked_at)
        self.ledger = Ledger(self._timeline)  # what was measured
        self._recent = RecentRows()
        self._chronicle = RunAnalysis(profile.load.warmup, self._delivery.asked_at)
        self.course = course  # as it was given
        abort = profile.abort
        self._watch = None if abort is None else AbortWatch(abort.grace, abort.metrics)
        # the capacity search that asks for the load; None where the profile's stages do
        self.adapter: CapacityAdapter | None = None
        # by worker, what it said of itself last
        self.generator: dict[str, dict[str, Histogram]] = {}
        self.summary: Summary | None = None  # what it came to, once it is over
        # what the capacity search came to, by the keys of `capacity.json`, likewise
        self.found: dict[str, Any] | None = None
        self.unwritten: str | None = None  # why its files could not be written; None if they were
        # what was done to it while it went on, as of `run.json`
        self.by_hand: list[DoneByHand] = []
        self._load = profile.load
        # how the user's own code failed, each with its traceback
        self.own_code: dict[str, str] = {}
        self.fault: str | None = None  # how this tool failed; None if it did not
        self._aborted: str | None = None
        self._stopped_by: str | None = None
        self._began = self._ended = 0.0

    def search(self, adapter: CapacityAdapter) -> None:
        """Have a capacity search ask for the load, from the beginning on."""
        self.adapter = adapter
        adapter.begin(self.folder.path, self._head)

    def begin(self) -> None:
        """It begins now: before the first user."""
        interval = self.profile.results.interval
        head = Head(self._started, interval, self._spec, self._info())
        self.folder.begin(head, self._pause)
        self.folder.write_second(0.0, [], 0, self.load, self._facts(None), self.ledger)
        self._began = self._clock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._began

    @property
    def duration_s(self) -> float:
        """Seconds from its beginning to its end."""
        return round(self._ended - self._began, 3)

    @property
    def load(self) -> Load:
        """What is asked for."""
        return self._load if self.adapter is None else self.adapter.load

    @property
    def asked_users(self) -> float:
        """How many users are asked for now."""
        return self.asked.get("users", 0)

    @property
    def asked(self) -> Mapping[str, float]:
        """What is asked for now: `users`, or `arrivals_per_second`."""
        return self._delivery.asked_at(self.elapsed_s)

    def follow(self, load: Load) -> None:
        """Another load is asked for."""
        self._load = load
        self._delivery.follow(load)

    def note_by_hand(self, done: DoneByHand) -> None:
        """Take note for its record of what somebody does to it, or marks."""
        self.by_hand.append(replace(done, at_s=round(done.at_s, 3)))
        self.folder.note_by_hand(self.by_hand)

    def add(self, worker: str, seq: int, interval: Interval) -> bool:
        """Take an interval of a worker. Returns whether it is one that was not there yet."""
        now = self.elapsed_s
        if not self.ledger.add(worker, seq, interval, now):
            return False
        if self.summary is None:
            self.folder.note(worker, seq, now, replace(interval, turns=()))
            since = now - interval.end
            self.folder.note_turns(turn._replace(at_s=turn.at_s + since) for turn in interval.turns)
        # What a report leaves out, open files for one, stands as it was.
        self.generator.setdefault(worker, {}).update(interval.generator)
        return True

    def tick(self, now: float, users: int, membership: Membership | None) -> None:
        """Take stock and write it down; to be called once a second, with the users at work and the
        workers so far, None for a process that is alone.
        """
        rows = self._timeline.closed(now)
        if self.course is not None:
            self.course.add(rows)
        self._recent.add(rows)
        self._delivery.observe(now, users)
        if self.adapter is None:
            # Before anything is written: others run meanwhile, and may be who ends the run. What is
            # closed while the run drains may lie before its end, and belongs to it.
            self._chronicle.add(rows, self.duration_s if self._ended else None)
        self.folder.write_second(now, rows, users, self.load, self._facts(membership), self.ledger)
        if self.adapter is not None:
            self.adapter.advance(
                now, rows, users, list(membership.lost.values()) if membership else []
            )

    def figures(self, now: float, users: int, membership: Membership | None) -> LiveFigures:
        """Return how it stands; see `tick`."""
        # Past the last stage nothing is asked for, and those who are there come to their end.
        asked = self._delivery.asked_at(min(now, self.load.duration_s - EARLY))
        return LiveFigures.of(
            self.ledger,
            self.profile,
            self._recent,
            target=self.target,
            elapsed_s=now,
            users=users,
            asked=next(iter(asked.values())),
            validity=self.validity(membership),
        )

    def nobody_starts(self, now: float) -> bool:
        """Whether the user's own code has let nobody begin a session for a while."""
        counts = self.ledger.counts
        begun = counts[Count.SESSIONS_STARTED]
        failed = counts[f"errors.{Failure.OWN_CODE}"]
        return now > NOBODY_STARTS and bool(failed) and not begun

    def is_hopeless(self, now: float) -> bool:
        """Look at the objectives; tell, once, that one was broken for longer than `[abort]` has."""
        if self._watch is None or self._aborted is not None or now < self.profile.load.warmup:
            return False
        lines: list[SloLine] = []
        for limit in self.profile.slo:
            lines += judge([(limit.metric, limit.limit)], self.ledger)
            self._pause()  # a line takes some milliseconds, and a lone process also loads
        broken, abort = self._watch.lasting_breach(now, lines), self.profile.abort
        if broken is None or abort is None:
            return False
        self._aborted = f"ended after {now:,.0f} s: {broken} for {abort.grace:,g} s ([abort])"
        return True

    def validity(self, membership: Membership | None) -> Validity:
        """Whether it may be believed so far, while it goes on; `membership` as in `tick`."""
        now = self.elapsed_s
        facts = replace(
            self._facts(membership),
            duration_s=now,
            asked_sessions=self._delivery.asked_sessions(max(0.0, now - ON_ITS_WAY)),
        )
        return assess(self.ledger, facts)

    def objectives(self) -> tuple[SloLine, ...]:
        """How its objectives fare so far; empty where a search looks after them itself."""
        lines: list[SloLine] = []
        for limit in self._spec.limits:
            lines += judge([limit], self.ledger)
            self._pause()
        return tuple(lines)

    def stopped_by(self, what: str) -> None:
        """Take note of what ends it, should that turn out to be before its time."""
        self._stopped_by = self._stopped_by or what

    def end(self) -> None:
        """From now on users leave, because the run is to end. May be called twice."""
        self._ended = self._ended or self._clock()

    def conclude(self, membership: Membership | None, losses: Sequence[Loss]) -> None:
        """Everything is handed over: freeze it and write it down.

        Args:
            membership: as in `tick`.
            losses: the workers that went away, or never handed over what they measured last.
        """
        self.end()
        rows = self._timeline.finish()
        self.folder.write_rows(rows)
        if self.course is not None:
            self.course.add(rows)
        if self.adapter is None:
            self._chronicle.add(rows, self.duration_s)
        facts = replace(
            self._facts(membership),
            duration_s=self.duration_s,
            asked_sessions=self._delivery.asked_sessions(self.duration_s),
            workers_lost=tuple(losses),
        )
        summary = summarise(self.ledger, self._spec, facts, self._chronicle)
        found = None if self.adapter is None else self.adapter.outcome()
        final = (ExitCode.USAGE, ExitCode.FAULT_OF_OURS)
        if found is not None and summary.verdict.exit_code not in final:
            verdict = of_search(found["sentence"], found["exit_code"])
            summary = replace(summary, verdict=verdict)
        self.summary, self.found = summary, found
        self.unwritten = self.folder.finish(self._write)

    def _write(self, folder: Path) -> None:
        """What is written at the end, and may be tried again."""
        from loadkit.pages.report import write_report  # numpy, which no worker is to pay for

        assert self.summary is not None
        lead = ""
        if self.found is not None:
            document.save(folder, self.found)
            lead = f"{document.document(self.found)}\n"
        ledger = self.ledger
        info, kept = self._info(), (ledger.examples, ledger.evidence, ledger.slow)
        write(folder, self.summary, info, *kept, lead)
        write_report(folder)

    @property
    def _spec(self) -> RunSpec:
        """What is run; it stays the same from the start on."""
        searches = self.adapter is not None
        limits = () if searches else self.profile.slo
        return RunSpec(
            self.profile.name,
            self._started_at,
            self.target,
            limits=tuple((each.metric, each.limit) for each in limits),
            strict=self._strict,
            warmup_s=0.0 if searches else self.profile.load.warmup,
            notes=tuple(self._way.notes),
            foreseen={doubt.metric: doubt.fix for doubt in self._doubts if doubt.metric},
        )

    def _head(self) -> dict[str, Any]:
        """What `capacity.json` says of the run itself."""
        return {
            "target": self.target,
            "notes": list(self._way.notes),
            "started_at": self._started_at,
            "duration_s": round(self.elapsed_s, 3),
        }

    def _info(self) -> dict[str, Any]:
        info = run_info(self.profile, self._started_at, self.target, self._way.told, self._again)
        return info | {"warnings": [*map(str, self._doubts)]}

    @property
    def _started_at(self) -> str:
        return self.name[:19] + "Z"

    def _facts(self, membership: Membership | None) -> RunFacts:
        """What is known besides what was measured, as of now; its time aside."""
        workers = Membership() if membership is None else membership
        return RunFacts(
            asked_users=self._delivery.asked if self.load.model == "closed" else None,
            peak_users=self._delivery.reached,
            undelivered_s=round(self._delivery.undelivered_s, 1),
            workers_lost=tuple(workers.lost.values()),
            without_workers=tuple(map(replace, workers.absences)),
            workers_refused=tuple(workers.refused),
            heartbeats_lost=workers.heartbeats_lost,
            aborted=self._aborted,
            stopped=self._stopped,
            own_code=dict(self.own_code),
            fault=self.fault,
            by_hand=tuple(self.by_hand),
        )

    @property
    def _stopped(self) -> str | None:
        """When and by what it was ended before its time; None if it was not, or by `[abort]`."""
        asked = self.load.duration_s
        if not self._ended or self._aborted is not None or self.duration_s > asked - EARLY:
            return None
        of = f"of {number(asked)} s" if self.adapter is None else "s, the search being under way"
        by = self._stopped_by or "Locust, or code of the locustfile"
        return f"after {number(round(self.duration_s, 1))} {of}, by {by}"
