"""A process that leads a run, as far as its files go: fed by hand, and killed at will."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from loadkit.errors import Failure
from loadkit.figures import Count, Phase, Wait
from loadkit.measure.interval import Interval
from loadkit.measure.ledger import Ledger
from loadkit.measure.recorder import Recorder
from loadkit.measure.timeline import Timeline
from loadkit.profile.delivery import Delivery
from loadkit.profile.tables import Load
from loadkit.results.journal import RunJournal
from loadkit.results.journal_lines import Head
from loadkit.results.series import Series
from loadkit.verdict.run_facts import Cut, Loss, RunFacts, RunSpec
from loadkit.verdict.summary import Summary, summarise

STARTED = datetime(2026, 11, 22, 15, 6, 54, 123456, tzinfo=UTC)
LOAD = Load.model_validate(
    {"stages": [{"duration": 4.0, "users": 8}, {"duration": 16.0, "users": 8}], "seed": 7}
)
SPEC = RunSpec(
    "tiny",
    "2026-11-22T15:06:54Z",
    "http://127.0.0.1:8100",
    foreseen={"response.p50": "have 9 users"},
)


class Master:
    """Does what the controller does with what workers report.

    Args:
        folder: the run's.
        load: that is asked for.
        limits: the objectives.
    """

    def __init__(
        self,
        folder: Path,
        load: Load = LOAD,
        limits: Sequence[tuple[str, float]] = (("response.p50", 900.0),),
    ) -> None:
        self.delivery = Delivery(load)
        self.timeline = Timeline(1.0, self.delivery.asked_at)
        self.ledger = Ledger(self.timeline)
        self._load, self._spec = load, replace(SPEC, limits=tuple(limits))
        head = Head(STARTED, 1.0, self._spec, {"target": SPEC.target})
        self.series = Series(folder, STARTED)
        self.journal = RunJournal(folder, head)
        self.tick(0.0)

    def add(self, worker: str, seq: int, interval: Interval, at: float) -> None:
        if self.ledger.add(worker, seq, interval, at):
            self.journal.add(worker, seq, at, interval)

    def tick(self, at: float, users: int = 8) -> None:
        rows = self.timeline.closed(at)
        self.delivery.observe(at, users)
        self.at_s = at
        self.journal.tick(at, users, self._load, self.facts())
        self.series.write(rows)
        self.journal.renew(self.ledger)

    def facts(self) -> RunFacts:
        closed = self._load.model == "closed"
        return RunFacts(
            asked_users=self.delivery.asked if closed else None,
            peak_users=self.delivery.reached,
            undelivered_s=self.delivery.undelivered_s,
            workers_lost=(Loss("w9", 1.0, 2),),
        )

    def kill(self) -> None:
        """Nothing is written any more."""
        self.series._timeline.close()
        self.series._histograms.close()
        self.journal.close()

    def end(self, cut: Cut, at: float) -> Summary:
        """What it would have said, and written, had it ended at a second of the run."""
        self.series.write(self.timeline.finish())
        self.series.close()
        asked = self.delivery.asked_sessions(at)
        facts = replace(self.facts(), duration_s=at, asked_sessions=asked, cut=cut)
        return summarise(self.ledger, self._spec, facts)


class Hand:
    """A worker whose clock shows what it is told."""

    def __init__(self, *, waits: bool = True) -> None:
        self.now, self.waits = 0.0, waits  # of which nobody sees the end
        self.recorder = Recorder(clock=lambda: self.now)
        self.recorder.session_started()
        self.taken = 0

    def report(self, at: float, took: float) -> tuple[int, Interval]:
        """A turn that took some time, and what is known by a second of the run."""
        self.recorder.sample(Phase.RESPONSE, 0.5, 0.6, 0.6 + took)
        self.recorder.sample(Phase.ECHO, None, 0.6, 0.6 + took / 100)
        self.recorder.count(Count.TURNS_SENT)
        self.recorder.count(Count.TURNS_ANSWERED)
        if took > 1:
            self.recorder.fail(Failure.UNANSWERED, "no answer in time")
            self.recorder.violate("gap", "sequence 4 after 2", transcript=lambda: ["{}"])
        if self.waits and self.taken % 3 == 0:
            self.recorder.unfinished(Phase.RESPONSE, 0.5, 0.6, 0.6 + took / 2, lost=True)
        if self.waits and self.taken % 4:
            waits = [Wait(Phase.RESPONSE, None, at - took), Wait(Phase.ECHO, None, at - 0.01)]
            self.recorder.see_waiting("CompleteChat", at, waits, [at - took])
        self.recorder.gauge("cpu_percent", 30 * took)
        self.now = at
        self.taken += 1
        return self.taken, self.recorder.take(at)
