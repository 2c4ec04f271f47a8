"""What one worker process measures. The hot path only increments; `take` closes an interval."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

from loadkit.errors import Failure
from loadkit.figures import Count, Ending, Phase
from loadkit.measure.histogram import Tally

__all__ = ["EXAMPLE_LENGTH", "Recorder"]

EXAMPLE_LENGTH: Final = 200
"""How much is kept of the first text of each kind of error or violation, in characters."""

TRANSCRIPTS: Final = 3
"""How many violations of each kind a worker keeps the transcript of."""

FRAME_LENGTH: Final = 400
"""How much of a frame goes into a transcript, in characters."""


class Recorder:
    """Everything one worker measures, given out interval by interval.

    Every stamp is in seconds on one monotonic clock, `time.perf_counter` outside of tests.
    The warm-up is left out of latencies, of the generator's delays and of whatever is counted
    with `since`; sessions, errors and violations count from the first moment, because a failure
    during the warm-up is a failure.

    Attributes:
        measure_from: the stamp at which the warm-up ends. It is also what the clocks of workers
            on several machines are laid over each other by.
        live: sessions running now.
        frames_sent, frames_received, bytes_sent, bytes_received: totals since the worker
            started. The caller sets them before `take`; being totals, they survive a lost
            interval.
    """

    def __init__(self, measure_from: float = 0.0) -> None:
        self.measure_from = measure_from
        self.live = 0
        self.frames_sent = 0
        self.frames_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self._taken_at: float | None = None
        self._exampled: set[str] = set()  # kinds that already have their example, run-long
        self._transcribed: Counter[str] = Counter()  # violations with a transcript, run-long
        self._open()

    def _open(self) -> None:
        # A tally for every phase beforehand costs less than asking whether there is one. A later
        # key by user class would make these dicts of dicts.
        self._latency = {phase: Tally() for phase in Phase}
        self._from_schedule = {phase: Tally() for phase in Phase}
        self._schedule_delay = Tally()
        self._loop_lag = Tally()
        self._cpu_percent = Tally()
        self._rss = Tally()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._examples: dict[str, str] = {}
        self._transcripts: list[dict[str, Any]] = []
        self._peak = self.live

    def sample(self, phase: Phase, due: float | None, sent: float, end: float) -> None:
        """Record how long something took.

        Args:
            phase: what was timed.
            due: when it should have begun by the schedule; None where there is no schedule.
            sent: when it began.
            end: when it was complete.
        """
        if sent < self.measure_from:
            return
        self._latency[phase].record(end - sent)
        if due is not None:
            self._from_schedule[phase].record(end - due)
            # A timer may fire a moment early; what was sent early was not sent late.
            self._schedule_delay.record(sent - due if sent > due else 0.0)

    def count(self, key: str, n: int = 1, since: float | None = None) -> None:
        """Count something, by a key of `loadkit.figures.Count`.

        Args:
            key: what is counted.
            n: how many.
            since: when the counted thing began; it is left out when that lies in the warm-up,
                so that a turn is counted as sent and as answered, or not at all.
        """
        if since is None or since >= self.measure_from:
            self._counts[key] += n

    def fail(self, kind: Failure, detail: str) -> None:
        """Count a failure; `detail` (no secrets) becomes the example if it is the first."""
        self._count_with_example(f"errors.{kind}", detail)

    def violate(
        self, kind: str, detail: str, transcript: Callable[[], list[str]] | None = None
    ) -> None:
        """Count a breach of the protocol by the server, with an example as in `fail`.

        Args:
            transcript: gives the frames that led to it, without secrets; asked for the first
                few of each kind only.
        """
        self._count_with_example(f"violations.{kind}", detail)
        if transcript is not None and self._transcribed[kind] < TRANSCRIPTS:
            self._transcribed[kind] += 1
            frames = [_one_line(frame, FRAME_LENGTH) for frame in transcript()]
            found = {"kind": str(kind), "detail": _one_line(detail), "frames": frames}
            self._transcripts.append(found)

    def session_started(self) -> None:
        """Count a session and raise the gauge of live ones."""
        self._counts[Count.SESSIONS_STARTED] += 1
        self.live += 1
        if self.live > self._peak:
            self._peak = self.live

    def session_ended(self, ending: Ending) -> None:
        """Count how a session ended and lower the gauge of live ones."""
        self._counts[f"ended.{ending}"] += 1
        self.live -= 1

    def loop_lag(self, seconds: float, at: float | None = None) -> None:
        """Record how late the event loop woke us; `at`, if given, is checked for the warm-up."""
        if at is None or at >= self.measure_from:
            self._loop_lag.record(seconds)

    def resources(self, cpu_percent: float, rss_bytes: int, at: float | None = None) -> None:
        """Record what this process used: percent of one core, and bytes of memory."""
        if at is None or at >= self.measure_from:
            self._cpu_percent.record_whole(round(cpu_percent * 1000))
            self._rss.record_whole(rss_bytes // 1000)

    def take(self, now: float) -> dict[str, Any]:
        """Close the interval at `now` and start the next.

        Returns:
            Everything since the last take, as plain types that msgpack and JSON carry alike.
            `from` and `to` are stamps on this worker's clock; the first interval, having no
            previous take, has `from` equal to `to`. `frames` are totals, the rest is of the
            interval alone.
        """
        interval = {
            "from": now if self._taken_at is None else self._taken_at,
            "to": now,
            "measure_from": self.measure_from,
            "latency": _wire(self._latency),
            "from_schedule": _wire(self._from_schedule),
            "generator": _wire(
                {
                    "loop_lag_ms": self._loop_lag,
                    "schedule_delay_ms": self._schedule_delay,
                    "cpu_percent": self._cpu_percent,
                    "rss_mb": self._rss,
                }
            ),
            "counts": {str(key): count for key, count in self._counts.items()},
            "examples": self._examples,
            "transcripts": self._transcripts,
            "live": self.live,
            "peak": self._peak,
            "frames": {
                "sent": self.frames_sent,
                "received": self.frames_received,
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
            },
        }
        self._taken_at = now
        self._open()
        return interval

    def _count_with_example(self, key: str, detail: str) -> None:
        self._counts[key] += 1
        if key not in self._exampled:
            self._exampled.add(key)
            self._examples[key] = _one_line(detail)


def _wire(tallies: dict[Any, Tally]) -> dict[str, Any]:
    return {str(key): tally.to_wire() for key, tally in tallies.items() if tally}


def _one_line(text: str, length: int = EXAMPLE_LENGTH) -> str:
    """Cut a text to one printable line: it is the server's, and ends on a terminal."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 2 * length])
    return " ".join(printable.split())[:length]
