"""Why a run is not a plain pass, or may not be believed: each reason with its kind.

What is done with a reason hangs on its kind. Its sentence is for people and is never searched.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Literal, Self

from loadkit.codec import Line

Level = Literal["valid", "suspect", "invalid"]
"""Whether a run may be believed: `suspect`, with care; `invalid`, not at all."""


class ReasonKind(StrEnum):
    """What a reason is about: the keys of `verdict.reasons_detail`; docs/results.md lists them."""

    OWN_CODE = "own_code"
    STOPPED = "stopped"
    CUT = "cut"
    NO_WORKER = "no_worker"
    LOOP_LAG = "loop_lag"
    SCHEDULE_DELAY = "schedule_delay"
    LOOP_STALL = "loop_stall"
    GC_PAUSE = "gc_pause"
    WORKER_CPU = "worker_cpu"
    MACHINE_CPU = "machine_cpu"
    LOCAL_LIMIT = "local_limit"
    FILES = "files"
    PORTS = "ports"
    USERS_MISSING = "users_missing"
    SESSIONS_MISSING = "sessions_missing"
    USERS_LATE = "users_late"
    ARRIVALS_REFUSED = "arrivals_refused"
    WORKERS_LOST = "workers_lost"
    WORKERS_REFUSED = "workers_refused"
    REPORTS_MISSING = "reports_missing"
    HEARTBEATS_LOST = "heartbeats_lost"
    INTERNAL = "internal"
    BELOW_ZERO = "below_zero"
    TOO_LONG = "too_long"
    SEARCH_INVALID = "search_invalid"
    UNKNOWN = "unknown"
    ABORTED = "aborted"
    SLO_BROKEN = "slo_broken"
    SLO_UNDECIDED = "slo_undecided"
    FAILED = "failed"
    SEARCH = "search"


_HEADINGS: Final[Mapping[ReasonKind, str]] = {
    ReasonKind.STOPPED: "stopped early: ",
    ReasonKind.ABORTED: "stopped early: ",
    ReasonKind.SLO_BROKEN: "SLO broken: ",
    ReasonKind.SLO_UNDECIDED: "SLO undecided: ",
    ReasonKind.FAILED: "no SLO, and something failed: ",
    ReasonKind.SEARCH: "capacity search: ",
}
"""How the sentence of a reason begins that is no doubt about the measurement."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One of them."""

    kind: ReasonKind  # what it is about
    text: Line  # what happened, with its figure and the limit of that
    remedy: Line = ""  # what to do about it; empty where that goes without saying

    @property
    def is_doubt(self) -> bool:
        """Whether it speaks about the measurement: why that is not valid as far as it went."""
        return self.kind not in _HEADINGS

    @property
    def statement(self) -> str:
        """What happened, without what to do about it: `SLO broken: response p95 3,000 ms > …`."""
        return f"{_HEADINGS.get(self.kind, '')}{self.text}"

    def __str__(self) -> str:
        return f"{self.statement}; {self.remedy}" if self.remedy else self.statement

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `verdict.reasons_detail`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo `to_dict`.

        Raises:
            KeyError, ValueError: it is none.
        """
        return cls(ReasonKind(data["kind"]), data["text"], data.get("remedy", ""))

    @classmethod
    def of_sentence(cls, sentence: str) -> Self:
        """Return the reason of a sentence in a summary from before reasons had a kind."""
        for kind, heading in _HEADINGS.items():
            if sentence.startswith(heading):
                return cls(kind, *_parts(sentence.removeprefix(heading)))
        return cls(ReasonKind.UNKNOWN, *_parts(sentence))


Found = Iterator[tuple[Level, Reason]]
"""Doubts, each with what it makes of the run."""


def _parts(sentence: str) -> tuple[str, str]:
    text, _, remedy = sentence.partition("; ")
    return text, remedy
