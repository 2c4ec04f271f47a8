"""What a capacity search came to."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Answer", "CapacityResult", "Ceiling"]

Answer = Literal[
    "found", "policy", "at_least", "unstable", "below_start", "undecided", "out_of_budget"
]
Ceiling = Literal["slo", "policy", "generator", "ceiling", "undecided", "budget"]


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """What a search came to.

    Attributes:
        verdict: `found`: it breaks above. `policy`: as found, but it is a rule of the target that
            ends it. `at_least`: what is above could not be measured, or is above the ceiling.
            `unstable`: loads in `flips` held and broke, beyond sampling error. `below_start`:
            nothing held down to the floor. `undecided`: no load that could be judged held.
            `out_of_budget`: time was up; the figures are the best so far.
        load: the highest load that may be called the capacity; None if there is none.
        low: with `high`, the 95 % interval; None where nothing bounds it from below.
        high: None where nothing bounds it from above.
        confirmed: whether the long hold at `load` held.
        limit: what was met above `load`; `undecided` are too few samples, or no rest.
        flips: the lowest load that broke and the highest that held, where it is unstable.
        steps: how many there were.
        seconds: what they took.
        notes: what else a reader has to know, a sentence each.
    """

    verdict: Answer
    load: float | None
    low: float | None
    high: float | None
    confirmed: bool
    limit: Ceiling
    flips: tuple[float, float] | None
    steps: int
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it by the keys of `capacity.json`."""
        return asdict(self)
