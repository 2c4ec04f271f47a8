"""What is told on the terminal while a run goes on: one line, drawn anew or appended."""

from collections.abc import Sequence
from typing import Final

from loadkit.figures import Count, Phase
from loadkit.measure.ledger import Ledger
from loadkit.measure.overdue import overdue
from loadkit.report.live import line
from loadkit.report.screen import Screen

__all__ = ["Progress"]

PLAIN_EVERY: Final = 5  # seconds between two lines where a line cannot be redrawn


class Progress:
    """The line, on a terminal or in a log."""

    def __init__(self, console: Screen) -> None:
        self._console = console
        self._told = ""

    def say(
        self, now: float, of: float, users: int, ledger: Ledger, limits: Sequence[tuple[str, float]]
    ) -> None:
        """Tell how a run stands; to be called once a second.

        Args:
            now: seconds of the run.
            of: that it will last.
            users: that there are now.
            ledger: what was measured so far.
            limits: the objectives, as pairs of a metric and the most it may be.
        """
        if not self._is_time(now):
            return
        response = ledger.latency.get(Phase.RESPONSE)
        due = ledger.from_schedule.get(Phase.RESPONSE)
        text = line(
            elapsed_s=now,
            total_s=of,
            users=users,
            turns=ledger.counts[Count.TURNS_ANSWERED],
            response_ms=response.stats() if response is not None else {},
            from_schedule_ms=due.stats() if due is not None else {},
            errors=sum(ledger.under("errors").values()),
            disconnects=ledger.counts[Count.DISCONNECTS_UNEXPECTED],
            violations=sum(ledger.under("violations").values()),
            late=overdue(ledger.waiting, limits),
        )
        end = "\r" if self._console.is_terminal else "\n"
        self._console.print(text, end=end, soft_wrap=True)

    def say_step(self, now: float, state: str) -> None:
        """Tell where a capacity search stands, likewise; what a log has told is not repeated."""
        if self._console.is_terminal:
            self._console.print(f"{now:5.0f} s  {state:<70}", end="\r")
        elif self._is_time(now) and state != self._told:
            self._console.print(f"{now:,.0f} s  {state}", soft_wrap=True)
            self._told = state

    def clear(self) -> None:
        """Make room for the result."""
        if self._console.is_terminal:
            self._console.print(" " * 79, end="\r")

    def _is_time(self, now: float) -> bool:
        return self._console.is_terminal or not round(now) % PLAIN_EVERY
