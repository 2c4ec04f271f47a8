"""What a run comes to: the SLO, its validity, the reasons, and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadkit.stats.number_format import plural
from loadkit.verdict.slo import SloLine
from loadkit.verdict.validity import STOPPED, Level, Validity

__all__ = [
    "BROKEN",
    "FAILED",
    "FAULT_OF_OURS",
    "SEARCH",
    "STOPPED",
    "UNDECIDED",
    "USAGE",
    "Verdict",
    "decide",
    "of_search",
]

BROKEN: Final = "SLO broken: "
UNDECIDED: Final = "SLO undecided: "
"""How a reason starts that only says again what a line of the SLO says."""

FAILED: Final = "no SLO, and something failed: "
SEARCH: Final = "capacity search: "
"""How the other reasons start that are no doubts about the run."""

_EXIT_HOLDS, _EXIT_BROKEN, _EXIT_INVALID = 0, 1, 3
USAGE, FAULT_OF_OURS = 2, 70  # exit codes; the last as in BSD's sysexits.h, EX_SOFTWARE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it all comes to.

    Attributes:
        slo: `fail` if an objective is broken, or left undecided under `strict`, or if `[abort]`
            ended the run for one; `none` if there was no objective; else `pass`.
        validity: whether the run may be believed.
        reasons: why it is not a plain pass, one sentence each, doubts about the run first.
        exit_code: 70 after a fault of this tool, 2 if the user's own code let nobody start, 3 if
            invalid, whatever the objectives say; else 1 if the SLO failed, or if there is none and
            something failed; else 0.
        strict: whether an objective with too few samples to judge it counts as broken.
    """

    slo: Literal["pass", "fail", "none"]
    validity: Level
    reasons: tuple[str, ...]
    exit_code: int
    strict: bool = False

    @property
    def doubts(self) -> tuple[str, ...]:
        """The reasons that speak about the measurement: why it is not valid as far as it went."""
        others = (BROKEN, UNDECIDED, STOPPED, FAILED, SEARCH)
        return tuple(text for text in self.reasons if not text.startswith(others))


def decide(
    slo: Sequence[SloLine],
    validity: Validity,
    failed: Mapping[str, int],
    *,
    strict: bool = False,
    aborted: str | None = None,
    overruled: int | None = None,
) -> Verdict:
    """Put the verdict together.

    Args:
        slo: the objectives and how they fared.
        validity: whether the run may be believed.
        failed: how many there were of each thing that fails a run without objectives.
        strict: whether an objective with too few samples to judge it counts as broken.
        aborted: for which broken objective `[abort]` ended the run, and when.
        overruled: the exit code where that does not hang on the objectives.
    """
    reasons = list(validity.reasons)
    if aborted is not None:
        reasons.append(f"{STOPPED}{aborted}")
    for line in slo:
        if line.status == "fail":
            reasons.append(f"{BROKEN}{line}")
        elif line.status == "undecided":
            reasons.append(f"{UNDECIDED}{line}{', and --strict' if strict else ''}")
    outcome: Literal["pass", "fail", "none"] = "none"
    if slo or aborted is not None:
        bad = ("fail", "undecided") if strict else ("fail",)
        broken = aborted is not None or any(line.status in bad for line in slo)
        outcome = "fail" if broken else "pass"
    else:
        broken = any(failed.values())
        if broken:
            what = ", ".join(plural(n, noun) for noun, n in failed.items() if n)
            reasons.append(f"{FAILED}{what}")
    code = _EXIT_BROKEN if broken else _EXIT_HOLDS
    if validity.level == "invalid":
        code = _EXIT_INVALID
    code = code if overruled is None else overruled
    return Verdict(outcome, validity.level, tuple(reasons), code, strict)


def of_search(sentence: str, exit_code: int) -> Verdict:
    """Return the verdict of a capacity search.

    Args:
        sentence: what it came to.
        exit_code: 3 if the generator was the limit.
    """
    if exit_code == _EXIT_INVALID:
        return Verdict("none", "invalid", (sentence,), exit_code)
    return Verdict("none", "valid", (f"{SEARCH}{sentence}",), exit_code)
