"""What a comparison of two runs comes to: made once, and rendered by others.

Nothing in here reckons; `loadkit.compare.compare` makes one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from loadkit.exit_codes import ExitCode

SCHEMA: Final = "loadkit.comparison/1"

METHOD: Final = (
    "Percentiles by the median test for any percentile (Mood 1950), its interval by inversion "
    "(Woodruff 1952); shares by Fisher's exact test and Newcombe's interval (1998) on effective "
    "counts (Rao and Scott 1992); rates by the logarithm of their ratio. Noise is that from "
    "stretch to stretch of the runs, with its autocorrelation; all together by Holm (1979): "
    "where nothing differs, at most 5 % of comparisons tell of a change."
)
"""In the words of a report; docs/compare.md has it at length."""

Verdict = Literal["worse", "better", "noise", "unknown"]


@dataclass(frozen=True, slots=True)
class RunTold:
    """One of the runs, as a reader needs to know it.

    Attributes:
        path: as it was given.
        word: PASS, FAIL or INVALID.
        doubts: why it is not valid, where it is not.
        headline: its verdict in a line.
    """

    path: str
    profile: str
    started_at: str
    duration_s: float
    target: str
    word: str
    validity: Literal["valid", "suspect", "invalid"]
    doubts: tuple[str, ...]
    headline: str
    sessions: int
    turns: int


@dataclass(frozen=True, slots=True)
class Change:
    """How one figure changed.

    Attributes:
        metric: as of `loadkit.profile.metrics`: `response.p95`, `turns.lost_ratio`; and
            `throughput.turns_per_second`, `response.paired`.
        kind: a `latency` is in milliseconds, a `share` from 0 to 1, a `rate` in one a second.
        base, new: what it was; None where it was never measured.
        change: of a latency and a rate, new / base - 1; of a share, new - base.
        interval: what that lies between, at 95 %, of this figure alone; None for an end that is
            not known.
        p: the chance of so large a change where there is none, all figures taken together.
        verdict: `worse` and `better` are more than noise.
        why: why it is `noise` though p is small or the change's interval not known, or `unknown`.
        visible: the least change for the worse that would have been told with a chance of 80 %;
            None where none would, or that is not known.
    """

    metric: str
    kind: Literal["latency", "share", "rate"]
    base: float | None
    new: float | None
    change: float | None = None
    interval: tuple[float | None, float | None] = (None, None)
    p: float | None = None
    verdict: Verdict = "unknown"
    why: str = ""
    visible: float | None = None

    @property
    def phase(self) -> str:
        """Of a latency, its phase."""
        return self.metric.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the curves of both runs.

    Attributes:
        share: of the waits that have ended by then: 0.95 is p95.
        base_ms, new_ms: by when.
        change, interval: as of `Change`; a curve is looked at, not judged.
    """

    share: float
    base_ms: float
    new_ms: float
    change: float
    interval: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class PhaseCurve:
    """The curve of nines of a phase, of both runs, and the shift from the one to the other."""

    phase: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that is not the same, as its values are written; None where one has none."""

    key: str
    base: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A limit of `--fail-on`, and how it fared.

    Attributes:
        text: as it was written.
        told: why it is kept or broken.
    """

    text: str
    metric: str
    status: Literal["kept", "broken"]
    told: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of several runs in a row.

    Attributes:
        response_ms: percentiles of the headline, as far as the samples go.
        intervals_ms: what each lies between at 95 %, of this run alone: its waits are taken for
            independent.
    """

    run: RunTold
    response_ms: Mapping[str, float]
    intervals_ms: Mapping[str, tuple[float, float]]
    turns_per_second: float | None
    lost_ratio: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side, the first and the last of several.

    Attributes:
        doubts: why it is not to be trusted; empty if it is.
        notes: what a reader has to know besides: what is in one run only, what was not read.
        changes: latencies in the order of a report, then shares, then rates.
        curves: of the phases for which both have histograms.
        settings: what differs in the profiles as used.
        surroundings: what differs in machine, versions and network.
        paired: whether their turns are held against each other, one by one.
        pairing: how many were, or why they are not.
        judged: how many of the changes were judged together.
        held: the limits that were given.
        trend: all of the runs, where there are more than these two.
    """

    base: RunTold
    new: RunTold
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    changes: tuple[Change, ...]
    curves: tuple[PhaseCurve, ...]
    settings: tuple[Difference, ...]
    surroundings: tuple[Difference, ...]
    paired: bool
    pairing: str
    judged: int
    held: tuple[Held, ...] = ()
    trend: tuple[Step, ...] = ()

    @property
    def is_invalid(self) -> bool:
        """Whether one of the runs is."""
        return "invalid" in (self.base.validity, self.new.validity)

    @property
    def regressions(self) -> tuple[Change, ...]:
        """The changes for the worse that are more than noise."""
        return tuple(each for each in self.changes if each.verdict == "worse")

    @property
    def improvements(self) -> tuple[Change, ...]:
        """Those for the better."""
        return tuple(each for each in self.changes if each.verdict == "better")

    @property
    def exit_code(self) -> ExitCode:
        """1 where something got worse, or, where limits were given, where one of them is broken; 3
        where a run is invalid, and nothing can be said."""
        if self.is_invalid:
            return ExitCode.INVALID
        broken = any(each.status == "broken" for each in self.held)
        failed = broken if self.held else bool(self.regressions)
        return ExitCode.FAILED if failed else ExitCode.OK

    def change(self, metric: str) -> Change | None:
        """Return how a metric changed; None if it was not compared."""
        return next((each for each in self.changes if each.metric == metric), None)

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of docs/compare.md."""
        return {
            "schema": SCHEMA,
            "method": METHOD,
            **asdict(self),
            "regressions": [each.metric for each in self.regressions],
            "improvements": [each.metric for each in self.improvements],
            "exit_code": int(self.exit_code),
        }
