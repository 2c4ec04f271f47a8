"""The side that leads: what the master (or a lone process) does before, during and after a run."""

import logging
from math import ceil
from time import time
from typing import TYPE_CHECKING, Final

import gevent
import psutil
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_CLEANUP, MasterRunner

from loadkit.exit_codes import ExitCode
from loadkit.machine import lifeline
from loadkit.measure.interval import Interval
from loadkit.network import Network
from loadkit.output import remark, say
from loadkit.profile.profile import Profile
from loadkit.profile.tables import Load
from loadkit.report.screen import Screen
from loadkit.swarm.locust_internals.patches import measure_from
from loadkit.swarm.messages import Assignment, Fault, Last, OwnCode, Report, listen
from loadkit.swarm.next_run import NextRun
from loadkit.swarm.process import FAULTY, Stage, cut_off
from loadkit.swarm.progress import Progress, conclude
from loadkit.swarm.run import Run
from loadkit.swarm.worker.worker import Worker
from loadkit.swarm.workers.pool import WorkerPool
from loadkit.swarm.workers.replacements import Replacements

if TYPE_CHECKING:
    from loadkit.pages.course import Course

logger = logging.getLogger(__name__)

DRAIN_LIMIT: Final = 20.0  # seconds that workers get to stop their users and hand over the rest
HURRY_LIMIT: Final = 6.0  # the same once a signal has come: it all is to be over within 10 s
ORPHANED_LIMIT: Final = 1.5  # the same where what has started this process is gone


class RunController:
    """Leads runs one after the other; a headless process has just one.

    Args:
        network: how every target of it is reached, whatever a form says.
        headless: whether there is just one run.
    """

    def __init__(self, environment: Environment, network: Network, *, headless: bool) -> None:
        assert environment.runner is not None
        assert environment.parsed_options is not None
        self._environment, self._runner = environment, environment.runner
        self._options, self._headless = environment.parsed_options, headless
        self._tells = headless or self._options.autostart  # of a run that a terminal began
        self._console = Screen()
        self._told = Progress(self._console, quiet=self._options.tell != "all")
        self._process = psutil.Process()
        self._main = gevent.getcurrent()
        self._run: Run | None = None  # under way, or the last one
        self._following: gevent.Greenlet[[Run], None] | None = None
        self._drained: Event | None = None
        self._hurry_limit: float | None = None  # seconds, once a signal has come
        self._idle = Event()
        self._idle.set()
        self._fault: str | None = None
        self._compared: int = ExitCode.OK  # what a comparison of the last run came to
        self.next = NextRun(environment, network, self._announce)  # the run to come
        # the part of this process that loads, where there are no workers
        self.lone: Worker | None = None
        self.pool: WorkerPool | None = None  # the workers; None where there are none
        self.replacements: Replacements | None = None  # starts them again, likewise
        if isinstance(runner := self._runner, MasterRunner):
            self.pool = WorkerPool(runner, self.next.profile)
            self.replacements = Replacements(self._options, self._give_up)
            listen(runner, Report, self._on_report)
            listen(runner, Last, self._on_last)
            listen(runner, Fault, self._on_fault)
            listen(runner, OwnCode, self._on_own_code)
            gevent.spawn(self._mind, self.pool)

    def _announce(self, text: str) -> None:
        (say if self._options.tell == "all" else remark)(text)

    # --- where it stands ----------------------------------------------------------------------

    def load(self) -> Load:
        """The load that is asked for now.

        Raises:
            UsageError: no profile is named, or it holds mistakes.
        """
        run = None if self._idle.is_set() else self._run
        return self.next.profile().load if run is None else run.load

    def as_run(self) -> Profile:
        """The profile as the workers get it: with the load of the run that has begun."""
        return self.next.profile().model_copy(update={"load": self.load()})

    @property
    def exit_code(self) -> int | None:
        """What the last run came to; None before one is over."""
        run = self._run
        if self._fault is not None:
            return ExitCode.FAULT_OF_OURS
        if run is None or run.summary is None:
            return None
        return run.summary.verdict.exit_code or (
            self._compared if run.unwritten is None else ExitCode.USAGE
        )

    @property
    def run(self) -> Run | None:
        """The run under way, or the last one; None before the first."""
        return self._run

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no run is under way. Returns whether that came about."""
        if self._drained is None and not self._idle.is_set():
            return False  # nobody has told it to stop
        return self._idle.wait(seconds)

    @property
    def stage(self) -> Stage:
        """Where it stands now."""
        if self._idle.is_set():
            over = self._run is not None and self._run.summary is not None
            return "writing" if over else "before"
        if self._drained is None:
            return "under way"
        return "writing" if self._drained.is_set() else "ending"

    # --- during -------------------------------------------------------------------------------

    def start(self) -> str:
        """A run begins: before the first user. Returns the run's name."""
        profile, doubts = self.next.profile(), self.next.doubts()
        self._fault = self._drained = None
        self._run = run = Run(
            profile,
            self._environment.host or "",
            self.next.take_folder(),
            way=self.next.way,
            strict=self._options.strict,
            pause=lambda: gevent.sleep(0),
            doubts=doubts,
            course=None if self._headless else _course(profile),
            again=self.next.again(),
        )
        for doubt in doubts:
            if self._tells:
                self._announce(f"warning: {doubt}")
            else:  # Locust's page shows the log
                logger.warning("%s", doubt)
        adapter = self.next.adapter(self.follow)
        if adapter is not None:
            run.search(adapter)
        run.begin()
        measure_from(self._environment.stats, time() + profile.load.warmup)
        self._idle.clear()
        for user_class in self._environment.user_classes:
            user_class.weight = profile.mix.get(user_class.__name__, 0)
        if self.pool is not None:
            self.pool.begin(run.name, dealt_out_anew=profile.load.model == "open")
        self._following = gevent.spawn(self._follow, run)
        return run.name

    def follow(self, load: Load, since: float) -> None:
        """The search, or somebody by hand, asks for another load from second `since` on."""
        run = self._run
        assert run is not None
        run.follow(load)
        if load.model == "closed" or not since:
            return  # users are Locust's affair, and what holds from the start on is everyone's
        if self.pool is not None:
            self.pool.follow(load.stages, run.elapsed_s, since)
        elif self.lone is not None:
            self.lone.take(Assignment(run.name, run.elapsed_s, since_s=since, stages=load.stages))

    def add(self, worker: str, seq: int, interval: Interval) -> None:
        """Take an interval of a worker."""
        run = self._run
        if run is not None and run.add(worker, seq, interval) and self.pool is not None:
            self.pool.hear(worker, run.elapsed_s, interval.live)

    def fault(self, text: str, trace: str) -> None:
        """This tool itself failed: the figures are worth nothing, stop."""
        if self._fault is None:
            self._fault = text
            logger.critical(FAULTY, text, trace)
            if self._run is None:
                self.next.withdraw()
                gevent.kill(self._main, SystemExit(ExitCode.FAULT_OF_OURS))
                return
            self._run.fault = text
            self._give_up(f"a fault of loadkit itself: {text}")

    def ran_out(self, text: str, _: str) -> None:
        """There is no file, port or memory left for what leads the run."""
        logger.critical("this machine has no room left: %s", text)
        self._give_up(f"this machine, which had no room left ({text})")

    def own_code(self, text: str, trace: str) -> None:
        """The user's own code failed in a way that is new, here or on a worker."""
        if self._run is None or self._run.own_code.setdefault(text, trace) is trace:
            logger.error("a failure of your own code, told once: %s\n%s", text, trace)

    def _give_up(self, why: str) -> None:
        self.stopped_by(why)
        gevent.spawn(self.stop)

    def stopped_by(self, what: str) -> None:
        """Take note of what ends the run under way, for its results."""
        if self._run is not None:
            self._run.stopped_by(what)

    def stop(self) -> None:
        """End the run before its time."""
        runner = self._runner
        if self._drained is not None or runner.state == STATE_CLEANUP:
            return  # often it is the shape's greenlet that sees to the end of a run
        if not self._headless:
            runner.stop()
        elif runner.shape_greenlet is not None:
            runner.shape_greenlet.kill(block=False)  # Locust's main greenlet waits for it alone
        else:
            runner.quit()

    def hurry(self) -> None:
        """A signal has come: nobody's session is waited for any more."""
        self._hurry_limit = ORPHANED_LIMIT if lifeline.is_cut() else HURRY_LIMIT
        if self.lone is not None:
            self.lone.hurry()
        cut_off(self._runner)
        draining = self._drained is not None and not self._drained.is_set()
        if self.pool is not None and draining:
            self.pool.hurry(self._hurry_limit)

    def _follow(self, run: Run) -> None:
        seconds = 0
        while True:
            # A second that the machine slept through, or was too busy for, is not made up for.
            seconds = max(seconds + 1, ceil(run.elapsed_s))
            gevent.sleep(max(0.0, seconds - run.elapsed_s))
            self._take_stock(run, run.elapsed_s)

    def _take_stock(self, run: Run, now: float) -> None:
        """Once a second: the workers, the load, the files, the objectives, the reader."""
        self.look_after_workers()
        users, membership = self._runner.user_count, None
        if self.pool is not None:
            users, membership = self.pool.users_at_work(now), self.pool.membership
            if now >= run.profile.load.warmup:
                run.ledger.lead(self._process.memory_info().rss / 1e6)
        run.tick(now, users, membership)
        if self.replacements is not None and membership is not None and membership.absence:
            self.replacements.restart_lost(membership.absence, now)
        if run.nobody_starts(now):
            self._give_up("failures of your own code: nobody could start")
        if run.is_hopeless(now):
            gevent.spawn(self.stop)
        if self._tells:
            self._told.say(now, run, self._runner.user_count, membership)

    def look_after_workers(self) -> None:
        """See who came and who went, while a run is under way."""
        if self.pool is not None and self._run is not None and self.stage == "under way":
            self.pool.supervise(self._run.elapsed_s)

    @staticmethod
    def _mind(pool: WorkerPool) -> None:
        """Once a second, whether there is a run or not."""
        while True:
            pool.mind()
            gevent.sleep(1.0)

    # --- messages of workers ------------------------------------------------------------------

    def _on_report(self, worker: str, report: Report) -> None:
        assert self.pool is not None
        if self._is_under_way(report.run) and worker not in self.pool.membership.refused:
            self.add(worker, report.seq, report.interval)
        self.pool.acknowledge(worker, report)

    def _on_last(self, worker: str, last: Last) -> None:
        assert self.pool is not None
        if self._is_under_way(last.run) and worker not in self.pool.membership.refused:
            assert self._run is not None
            self._run.ledger.expect(worker, last.seq)
            self.pool.has_finished(worker)

    def _on_fault(self, _: str, fault: Fault) -> None:
        if self._is_under_way(fault.run):
            self.fault(fault.text, fault.trace)

    def _on_own_code(self, _: str, failed: OwnCode) -> None:
        if self._is_under_way(failed.run):
            self.own_code(failed.text, failed.trace)

    def _is_under_way(self, run: str) -> bool:
        """Whether it is not a run before this one."""
        return self._run is not None and run == self._run.name

    # --- after --------------------------------------------------------------------------------

    def drain(self) -> None:
        """The run is to stop: have every worker stop its users and hand over the rest."""
        if self._drained is not None:  # Locust's two ways to stop may meet
            self._drained.wait()
            return
        self.look_after_workers()
        self._drained = Event()
        patience = 0.0
        if self._run is not None:
            self._run.end()
            patience = self._run.profile.drain_s
        try:
            if self.pool is not None and self._hurry_limit is not None:
                self.pool.hurry(self._hurry_limit)
                self.pool.drain(self._hurry_limit)
            elif self.pool is not None:
                limit = DRAIN_LIMIT + (self._environment.stop_timeout or 0)
                self.pool.drain(limit, patience)
            elif self.lone is not None and not self._environment.stop_timeout:
                self.lone.wind_down(patience)
        finally:
            self._drained.set()

    def finish(self) -> None:
        """All is handed over: freeze, write, tell."""
        try:
            self._conclude()
        finally:
            self._idle.set()

    def _conclude(self) -> None:
        if self._following is not None:
            self._following.kill()
            self._following = None
        run, pool = self._run, self.pool
        if run is None or run.summary is not None:
            return
        run.end()
        losses = [] if pool is None else pool.losses(run.duration_s)
        run.conclude(None if pool is None else pool.membership, losses)
        self._told.clear()
        self._compared = conclude(run, self._options, self._console)


def _course(profile: Profile) -> "Course":
    from loadkit.pages.course import Course  # numpy, which no worker is to pay for

    return Course(profile.load.duration_s, profile.results.interval)
