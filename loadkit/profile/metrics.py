"""The grammar of a metric: what an objective may be about, and how its text is read.

    <phase>.<min|mean|max|pNN>                 how long something took
    <phase>.count                              how often it was measured
    from_schedule.<phase>.<…>                  the same, counted from when it was due
    <family>.<what>_ratio                      a share: the names of `RATIOS`
    turns.*, handoffs.*, disconnects.*, …      a number: the names of `loadkit.figures.Count`
    sessions.<ending>, sessions.completed, sessions.peak_concurrent
    errors, errors.<kind>                      in total, and of one kind of failure
    violations, violations.<kind>
    drift.<phase>.p50, drift.<phase>.p95       how fast it grows over the run
    drift.<errors|reconnects|memory|master_memory>
    drift.throughput                           how fast it falls

`pNN` is a percentile with at most one decimal: `p50`, `p75`, `p99`, `p99.9`; `p999` is short for
the last one. A user class in front narrows a metric to the sessions of that class:
`HandoffChat.response.p95`; so does a client, to those of that client: `ios.response.p95`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from loadkit.codec import Name
from loadkit.errors import Failure, UsageError
from loadkit.figures import CLIENTS, Count, Ending, Phase

STATISTICS: Final = ("min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "count")
"""The statistics of a report; an objective may ask for any other percentile as well."""

RATIOS: Final[dict[str, tuple[str, str]]] = {
    "turns.lost_ratio": (Count.TURNS_LOST, Count.TURNS_SENT),
    "turns.resent_ratio": (Count.TURNS_RESENT, Count.TURNS_SENT),
    "turns.answered_twice_ratio": (Count.TURNS_ANSWERED_TWICE, Count.TURNS_SENT),
    "sessions.failed_ratio": (f"ended.{Ending.FAILED}", Count.SESSIONS_STARTED),
    "sessions.abandoned_ratio": (f"ended.{Ending.ABANDONED}", Count.SESSIONS_STARTED),
    "handoffs.failed_ratio": (Count.HANDOFFS_FAILED, Count.HANDOFFS_TRIGGERED),
    "handoffs.timed_out_ratio": (Count.HANDOFFS_TIMED_OUT, Count.HANDOFFS_TRIGGERED),
    "handoffs.gave_up_ratio": (Count.HANDOFFS_GAVE_UP, Count.HANDOFFS_TRIGGERED),
    "disconnects.unexpected_ratio": (Count.DISCONNECTS_UNEXPECTED, Count.SESSIONS_STARTED),
    "disconnects.gave_up_ratio": (Count.DISCONNECTS_GAVE_UP, Count.SESSIONS_STARTED),
    "arrivals.refused_ratio": (Count.ARRIVALS_REFUSED, Count.ARRIVALS_DUE),
}
"""Name → the counts that are divided: what went wrong, and what it is a share of."""

DRIFTS: Final = frozenset(
    f"drift.{figure}"
    for figure in (
        *(f"{phase}.{statistic}" for phase in Phase for statistic in ("p50", "p95")),
        *("throughput", "errors", "reconnects", "memory", "master_memory"),
    )
)
"""The figures whose drift over the run is known."""

_OF_THE_RUN: Final = frozenset(
    {
        *DRIFTS,
        "sessions.peak_concurrent",
        "arrivals.refused_ratio",
        Count.ARRIVALS_DUE.value,
        Count.ARRIVALS_REFUSED.value,
    }
)
"""What is known of the run as a whole only, not of a user class."""

_COUNTS: Final = frozenset(
    [
        *(count.value for count in Count),
        *(f"sessions.{ending}" for ending in Ending),
        "sessions.completed",
        "sessions.peak_concurrent",
        "errors",
        *(f"errors.{failure}" for failure in Failure),
        "violations",
    ]
)
_SCHEDULE: Final = "from_schedule."
_PHASES: Final = frozenset(phase.value for phase in Phase)
_FAMILIES: Final = frozenset(
    {name.partition(".")[0] for name in _COUNTS} | {_SCHEDULE[:-1], "drift"}
)
_VIOLATION: Final = re.compile(r"violations\.[a-z][a-z0-9_]*")
_PERCENTILE: Final = re.compile(r"p([1-9]\d?)(?:\.(\d))?")
_EVERY: Final = tuple(
    sorted(
        {*(f"{phase}.{stat}" for phase in Phase for stat in STATISTICS), *_COUNTS, *RATIOS, *DRIFTS}
    )
)


class MetricError(UsageError, ValueError):
    """A text that is no metric.

    Attributes:
        word: the part that is wrong.
        options: the names that would be right there, for a mend; empty where the text has one.
    """

    def __init__(self, text: str, word: str = "", options: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.word, self.options = word, options


@dataclass(frozen=True, slots=True)
class Metric:
    """What one objective is about.

    A `duration` is in milliseconds, a `ratio` lies from 0 up, a `drift` is in percent per hour.
    """

    text: str  # as it was written
    scope: str | None  # the user class, or client, whose sessions alone count; None for all
    name: str  # the text without the user class
    phase: Phase | None  # what is timed; None for a count of something else and for a ratio
    statistic: str | None  # which figure of the phase, as it was written
    kind: Literal["duration", "ratio", "count", "drift"]
    per_mille: int | None  # the percentile in thousandths, so that ranks are exact integers

    @property
    def from_schedule(self) -> bool:
        """Whether time is counted from when something was due, not from when it began."""
        return self.name.startswith(_SCHEDULE)

    @property
    def words(self) -> str:
        """The metric as a sentence names it: `HandoffChat response p95`, `turns lost_ratio`."""
        if self.statistic is None:
            return self.text.replace(".", " ")
        head = self.text.removesuffix(self.statistic)
        return f"{head.replace('.', ' ')}{self.statistic}"

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Read a metric.

        Raises:
            MetricError: nobody measures that.
        """
        head, _, rest = text.partition(".")
        known = head in _FAMILIES or head in _PHASES
        if known or not rest or not (head.isidentifier() or head in CLIENTS):
            return cls._of(text, None, text)
        try:
            metric = cls._of(text, head, rest)
        except MetricError as error:
            # Behind a class, which begins with a capital letter (PEP 8), is where the mistake is;
            # else it is more likely the phase or the family that is misspelt.
            if (head[0].isupper() or head in CLIENTS) and not _is_statistic(rest):
                raise
            raise MetricError(f"no metric is called {text!r}", text, _EVERY) from error
        if metric.name in _OF_THE_RUN or metric.from_schedule:
            raise MetricError(
                f"{metric.name!r} is known of the run as a whole only; write it without {head!r}"
            )
        return metric

    @classmethod
    def _of(cls, text: str, scope: str | None, name: str) -> "Metric":
        phase, _, statistic = name.removeprefix(_SCHEDULE).partition(".")
        if phase in _PHASES:
            per_mille = _per_mille(statistic)
            kind: Literal["duration", "count"] = "count" if statistic == "count" else "duration"
            return cls(text, scope, name, Phase(phase), statistic, kind, per_mille)
        if name in RATIOS:
            return cls(text, scope, name, None, None, "ratio", None)
        if name in DRIFTS:
            return cls(text, scope, name, None, None, "drift", None)
        if name in _COUNTS or _VIOLATION.fullmatch(name):
            return cls(text, scope, name, None, None, "count", None)
        if name.startswith(_SCHEDULE):
            raise MetricError(f"no phase is called {phase!r}", phase, tuple(sorted(_PHASES)))
        raise MetricError(f"no metric is called {name!r}", name, _EVERY)


def _is_statistic(text: str) -> bool:
    return text in STATISTICS or _PERCENTILE.fullmatch(text) is not None


def _per_mille(statistic: str) -> int | None:
    """The percentile in thousandths; None for another statistic."""
    if statistic == "p999":
        return 999
    if percentile := _PERCENTILE.fullmatch(statistic):
        return int(percentile[1]) * 10 + int(percentile[2] or 0)
    if statistic in STATISTICS:
        return None
    if re.fullmatch(r"p\d[\d.]*", statistic):
        raise MetricError(
            f"no percentile is called {statistic!r}; write p1 to p99.9, one decimal at most"
        )
    raise MetricError(f"no statistic is called {statistic!r}", statistic, STATISTICS)


def _parsed(text: str) -> str:
    Metric.parse(text)
    return text


MetricName = Annotated[Name, AfterValidator(_parsed)]
"""A metric as it is written down; whoever reads it again has it checked."""
