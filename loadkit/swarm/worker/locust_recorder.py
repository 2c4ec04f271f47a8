"""The worker's recorder, which also feeds Locust's own table.

Locust's table is a convenience: its buckets are coarse. So that its *Aggregated* row and its
first chart show the headline and nothing else, only `response` counts there, and whatever fails a
run as a failed request without a time; the other phases get rows that stay out of the total. As
everywhere, the warm-up is left out of what is timed, and failures count from the first moment.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from locust.env import Environment
from locust.stats import StatsEntry, bucket_response_time

from loadkit.errors import Failure
from loadkit.figures import NOWHERE, Origin, Phase
from loadkit.measure.recorder import Recorder
from loadkit.report.latency import NOTABLE
from loadkit.stats.histogram import Histogram
from loadkit.stats.number_format import FROM_DUE
from loadkit.swarm.worker.hidden_texts import (
    detail_without_words,
    frame_without_words,
    origin_without_words,
)

METHOD: Final = "chat"
_LOCUSTS_OWN: Final = "locust.runners"  # where what feeds its table from request events is defined
_LOST_TURN: Final = frozenset({Failure.UNANSWERED, Failure.UNACKNOWLEDGED})
_SESSION, _VIOLATION = "session", "violation"  # the rows of all that fails besides a turn


class SwarmRecorder(Recorder):
    """Records for the summary and for Locust."""

    def __init__(
        self,
        environment: Environment,
        measure_from: float,
        watched: frozenset[str] = frozenset(),
        named: frozenset[str] = frozenset(),
        *,
        texts_hidden: bool = False,
    ) -> None:
        super().__init__(measure_from, watched, time.perf_counter, time.time, named)
        self._texts_hidden = texts_hidden
        self._requests: Any = environment.events.request
        self._stats = environment.stats
        self._is_heard = False
        self._see_listeners()
        self._from_due = {phase: _FromDue() for phase in Phase}

    def count_named(self, family: str, word: str) -> str:
        """Count something by a word of the server's; see `Recorder.count_named`."""
        return super().count_named(family, "hidden" if self._texts_hidden else word)

    def _close(self) -> None:
        """What was timed goes to Locust's table here, a second's at once.

        Locust's own `log` costs more than all else that is done about a sample.
        """
        super()._close()
        for phase, found in self._latency.items():
            headline = phase is Phase.RESPONSE
            if found.count and not (headline and self._is_heard):
                entry = _entry(self._stats, phase.value, found)
                self._stats.get(phase.value, METHOD).extend(entry)
                if headline:
                    self._stats.total.extend(entry)
            due = self._from_schedule[phase]
            if due.count:
                self._show_from_due(phase, found, due)
        self._see_listeners()

    def _see_listeners(self) -> None:
        """Each answer is a request event of its own where a user's code listens to these."""
        others = (each for each in self._requests._handlers if each.__module__ != _LOCUSTS_OWN)
        self._is_heard = next(others, None) is not None
        self._answered = self._tell if self._is_heard else None

    def _tell(self, sent: float, end: float) -> None:
        self._requests.fire(
            request_type=METHOD,
            name=Phase.RESPONSE.value,
            response_time=(end - sent) * 1000,
            response_length=0,
            exception=None,
            context={},
        )

    def _show_from_due(self, phase: Phase, sent: Histogram, due: Histogram) -> None:
        """A row of what counts from the schedule, once the means differ by over 5 %."""
        name, known = f"{phase} {FROM_DUE}", self._from_due[phase]
        entry = _entry(self._stats, name, due)
        known.sent += sent.total
        known.due += due.total
        if known.due > NOTABLE * known.sent or known.shown:
            row = self._stats.get(name, METHOD)
            if known.waiting is not None:
                row.extend(known.waiting)
                known.waiting = None
            row.extend(entry)
            known.shown = True
        elif known.waiting is None:
            known.waiting = entry
        else:
            known.waiting.extend(entry)
            known.waiting.num_reqs_per_sec.clear()  # past by then, and one more each second

    def fail(self, kind: Failure, detail: str, origin: Origin = NOWHERE) -> None:
        if self._texts_hidden:
            detail, origin = detail_without_words(kind, detail), origin_without_words(origin)
        super().fail(kind, detail, origin)
        self._fail(Phase.RESPONSE.value if kind in _LOST_TURN else _SESSION, kind.value)

    def violate(
        self,
        kind: str,
        detail: str,
        origin: Origin = NOWHERE,
        transcript: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        told = transcript
        if self._texts_hidden:
            detail, origin = detail_without_words(kind, detail), origin_without_words(origin)

            def told() -> Sequence[str]:
                return [frame_without_words(line) for line in transcript()]

        super().violate(kind, detail, origin, told)
        self._fail(_VIOLATION, kind)

    def _fail(self, name: str, kind: str) -> None:
        """A failed request without a time: in the share of failures, not in percentiles.

        All that fails a run is one, so that Locust's header never says 0 % of a run that fails.
        """
        self._requests.fire(
            request_type=METHOD,
            name=name,
            response_time=None,
            response_length=0,
            exception=str(kind),
            context={},
        )


@dataclass(slots=True)
class _FromDue:
    """What is known of a phase counted from its due time, in microseconds."""

    # the sums so far, counted from the send and from the schedule
    sent: int = 0
    due: int = 0
    waiting: Any = None  # what Locust's table will get as soon as the two differ
    shown: bool = False  # whether it has got it


def _entry(stats: Any, name: str, found: Histogram) -> Any:
    """A histogram as Locust would have logged it now."""
    entry: Any = StatsEntry(stats, name, METHOD)
    now = time.time()
    entry.num_requests = found.count
    entry.num_reqs_per_sec[int(now)] = found.count
    entry.last_request_timestamp = now
    entry.total_response_time = found.total / 1000
    entry.min_response_time, entry.max_response_time = found.min / 1000, found.max / 1000
    for microseconds, count in found.counts.items():
        entry.response_times[bucket_response_time(microseconds / 1000)] += count
    return entry
