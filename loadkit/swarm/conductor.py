"""The side that leads: what the master (or a lone process) does before, during and after a run."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import psutil
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_STOPPED, STATE_STOPPING, MasterRunner
from rich.console import Console

from loadkit.credentials import Credentials
from loadkit.errors import Failure, LoadkitError, UsageError
from loadkit.measure.abort import Watch
from loadkit.measure.chronicle import Chronicle
from loadkit.measure.ledger import Ledger
from loadkit.measure.slo import SloLine, judge
from loadkit.measure.summary import Summary, summarise
from loadkit.measure.timeline import Timeline
from loadkit.measure.verdict import Verdict
from loadkit.plan.delivery import Delivery
from loadkit.plan.profile import Profile, objectives_at, profile_folders
from loadkit.plan.settings import Load
from loadkit.report import capacity
from loadkit.report.annotations import lines as annotations
from loadkit.report.files import results_folder, write
from loadkit.report.terminal import render
from loadkit.swarm.courier import FAULT, INTERVAL, LAST
from loadkit.swarm.crew import Crew
from loadkit.swarm.deal import Deal
from loadkit.swarm.folder import Folder, run_info
from loadkit.swarm.metrics import Live
from loadkit.swarm.options import read_profile
from loadkit.swarm.preflight import preflight
from loadkit.swarm.progress import Progress
from loadkit.swarm.search import for_search
from loadkit.swarm.signals import cut_off
from loadkit.swarm.standing import besides
from loadkit.swarm.survey import Survey

__all__ = ["Conductor"]

logger = logging.getLogger(__name__)

DRAIN_LIMIT: Final = 20.0  # seconds that workers get to stop their users and hand over the rest
HURRY_LIMIT: Final = 6.0  # the same once a signal has come: it all is to be over within 10 s


class Conductor:
    """Leads runs one after the other; a headless process has just one.

    Attributes:
        summary: the result of the last run that ended.
        unwritten: why its results could not be written; None if they were.
        alone: takes the deals where there are no workers.
    """

    def __init__(self, environment: Environment, *, headless: bool) -> None:
        self._environment = environment
        self._headless = headless
        self._console = Console()
        self._process = psutil.Process()
        self._read: tuple[tuple[Any, ...], Profile] | None = None
        self._folder: Folder | None = None
        self._progress: gevent.Greenlet[[Profile], None] | None = None
        self._drained: Event | None = None
        self._hurried = False
        self._idle = Event()
        self._idle.set()
        self._run = ""
        self._began = self._ended = self._own_load = 0.0
        self._told = Progress(self._console)
        self.alone: Callable[[Deal], None] | None = None
        self._reset(None)
        runner = environment.runner
        self.crew: Crew | None = None
        if isinstance(runner, MasterRunner):
            self.crew = Crew(runner, self.profile)
            runner.register_message(INTERVAL, self._on_interval)
            runner.register_message(LAST, self._on_last)
            runner.register_message(FAULT, self._on_fault)

    def _reset(self, profile: Profile | None) -> None:
        """Know nothing yet of the coming run."""
        self._delivery = delivery = None if profile is None else Delivery(profile.load)
        self._timeline = Timeline()
        if profile is not None and delivery is not None:
            self._timeline = Timeline(profile.results.interval, delivery.asked_at)
        self._ledger = Ledger(self._timeline)
        self._chronicle = Chronicle(0.0 if profile is None else profile.load.warmup)
        self._generator: dict[str, dict[str, Any]] = {}  # by worker, of its last reports
        self._watch: Watch | None = None
        self._survey: Survey | None = None
        self._stopped_early: str | None = None
        self.fault_text: str | None = None
        self.summary: Summary | None = None
        self.unwritten: str | None = None

    # --- before -------------------------------------------------------------------------------

    def profile(self) -> Profile:
        """The profile that the options name now; read again only when they change.

        Raises:
            UsageError: there is none, or it holds mistakes.
        """
        options = self._environment.parsed_options
        if options is None:
            raise UsageError("loadkit runs from Locust's command line only")
        key = (options.profile, tuple(options.profile_overrides), options.capacity)
        if self._read is None or self._read[0] != key:
            profile = read_profile(options, self._classes())
            self._own_load = profile.load.peak_rate or profile.load.peak_users
            self._read = key, for_search(profile) if options.capacity else profile
        return self._read[1]

    def load(self) -> Load:
        """The load that is asked for now.

        Raises:
            UsageError: as `profile`.
        """
        return self.profile().load if self._survey is None else self._survey.load

    def as_run(self) -> Profile:
        """The profile as the workers get it: with the load of the run that has begun."""
        return self.profile().model_copy(update={"load": self.load()})

    def check(self, url: str | None) -> None:
        """Everything that can be wrong before any load.

        Raises:
            UsageError, TargetError
        """
        profile, options = self.profile(), self._environment.parsed_options
        if options is not None and options.resume:
            if not options.capacity:
                raise UsageError("--resume goes on with a capacity search: add --capacity")
            self._survey_of(profile)
        preflight(url, Credentials.of(os.environ))

    def make_folder(self) -> None:
        """Make the results folder of the coming run.

        Raises:
            UsageError: it cannot be written to.
        """
        assert self._environment.parsed_options is not None
        parent = Path(self._environment.parsed_options.results_parent)
        self._folder = Folder(results_folder(parent, self.profile().name, datetime.now(UTC)))

    def withdraw(self) -> None:
        """There will be no run: leave no empty folder."""
        if self._folder is not None:
            with suppress(OSError):
                self._folder.path.rmdir()

    def refuse(self, error: LoadkitError) -> None:
        """A run that was asked for cannot be."""
        logger.error("%s", error)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no run is under way. Returns whether that came about."""
        if self._drained is None and not self._idle.is_set():
            return False  # nobody has told it to stop
        return self._idle.wait(seconds)

    # --- during -------------------------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return perf_counter() - self._began

    def start(self) -> str:
        """A run begins: before the first user. Returns the run's name."""
        profile = self.profile()
        if self._folder is None:
            self.make_folder()
        assert self._folder is not None
        self._reset(profile)
        if self._environment.parsed_options.capacity:  # type: ignore[union-attr]
            self._survey = self._survey_of(profile, self._ask)
            self._survey.begin(self._folder.path, self._head)
        if profile.abort is not None:
            self._watch = Watch(profile.abort.grace, profile.abort.metrics)
        started = datetime.now(UTC)
        self._run = started.isoformat(timespec="microseconds")
        head = {
            "interval": profile.results.interval,
            "what": self._what(profile),
            "run": run_info(profile, self._run[:19] + "Z", self._environment.host),
        }
        self._folder.begin(started, lambda: gevent.sleep(0), head)
        self._drained = None
        self._idle.clear()
        self._began, self._ended = perf_counter(), 0.0
        for user_class in self._environment.user_classes:
            user_class.weight = profile.mix.get(user_class.__name__, 0)
        if self.crew is not None:
            self.crew.begin(self._run, dealt_out_anew=profile.load.model == "open")
        self._folder.look(0.0, [], self._standing(0), self._ledger)
        self._progress = gevent.spawn(self._follow, profile)
        return self._run

    def _survey_of(self, profile: Profile, *ask: Callable[[Load, float], None]) -> Survey:
        resume = self._environment.parsed_options.resume  # type: ignore[union-attr]
        return Survey(profile, self._own_load, resume or "", *ask)

    def _head(self) -> dict[str, Any]:
        """What `capacity.json` says of the run itself."""
        return {
            "target": self._environment.host or "",
            "started_at": self._run[:19] + "Z",
            "duration_s": round(self.elapsed_s, 3),
        }

    def _ask(self, load: Load, since: float) -> None:
        """The search asks for another load."""
        assert self._delivery is not None
        self._delivery.follow(load)
        if load.model == "closed" or not since:
            return  # users are Locust's affair, and what holds from the start on is everyone's
        if self.crew is not None:
            self.crew.follow(load.stages, self.elapsed_s, since)
        elif self.alone is not None:
            stages = [stage.model_dump() for stage in load.stages]
            self.alone(Deal(self._run, self.elapsed_s, since_s=since, stages=stages))

    def add(self, worker: str, seq: int, interval: dict[str, Any]) -> None:
        """Take an interval of a worker."""
        now = self.elapsed_s
        if self._ledger.add(worker, seq, interval, now):
            if self._folder is not None:
                self._folder.note(worker, seq, now, interval)
            # What a report leaves out, open files for one, stands as it was.
            self._generator.setdefault(worker, {}).update(interval["generator"])
            if self.crew is not None:
                self.crew.hear(worker, now, interval["live"])

    def fault(self, text: str) -> None:
        """This tool itself failed: the figures are worth nothing, stop."""
        if self.fault_text is None:
            self.fault_text = text
            logger.critical("stopping the run, a fault of this tool: %s", text)
            gevent.spawn(self.stop)

    def stop(self) -> None:
        """End the run before its time."""
        runner = self._environment.runner
        ending = (STATE_CLEANUP, STATE_STOPPING, STATE_STOPPED)
        if runner is None or self._drained is not None or runner.state in ending:
            return  # often it is the shape's greenlet that sees to the end of a run
        if self._headless and runner.shape_greenlet is not None:
            runner.shape_greenlet.kill(block=False)  # Locust's main greenlet waits for it alone
        else:
            runner.stop()

    def hurry(self) -> None:
        """A signal has come: nobody's session is waited for any more."""
        self._hurried = True
        if self._environment.runner is not None:
            cut_off(self._environment.runner)
        draining = self._drained is not None and not self._drained.is_set()
        if self.crew is not None and draining:
            self.crew.hurry(HURRY_LIMIT)

    def live(self) -> Live:
        """What Prometheus gets to see now."""
        runner, profile = self._environment.runner, self._read[1] if self._read else None
        delivery = self._delivery if self._under_way else None
        asked = delivery.asked_at(self.elapsed_s) if delivery is not None else {}
        clients = runner.clients.all if isinstance(runner, MasterRunner) else []
        return Live(
            self._ledger,
            profile=profile.name if profile is not None and self._run else "",
            run=self._run,
            users_asked=asked.get("users", 0),
            users=self._user_count,
            workers=Counter(client.state for client in clients),
            generator={
                worker: figures
                for worker, figures in self._generator.items()
                if self.crew is None or worker in self.crew.roster.present
            },
        )

    @property
    def _under_way(self) -> bool:
        return self._drained is None and not self._idle.is_set()

    def _follow(self, profile: Profile) -> None:
        """Once a second: the workers, the load, the files, the objectives, the reader."""
        seconds = 0
        while True:
            gevent.sleep(max(0.0, self._began + seconds + 1 - perf_counter()))
            seconds += 1
            now = self.elapsed_s
            self._look_after_workers()
            assert self._delivery is not None
            assert self._folder is not None
            if self.crew is not None and now >= profile.load.warmup:
                self._ledger.lead(self._process.memory_info().rss / 1e6)
            rows, users = self._timeline.closed(now), self._users(now)
            self._delivery.look(now, users)
            self._folder.look(now, rows, self._standing(users), self._ledger)
            if self._survey is not None:
                self._survey.look(
                    now, rows, users, list(self.crew.roster.lost) if self.crew else []
                )
            else:
                # What is closed while the run drains may lie before its end, and belongs to it.
                ended_s = self._ended - self._began if self._ended else None
                self._chronicle.add(rows, ended_s)
            self._look_at_objectives(profile, now)
            if self._headless and self._survey is not None:
                self._told.say_step(now, self._survey.state)
            elif self._headless:
                self._told.say(now, profile.duration_s, self._user_count, self._ledger)

    def greet(self, worker: str) -> None:
        """A worker has connected; Locust knows it a moment later."""
        gevent.spawn(self._look_after_workers)

    def _look_after_workers(self) -> None:
        if self.crew is not None and self._under_way:
            self.crew.look(self.elapsed_s)

    def _users(self, now: float) -> int:
        return self._user_count if self.crew is None else self.crew.users_at_work(now)

    @property
    def _user_count(self) -> int:
        """The users that Locust counts."""
        runner = self._environment.runner
        return 0 if runner is None else runner.user_count

    def _look_at_objectives(self, profile: Profile, now: float) -> None:
        if self._watch is None or self._stopped_early is not None or now < profile.load.warmup:
            return
        lines: list[SloLine] = []
        for limit in profile.slo:
            lines += judge([(limit.metric, limit.limit)], self._ledger)
            gevent.sleep(0)  # a line takes some milliseconds, and a lone process also loads
        broken = self._watch.look(now, lines)
        if broken is not None and profile.abort is not None:
            self._stopped_early = (
                f"ended after {now:.0f} s: {broken} for {profile.abort.grace:g} s ([abort])"
            )
            gevent.spawn(self.stop)

    def _what(self, profile: Profile) -> dict[str, Any]:
        """What is run; it stays the same from the start on."""
        return {
            "profile": profile.name,
            "started_at": self._run[:19] + "Z",
            "target": self._environment.host or "",
            "limits": [(one.metric, one.limit) for one in profile.slo if self._survey is None],
            "strict": self._environment.parsed_options.strict,  # type: ignore[union-attr]
        }

    def _besides(self) -> dict[str, Any]:
        """What the summary will tell besides the ledger, as of now."""
        assert self._delivery is not None
        roster = None if self.crew is None else self.crew.roster
        return besides(self.load().model, self._delivery, roster, self._stopped_early)

    def _standing(self, users: int) -> dict[str, Any]:
        """What the journal is told once a second."""
        load = self.load().model_dump(mode="json")
        return {"users": users, "load": load, "besides": self._besides()}

    # --- messages of workers ------------------------------------------------------------------

    def _on_interval(self, environment: Any, msg: Any) -> None:
        assert self.crew is not None
        if msg.data["run"] == self._run and msg.node_id not in self.crew.roster.refused:
            self.add(msg.node_id, msg.data["seq"], msg.data["interval"])
        self.crew.acknowledge(msg)

    def _on_last(self, environment: Any, msg: Any) -> None:
        assert self.crew is not None
        if msg.data["run"] == self._run and msg.node_id not in self.crew.roster.refused:
            self._ledger.expect(msg.node_id, msg.data["seq"])
            self.crew.has_finished(msg.node_id)

    def _on_fault(self, environment: Any, msg: Any) -> None:
        if msg.data["run"] == self._run:
            self.fault(msg.data["text"])

    def _classes(self) -> Sequence[str]:
        available = self._environment.available_user_classes or {}
        return list(available) or [cls.__name__ for cls in self._environment.user_classes]

    # --- after --------------------------------------------------------------------------------

    def drain(self) -> None:
        """The run is to stop: have every worker stop its users and hand over the rest."""
        if self._drained is not None:  # Locust's two ways to stop may meet
            self._drained.wait()
            return
        self._look_after_workers()
        self._drained = Event()
        self._ended = perf_counter()
        try:
            if self.crew is not None and self._hurried:
                self.crew.hurry(HURRY_LIMIT)
                self.crew.drain(HURRY_LIMIT)
            elif self.crew is not None:
                self.crew.drain(DRAIN_LIMIT + (self._environment.stop_timeout or 0))
        finally:
            self._drained.set()

    def finish(self) -> None:
        """All is handed over: freeze, write, tell."""
        try:
            self._conclude()
        finally:
            self._idle.set()

    def _conclude(self) -> None:
        if self._progress is not None:
            self._progress.kill()
            self._progress = None
        folder, self._folder = self._folder, None
        if folder is None or self._delivery is None:
            return
        assert self._environment.parsed_options is not None
        profile, delivery, crew = self.profile(), self._delivery, self.crew
        duration_s = round((self._ended or perf_counter()) - self._began, 3)
        rows = self._timeline.finish()
        folder.write_rows(rows)
        if self._survey is None:
            self._chronicle.add(rows, duration_s)
        told = self._besides()
        if crew is not None:
            told["workers_lost"] = [asdict(loss) for loss in crew.losses(duration_s)]
        self.summary = summarise(
            self._ledger,
            **self._what(profile),
            **told,
            duration_s=duration_s,
            workers=max(1, self._ledger.workers),
            asked_sessions=delivery.asked_sessions(duration_s),
            local_limits=self._ledger.counts[f"errors.{Failure.LOCAL_LIMIT}"],
            chronicle=self._chronicle,
        )
        found = None if self._survey is None else self._survey.result()
        if found is not None:
            verdict = Verdict("none", "valid", (found["sentence"],), found["exit_code"])
            self.summary = replace(self.summary, verdict=verdict)
        examples = self._ledger.examples
        info = run_info(profile, self.summary.started_at, self._environment.host)
        summary, transcripts = self.summary, self._ledger.transcripts

        def write_all(path: Path) -> None:
            if found is not None:
                capacity.save(path, found)
            lead = "" if found is None else f"{capacity.document(found)}\n"
            write(path, summary, info, examples, transcripts, lead)

        self.unwritten = folder.finish(write_all)
        self._told.clear()
        if found is None:
            render(self.summary, self._console, examples)
        else:
            capacity.render(found, self._console)
        self._console.print(f"results: {folder.path}", highlight=False, soft_wrap=True)
        for text in annotations(self.summary, os.environ, self._source()):
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        if self.unwritten is not None:
            logger.error("%s", self.unwritten)

    def _source(self) -> tuple[str, dict[str, int]] | None:
        """Where the objectives are written, for whoever shows a problem beside its line."""
        assert self._environment.parsed_options is not None
        with suppress(UsageError):  # the file may be gone by now
            path, lines = objectives_at(self._environment.parsed_options.profile, profile_folders())
            with suppress(ValueError):  # elsewhere than in the folder that a CI system looks at
                path = str(Path(path).resolve().relative_to(Path.cwd()))
            return path, lines
        return None
