"""What a run comes to: the SLO, its validity, the reasons, and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from loadkit.exit_codes import ExitCode
from loadkit.stats.number_format import plural
from loadkit.verdict.reason import Level, Reason, ReasonKind
from loadkit.verdict.slo import SloLine
from loadkit.verdict.validity import Validity

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it all comes to."""

    # `fail` if an objective is broken, or left undecided under `strict`, or if `[abort]` ended the
    # run for one; `none` if there was no objective; else `pass`
    slo: Literal["pass", "fail", "none"]
    validity: Level  # whether the run may be believed
    reasons: tuple[Reason, ...]  # why it is not a plain pass, doubts about the run first
    # 70 after a fault of this tool, 2 if the user's own code let nobody start, 3 if invalid,
    # whatever the objectives say; else 1 if the SLO failed, or if there is none and something
    # failed; else 0
    exit_code: int
    strict: bool = False  # whether an objective with too few samples to judge it counts as broken

    @property
    def doubts(self) -> tuple[Reason, ...]:
        """The reasons that speak about the measurement: why it is not valid as far as it went."""
        return tuple(reason for reason in self.reasons if reason.is_doubt)

    @property
    def disbelief(self) -> tuple[Reason, ...]:
        """Why it is not valid, what made it so first: that it was stopped, say; then the doubts."""
        if self.validity == "valid":
            return ()
        return tuple(
            each for each in self.reasons if each.is_doubt or each.kind is ReasonKind.STOPPED
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `summary.json`."""
        return {
            "slo": self.slo,
            "validity": self.validity,
            "reasons": [str(reason) for reason in self.reasons],
            "exit_code": self.exit_code,
            "strict": self.strict,
            "reasons_detail": [reason.to_dict() for reason in self.reasons],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Undo `to_dict`; one of an earlier version has no kinds of reasons.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        details = data.get("reasons_detail")
        if details is None:
            reasons = tuple(map(Reason.of_sentence, data["reasons"]))
        else:
            reasons = tuple(map(Reason.from_dict, details))
        strict = data.get("strict", False)
        return cls(data["slo"], data["validity"], reasons, data["exit_code"], strict)


def decide(
    slo: Sequence[SloLine],
    validity: Validity,
    failed: Mapping[str, int],
    *,
    strict: bool = False,
    aborted: str | None = None,
    foreseen: Mapping[str, str] = _NOTHING,
    overruled: int | None = None,
) -> Verdict:
    """Put the verdict together.

    Args:
        slo, validity: how the objectives fared, and whether the run may be believed.
        failed: how many there were of each thing that fails a run without objectives.
        strict: whether an objective with too few samples to judge it counts as broken.
        aborted: for which broken objective `[abort]` ended the run, and when.
        foreseen: by metric, what it would take to decide an objective, as was foreseen.
        overruled: the exit code where that does not hang on the objectives.
    """
    reasons = list(validity.reasons)
    if aborted is not None:
        reasons.append(Reason(ReasonKind.ABORTED, aborted))
    for line in slo:
        if line.status == "fail":
            reasons.append(Reason(ReasonKind.SLO_BROKEN, str(line)))
        elif line.status == "undecided":
            remedy = foreseen.get(line.metric, "")
            text = f"{line}{', and --strict' if strict else ''}{', as foreseen' if remedy else ''}"
            reasons.append(Reason(ReasonKind.SLO_UNDECIDED, text, remedy))
    outcome: Literal["pass", "fail", "none"] = "none"
    if slo or aborted is not None:
        bad = ("fail", "undecided") if strict else ("fail",)
        broken = aborted is not None or any(line.status in bad for line in slo)
        outcome = "fail" if broken else "pass"
    else:
        broken = any(failed.values())
        if broken:
            what = ", ".join(plural(n, noun) for noun, n in failed.items() if n)
            reasons.append(Reason(ReasonKind.FAILED, what))
    code: int = ExitCode.FAILED if broken else ExitCode.OK
    if validity.level == "invalid":
        code = ExitCode.INVALID
    code = code if overruled is None else overruled
    return Verdict(outcome, validity.level, tuple(reasons), code, strict)


def of_search(sentence: str, exit_code: int) -> Verdict:
    """Return the verdict of a capacity search; exit code 3 where the generator was the limit."""
    if exit_code == ExitCode.INVALID:
        reason = Reason(ReasonKind.SEARCH_INVALID, sentence)
        return Verdict("none", "invalid", (reason,), exit_code)
    return Verdict("none", "valid", (Reason(ReasonKind.SEARCH, sentence),), exit_code)
