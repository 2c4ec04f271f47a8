"""The side that leads: what the master (or a lone process) does before, during and after a run."""

import logging
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import psutil
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner
from rich.console import Console

from loadkit.credentials import Credentials
from loadkit.errors import LoadkitError, UsageError
from loadkit.figures import Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.summary import Summary, summarise
from loadkit.plan.pace import users_at
from loadkit.plan.profile import Profile
from loadkit.report.files import results_folder, write
from loadkit.report.live import line
from loadkit.report.terminal import render
from loadkit.swarm.courier import ACK, FAULT, FINISH, INTERVAL, LAST
from loadkit.swarm.options import read_profile
from loadkit.swarm.preflight import preflight

__all__ = ["Conductor"]

logger = logging.getLogger(__name__)

DRAIN_LIMIT: Final = 20.0  # seconds that workers get to stop their users and hand over the rest
PLAIN_EVERY: Final = 5  # seconds between two lines of progress where a line cannot be redrawn
_PACKAGES: Final = ("loadkit", "locust", "gevent", "websockets", "geventhttpclient", "orjson")


class Conductor:
    """Leads runs one after the other; a headless process has just one.

    Attributes:
        summary: the result of the last run that ended.
    """

    def __init__(self, environment: Environment, *, headless: bool) -> None:
        self._environment = environment
        self._headless = headless
        self._console = Console()
        self._ledger = Ledger()
        self._read: tuple[tuple[Any, ...], Profile] | None = None
        self._folder: Path | None = None
        self._log: logging.Handler | None = None
        self._progress: gevent.Greenlet[[Profile], None] | None = None
        self._working: set[str] = set()
        self._finished: set[str] = set()
        self._handed_over = Event()
        self._drained: Event | None = None
        self._idle = Event()
        self._idle.set()
        self._run = ""
        self._began = self._ended = 0.0
        self._asked = self._reached = 0
        self.fault_text: str | None = None
        self.summary: Summary | None = None
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            runner.register_message(INTERVAL, self._on_interval)
            runner.register_message(LAST, self._on_last)
            runner.register_message(FAULT, self._on_fault)

    # --- before -------------------------------------------------------------------------------

    def profile(self) -> Profile:
        """The profile that the options name now; read again only when they change.

        Raises:
            UsageError: there is none, or it holds mistakes.
        """
        options = self._environment.parsed_options
        if options is None:
            raise UsageError("loadkit runs from Locust's command line only")
        key = (options.profile, tuple(options.profile_overrides))
        if self._read is None or self._read[0] != key:
            self._read = key, read_profile(options, self._classes())
        return self._read[1]

    def check(self, url: str | None) -> None:
        """Everything that can be wrong before any load.

        Raises:
            UsageError, TargetError
        """
        self.profile()
        preflight(url, Credentials.of(os.environ))

    def make_folder(self) -> None:
        """Make the results folder of the coming run.

        Raises:
            UsageError: it cannot be written to.
        """
        assert self._environment.parsed_options is not None
        parent = Path(self._environment.parsed_options.results_parent)
        self._folder = results_folder(parent, self.profile().name, datetime.now(UTC))

    def refuse(self, error: LoadkitError) -> None:
        """A run that was asked for cannot be."""
        logger.error("%s", error)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no run is under way. Returns whether that came about."""
        if self._drained is None and not self._idle.is_set():
            return False  # nobody has told it to stop
        return self._idle.wait(seconds)

    # --- during -------------------------------------------------------------------------------

    def start(self) -> str:
        """A run begins: before the first user. Returns the run's name."""
        profile = self.profile()
        if self._folder is None:
            self.make_folder()
        assert self._folder is not None
        self._log = logging.FileHandler(self._folder / "loadkit.log", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(self._log)
        self._ledger, self._drained = Ledger(), None
        self._working, self._finished = set(), set()
        self._idle.clear()
        self._asked = self._reached = 0
        self.fault_text = self.summary = None
        self._run = datetime.now(UTC).isoformat(timespec="microseconds")
        self._began = perf_counter()
        for user_class in self._environment.user_classes:
            user_class.weight = profile.mix.get(user_class.__name__, 0)
        self._progress = gevent.spawn(self._watch, profile)
        return self._run

    def add(self, worker: str, seq: int, interval: dict[str, Any]) -> None:
        """Take an interval of a worker."""
        self._ledger.add(worker, seq, interval)

    def fault(self, text: str) -> None:
        """This tool itself failed: the figures are worth nothing, stop."""
        if self.fault_text is None:
            self.fault_text = text
            logger.critical("stopping the run, a fault of this tool: %s", text)
            gevent.spawn(self.stop)

    def stop(self) -> None:
        """End the run before its time."""
        runner = self._environment.runner
        if runner is None:
            return
        if self._headless and runner.shape_greenlet is not None:
            runner.shape_greenlet.kill(block=False)  # Locust's main greenlet waits for it alone
        else:
            runner.stop()

    def _watch(self, profile: Profile) -> None:
        runner = self._environment.runner
        stages = profile.load.stages
        seconds = 0
        while runner is not None:
            gevent.sleep(max(0.0, self._began + seconds + 1 - perf_counter()))
            seconds += 1
            elapsed = perf_counter() - self._began
            self._asked = max(self._asked, users_at(stages, elapsed - 1.5) or 0)
            self._reached = max(self._reached, runner.user_count)
            if self._headless and (self._console.is_terminal or seconds % PLAIN_EVERY == 0):
                counts = self._ledger.counts
                response = self._ledger.latency.get(Phase.RESPONSE)
                text = line(
                    elapsed_s=elapsed,
                    total_s=profile.duration_s,
                    users=runner.user_count,
                    turns=counts["turns.answered"],
                    response_ms=response.stats() if response is not None else {},
                    errors=sum(self._ledger.under("errors").values()),
                    disconnects=counts["disconnects.unexpected"],
                    violations=sum(self._ledger.under("violations").values()),
                )
                end = "\r" if self._console.is_terminal else "\n"
                self._console.print(text, end=end, highlight=False, soft_wrap=True)

    # --- after --------------------------------------------------------------------------------

    def drain(self) -> None:
        """The run is to stop: have every worker stop its users and hand over the rest."""
        if self._drained is not None:  # Locust's two ways to stop may meet
            self._drained.wait()
            return
        self._drained = Event()
        self._ended = perf_counter()
        runner = self._environment.runner
        if isinstance(runner, MasterRunner):
            self._working = {
                client.id for client in runner.clients.all if client.state != STATE_MISSING
            }
            runner.send_message(FINISH, {"run": self._run})
            until = self._ended + DRAIN_LIMIT + (self._environment.stop_timeout or 0)
            while perf_counter() < until and any(
                client.id not in self._finished and client.state != STATE_MISSING
                for client in runner.clients.all
            ):
                self._handed_over.clear()
                self._handed_over.wait(0.2)
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
        if folder is None:
            return
        profile = self.profile()
        runner = self._environment.runner
        due = self._working | self._ledger.reporters if isinstance(runner, MasterRunner) else set()
        self.summary = summarise(
            self._ledger,
            profile=profile.name,
            started_at=self._run[:19] + "Z",
            duration_s=round((self._ended or perf_counter()) - self._began, 3),
            target=self._environment.host or "",
            workers=max(1, self._ledger.workers),
            limits=[(limit.metric, limit.limit) for limit in profile.slo],
            asked_users=self._asked,
            peak_users=self._reached,
            workers_lost=len(due - self._finished),
        )
        examples = self._ledger.examples
        try:
            write(
                folder,
                self.summary,
                self._run_info(profile),
                examples,
                self._ledger.transcripts,
            )
        finally:
            if self._console.is_terminal:
                self._console.print(" " * 79, end="\r")
            render(self.summary, self._console, examples)
            self._console.print(f"results: {folder}", highlight=False, soft_wrap=True)
            if self._log is not None:
                logging.getLogger().removeHandler(self._log)
                self._log.close()

    def _run_info(self, profile: Profile) -> dict[str, Any]:
        return {
            "profile": profile.model_dump(mode="json"),
            "target": self._environment.host,
            "started_at": self._run[:19] + "Z",
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in _PACKAGES},
            "machine": {
                "host": platform.node(),
                "system": platform.platform(),
                "cores": psutil.cpu_count(),
                "memory_bytes": psutil.virtual_memory().total,
            },
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        }

    # --- messages from workers ----------------------------------------------------------------

    def _on_interval(self, environment: Any, msg: Any) -> None:
        if msg.data["run"] == self._run:
            self.add(msg.node_id, msg.data["seq"], msg.data["interval"])
        self._answer(ACK, msg, seq=msg.data["seq"])

    def _on_last(self, environment: Any, msg: Any) -> None:
        if msg.data["run"] == self._run:
            self._ledger.expect(msg.node_id, msg.data["seq"])
            self._finished.add(msg.node_id)
            self._handed_over.set()

    def _on_fault(self, environment: Any, msg: Any) -> None:
        if msg.data["run"] == self._run:
            self.fault(msg.data["text"])

    def _answer(self, kind: str, msg: Any, **data: Any) -> None:
        runner = self._environment.runner
        assert isinstance(runner, MasterRunner)
        runner.send_message(kind, {"run": msg.data["run"], **data}, msg.node_id)

    def _classes(self) -> Sequence[str]:
        available = self._environment.available_user_classes or {}
        return list(available) or [cls.__name__ for cls in self._environment.user_classes]
