"""What a benchmark gives: named figures, each with a value for every run."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_HEAD: Final = ("figure", "median", "min – max", "target", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured once a run."""

    name: str  # what it is, with its unit
    values: Sequence[float]  # one a run, in the order of the runs
    at_most: float | None = None  # the target where less is better
    at_least: float | None = None  # the target where more is better

    @property
    def median(self) -> float:
        """The middle value: what the target is held against."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return None if self.at_least is None else self.median >= self.at_least


def ratios(dividends: Sequence[float], divisors: Sequence[float]) -> list[float]:
    """Run by run, so that what disturbs one pair disturbs both of its halves."""
    return [one / other for one, other in zip(dividends, divisors, strict=True)]


def busy(shares: Sequence[tuple[float, float, float]]) -> list[Figure]:
    """Lines on who was busy; `shares` as of `Window.busy`, one a run."""
    names = ("generator's core", "server's core", "anything else")
    columns = zip(*shares, strict=True)
    return [
        Figure(f"  {name}, % of a core", column)
        for name, column in zip(names, columns, strict=True)
    ]


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text, a line each."""
    rows = [_HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 or column > 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    target = "" if figure.at_most is None else f"≤ {figure.at_most:g}"
    target = target if figure.at_least is None else f"≥ {figure.at_least:g}"
    spread = f"{_short(min(figure.values))} – {_short(max(figure.values))}"
    verdict = {None: "", True: "met", False: "not met"}[figure.met]
    return figure.name, _short(figure.median), spread, target, verdict


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
