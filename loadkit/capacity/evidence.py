"""The steps of a capacity search, and what can truthfully be said from how they ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from loadkit.codec import Amount, Codec, Flag, Line, Number

Verdict = Literal["held", "broken", "generator", "policy", "undecided"]
"""How a step ended. `held`, `broken`: the service level was kept, or was not. `generator`: the run
was invalid, whatever the service level says. `policy`: the target turned users away by a rule of
its own (429, a limit of connections, its text for high load). `undecided`: too few samples."""


StepLoad = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1e12)]


def margin(actual: float, limit: float) -> float | None:
    """How far a metric is inside its limit, as a share of that (None if 0); negative beyond."""
    return 1 - actual / limit if limit else None


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A load to put on: users, or session arrivals per second."""

    load: float
    kind: Literal["probe", "confirm"]  # `probe` looks for the answer, `confirm` holds it
    number: int  # from 1
    rest_s: float  # seconds without load before it
    measure_s: float  # seconds to measure at least, once it has settled


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How one step ended."""

    load: StepLoad
    verdict: Verdict
    # of the objective that was closest to its limit or farthest beyond; see `margin`
    margin: Number | None = None
    # the 95 % interval of that margin, lower end first; None where the objective has none (a
    # count), which is taken as certain. It should allow for samples that depend on each other:
    # `loadkit.capacity.settling.batch_interval`.
    margins: tuple[Number, Number] | None = None
    settled: Flag = True  # whether the step became stationary before it was measured
    seconds: Amount = 0.0  # what the step took in all, from the rest before it to its end
    why: Line = ""  # the objective, or what the generator or the target said, in words

    @property
    def marginal(self) -> bool:
        """Whether the limit lies inside the interval: another hold might end the other way."""
        return self.margins is not None and self.margins[0] <= 0 <= self.margins[1]

    @property
    def held(self) -> bool:
        """Whether the service level was kept by a target at rest.

        A queue that still grows when it is measured may just not have broken the limit yet.
        """
        return self.verdict == "held" and self.settled

    @property
    def broken(self) -> bool:
        """Whether the target did not carry the load, be it for lack of strength or by policy."""
        return self.verdict in ("broken", "policy")

    @property
    def strained(self) -> bool:
        """Whether the target may still be busy with what this step left behind."""
        return self.broken or not self.settled


OUTCOME: Final = Codec[StepOutcome](StepOutcome)


class Evidence:
    """All outcomes so far, less those that a later one explained away.

    An outcome is *clear* when it held or broke and was not marginal. Where latency only rises
    with load, a clear hold above the true capacity, or a clear break below it, has a chance of at
    most 2.5 % each (one end of a 95 % interval).
    """

    def __init__(self) -> None:
        self.outcomes: list[StepOutcome] = []
        self._explained: set[int] = set()

    def excuse(self, load: float) -> None:
        """Leave aside what broke at a load: it held once the target was given more rest."""
        breaks = (n for n, each in enumerate(self.outcomes) if each.broken and each.load == load)
        self._explained.update(breaks)

    def overrule(self, load: float) -> None:
        """Leave aside what held from a load on: a longer hold broke there, and knows better."""
        holds = (n for n, each in enumerate(self.outcomes) if each.held and each.load >= load)
        self._explained.update(holds)

    def highest_held(self, below: float = float("inf")) -> float | None:
        """The highest load under a bound that held and does not lie above a clear break."""
        bound = min([below, *self._clear_breaks()])
        held = (each.load for each in self._counted() if each.held)
        return max((load for load in held if load < bound), default=None)

    @property
    def inverted(self) -> bool:
        """Whether a load clearly held that is as high as one that clearly broke, or higher.

        Sampling error does not explain that: the target is unstable, or dips.
        """
        holds, breaks = self._clear_holds(), self._clear_breaks()
        return bool(holds and breaks) and max(holds) >= min(breaks)

    @property
    def flips(self) -> tuple[float, float] | None:
        """The lowest load that clearly broke and the highest that clearly held, where inverted."""
        if not self.inverted:
            return None
        return min(self._clear_breaks()), max(self._clear_holds())

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """What encloses the capacity: a clear hold under every clear break, and the reverse."""
        holds, breaks = self._clear_holds(), self._clear_breaks()
        low = max((load for load in holds if load < min(breaks, default=load + 1)), default=None)
        high = min((load for load in breaks if load > max(holds, default=0.0)), default=None)
        return low, high

    def _counted(self) -> Iterator[StepOutcome]:
        return (each for n, each in enumerate(self.outcomes) if n not in self._explained)

    def _clear_holds(self) -> list[float]:
        return [each.load for each in self._counted() if each.held and not each.marginal]

    def _clear_breaks(self) -> list[float]:
        return [each.load for each in self._counted() if each.broken and not each.marginal]
