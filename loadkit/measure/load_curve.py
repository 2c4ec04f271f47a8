"""The load that was asked for against the load that there was, as few enough points for a chart."""

from dataclasses import dataclass
from typing import Any, Final

from loadkit.figures import Count, Ending, State
from loadkit.measure.timeline import Row

POINTS: Final = 120
"""So many points at most are kept: two for a column of a chart."""

_NOT_THERE: Final = (State.STARTING, State.RECONNECTING)


def connected(row: Row) -> int:
    """Sessions with an open socket at the end of a row: what the target has of the load."""
    return row.live - sum(row.in_state(state) for state in _NOT_THERE)


def asked(row: Row) -> float:
    """The load asked for: users in the closed model, arrivals a second in the open one."""
    return row.asked.get("users", row.asked.get("arrivals_per_second", 0.0))


class Delivered:
    """The load that there was, row by row, in the unit of `asked`.

    In the closed model that is the sessions with an open socket. In the open one it is the
    sessions, a second, that got through to the target: those that began, less those that failed,
    less by how many more are still on their way to their first socket.
    """

    def __init__(self) -> None:
        self._starting = 0

    def of(self, row: Row) -> float:
        """Take the next row."""
        before, self._starting = self._starting, row.in_state(State.STARTING)
        if "users" in row.asked:
            return connected(row)
        began = row.counts[Count.SESSIONS_STARTED] - row.counts[f"ended.{Ending.FAILED}"]
        return max(0, began - (self._starting - before)) / row.length


@dataclass(slots=True)
class _Point:
    """Some rows in a row; the sums are weighted by seconds."""

    start: float
    length: float = 0.0
    asked: float = 0.0
    delivered: float = 0.0

    def add(self, length: float, asked: float, delivered: float) -> None:
        self.length += length
        self.asked += length * asked
        self.delivered += length * delivered


class LoadCurve:
    """The two loads over the run. Bounded: each point stands for twice the rows when there are
    too many."""

    def __init__(self) -> None:
        self._points: list[_Point] = []
        self._rows_a_point = 1
        self._rows = 0
        self._model = ""
        self._delivered = Delivered()

    def add(self, row: Row) -> None:
        """Take the next row."""
        self._model = self._model or ("closed" if "users" in row.asked else "open")
        if self._rows % self._rows_a_point == 0:
            if len(self._points) == POINTS:
                self._halve()
            self._points.append(_Point(row.start))
        self._rows += 1
        self._points[-1].add(row.length, asked(row), self._delivered.of(row))

    def _halve(self) -> None:
        for left, right in zip(self._points[::2], self._points[1::2], strict=True):
            left.length += right.length
            left.asked += right.asked
            left.delivered += right.delivered
        self._points = self._points[::2]
        self._rows_a_point *= 2

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for `summary.json`: `model`, and `points` in their order.

        A point has the second at which it begins, its length in seconds, and the mean of the load
        asked for and of the one delivered, in the units of `asked`. Empty without rows.
        """
        if not self._points:
            return {}
        return {
            "model": self._model,
            "points": [
                [
                    round(point.start, 3),
                    round(point.length, 3),
                    round(point.asked / point.length, 2),
                    round(point.delivered / point.length, 2),
                ]
                for point in self._points
            ],
        }
