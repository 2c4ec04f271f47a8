"""What the live page is told: how a run stands, from what the process that leads has of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from time import perf_counter
from typing import Any, Final, Literal

from locust.runners import STATE_MISSING, MasterRunner

from loadkit.figures import Count, Phase
from loadkit.measure.overdue import overdue
from loadkit.pages.course import figures
from loadkit.pages.time_charts import live_charts
from loadkit.profile.tables import Load
from loadkit.report.verdict import verdict_text, word
from loadkit.security.escaping import visible
from loadkit.stats.number_format import number, plural
from loadkit.swarm.run import Run
from loadkit.swarm.run_controller import RunController

ANEW_AFTER: Final = 0.9
"""Seconds for which what was found is told to whoever asks: rows are closed once a second."""

JUDGED_EVERY: Final = 3.0
"""Seconds for which objectives and validity stand: a line takes some milliseconds."""

NEWEST: Final = 12  # errors and violations that are told one by one

Stage = Literal["none", "starting", "under way", "ending", "writing", "over"]


class Now:
    """Finds out how the run of a controller stands: once a second at most, for all who ask.

    Args:
        runner: Locust's.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        controller: RunController,
        runner: Any,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._controller, self._runner, self._clock = controller, runner, clock
        self._found_at = self._judged_at = float("-inf")
        self._judged_run: Run | None = None
        self._busy = False
        self._key: Any = None
        self._version = 0
        self._told: dict[str, Any] = {}
        self._charts = "{}"
        self._judged: dict[str, Any] = {}

    def json(self, since: int) -> str:
        """Return it as JSON.

        Args:
            since: the `version` of the charts that the asker has; 0 for none. They are left out
                where there are no others.
        """
        told = self.figures()
        charts = "null" if since == self._version else self._charts
        return f'{{"version": {self._version}, "now": {_json(told)}, "charts": {charts}}}'

    def figures(self) -> Mapping[str, Any]:
        """Return it without the charts."""
        now = self._clock()
        if now >= self._found_at + ANEW_AFTER and not self._busy:
            self._busy = True  # what follows gives way to others, who get what there was
            try:
                self._find(now)
            finally:
                self._busy = False
        return self._told

    @property
    def stage(self) -> Stage:
        """Where the run stands, as the page has it."""
        run, stage = self._controller.run, self._controller.stage
        if stage in ("under way", "ending"):
            return "under way" if stage == "under way" else "ending"
        if self._runner.shape_greenlet is not None and (run is None or run.summary is not None):
            return "starting"
        if run is None:
            return "none"
        return "over" if run.summary is not None and stage != "ending" else "writing"

    def _find(self, now: float) -> None:
        run, stage = self._controller.run, self.stage
        told: dict[str, Any] = {"stage": stage, "workers": self._workers()}
        if run is not None and stage != "starting":
            self._judge(run, now)
            told |= self._of(run, stage) | self._judged
            self._draw(run)
        elif self._key is not None:
            self._key, self._version, self._charts = None, self._version + 1, "{}"
        self._told = told
        self._found_at = now

    def _workers(self) -> int | None:
        if not isinstance(self._runner, MasterRunner):
            return None
        states: list[str] = [client.state for client in self._runner.clients.all]
        return len([state for state in states if state != STATE_MISSING])

    def _of(self, run: Run, stage: Stage) -> dict[str, Any]:
        ledger, counts = run.ledger, run.ledger.counts
        elapsed = run.elapsed_s if run.summary is None else run.duration_s
        limits = [(each.metric, each.limit) for each in run.profile.slo]
        late = overdue(ledger.waiting, limits)
        told: dict[str, Any] = {
            "run": run.name,
            "profile": run.profile.name,
            "target": run.target,
            "folder": run.folder.path.name,
            "elapsed_s": round(elapsed, 1),
            "warmup_s": run.profile.load.warmup,
            "stages": [] if run.adapter is not None else [*_stages(run.load)],
            "total_s": None if run.adapter is not None else run.profile.load.duration_s,
            "search": None if run.adapter is None else run.adapter.state,
            "asked": dict(run.asked) if stage == "under way" else {},
            "users": self._runner.user_count,
            "sessions": ledger.live,
            "started": counts[Count.SESSIONS_STARTED],
            "sent": counts[Count.TURNS_SENT],
            "answered": counts[Count.TURNS_ANSWERED],
            "lost": counts[Count.TURNS_LOST],
            "waiting": ledger.waiting.turns,
            "oldest_s": round(ledger.waiting.oldest_s(), 1),
            "overdue": {"waits": late.waits, "oldest_s": round(late.oldest_s, 1)},
            "latency": _latencies(run),
            "disconnects": {
                name: counts[key]
                for name, key in (
                    ("cut on purpose", Count.DISCONNECTS_FORCED),
                    ("dropped", Count.DISCONNECTS_UNEXPECTED),
                    ("replaced for their age", Count.DISCONNECTS_RECYCLED),
                    ("came back", Count.DISCONNECTS_RECONNECTED),
                    ("gave up", Count.DISCONNECTS_GAVE_UP),
                )
            },
            "errors": ledger.under("errors"),
            "violations": ledger.under("violations"),
            "found": [*_newest(run)],
        }
        if run.summary is not None:
            told["over"] = {
                "word": word(run.summary),
                "text": verdict_text(run.summary),
                "exit_code": run.summary.verdict.exit_code,
                "unwritten": run.unwritten,
            }
        return told

    def _judge(self, run: Run, now: float) -> None:
        """Look at objectives and validity now and then; what a run came to stands."""
        fresh = run is self._judged_run and now < self._judged_at + JUDGED_EVERY
        if fresh and run.summary is None:
            return
        self._judged_run, self._judged_at = run, now
        if run.summary is not None:
            level, reasons = run.summary.verdict.validity, run.summary.verdict.doubts
            lines = run.summary.slo
        else:
            pool = self._controller.pool
            found = run.validity(None if pool is None else pool.membership)
            level, reasons = found.level, found.reasons
            lines = run.objectives() if run.elapsed_s > run.profile.load.warmup else ()
        self._judged = {
            "validity": {
                "level": level,
                "reasons": [{"text": each.text, "remedy": each.remedy} for each in reasons],
            },
            "slo": [
                {
                    "metric": line.metric,
                    "value": None if line.actual is None else f"{number(line.actual)} {line.unit}",
                    "limit": f"{number(line.limit)} {line.unit}",
                    "at_least": line.at_least,
                    "status": line.status,
                    "samples": line.samples,
                    "needed": line.needed,
                }
                for line in lines
            ],
        }

    def _draw(self, run: Run) -> None:
        """Make the charts anew if there are rows that they lack."""
        assert run.course is not None
        key = run.name, run.course.rows, len(run.by_hand), run.summary is None
        if key == self._key:
            return
        self._key, self._version = key, self._version + 1
        slices = run.course.slices()
        if not slices.starts:
            self._charts = "{}"
            return
        last = slices.starts[-1] + slices.length
        storms = run.profile.chaos.storms
        marks = [{"name": f"storm {number(100 * one.share)} %", "at": one.at} for one in storms]
        marks += [{"name": one.text, "at": one.at_s} for one in run.by_hand]
        charts = [
            chart.to_dict() | {"question": chart.question}
            for chart in live_charts(slices, run.course.stretch_s)
        ]
        begins = slices.starts[0]
        self._charts = _json({"charts": charts, "from": begins, "end": last, "marks": marks})


def _latencies(run: Run) -> dict[str, Any]:
    assert run.course is not None
    found = {}
    for phase in (Phase.RESPONSE, Phase.FIRST_CHUNK):
        whole = run.ledger.latency.get(phase)
        if whole is not None:
            found[phase.value] = {
                "recent": figures(run.course.recent(phase)),
                "overall": figures(whole),
            }
    return found | {"recent_s": round(run.course.recent_s, 1)}


def _stages(load: Load) -> Iterator[Mapping[str, Any]]:
    """The legs of the load that last, each with what it leads to, in words."""
    levels = [(stage.users, stage.arrivals_per_second) for stage in load.stages]
    begin = 0.0
    for (before, after), stage in zip(pairwise([(0, 0.0), *levels]), load.stages, strict=True):
        closed = load.model == "closed"
        low, high = (float(each[0 if closed else 1] or 0) for each in (before, after))
        unit, per = ("user", "") if closed else ("arrival", " a second")
        text = f"{plural(high, unit)}{per}"
        if low != high and stage.duration:
            text = f"from {number(low)} to {text}"
        if stage.duration:
            yield {"from_s": begin, "to_s": begin + stage.duration, "text": text, "to": high}
        begin += stage.duration


def _newest(run: Run) -> Iterator[Mapping[str, str]]:
    """The errors and violations that were kept, the newest first; what others said is shown."""
    kept = sorted(run.ledger.evidence, key=lambda one: one.at, reverse=True)
    for one in kept[:NEWEST]:
        told = ("of", "kind", "at", "detail", "session", "user_class")
        yield {name: visible(str(getattr(one, name))[:500]) for name in told}


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
