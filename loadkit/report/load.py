"""The load asked for above the load delivered, drawn with characters for any terminal and page."""

from collections.abc import Iterator, Sequence
from typing import Final

from loadkit.stats.number_format import number
from loadkit.verdict.summary import Summary

WIDTH: Final = 58  # columns of the chart itself
HEIGHT: Final = 6  # lines of it

FILLED: Final = " ▁▂▃▄▅▆▇█"
_ASKED: Final = "─"
_MARK: Final = "▲"
_EIGHTHS: Final = 8
_UNITS: Final = {
    "closed": "sessions with an open socket (█) and users asked for (─)",
    "open": "sessions begun (█) and asked for (─) a second",
}


def drawn(summary: Summary) -> Iterator[str]:
    """Return the lines of the chart, at most 80 characters each; none without a load.

    A column stands for the same stretch of time as any other, a block for the mean of what was
    delivered in it. The line of what was asked for shows where the blocks do not reach it. Below
    the axis each incident's stretch is marked.
    """
    points = summary.load.get("points", [])
    if not points:
        return
    end = points[-1][0] + points[-1][1]
    width = min(WIDTH, len(points))
    asked, delivered = (_columns(points, which, width, end) for which in (2, 3))
    highest = max(*asked, *delivered)
    if not highest:
        return
    yield _UNITS[summary.load["model"]]
    labels = [f"{number(round(highest, 1))} ", *[""] * (HEIGHT - 1)]
    margin = max(map(len, labels))
    for label, line in zip(labels, _canvas(asked, delivered, highest), strict=True):
        yield f"{label:>{margin}}│{line}".rstrip()
    yield f"{'0 ':>{margin}}└{'─' * width}"
    last = f"{number(round(end))} s"
    gap = " " * max(1, width - 3 - len(last))
    yield f"{'':>{margin}} 0 s{gap}{last}"
    if marks := _marks(summary, width, end).rstrip():
        yield f"{'':>{margin}} {marks} incidents"


def _columns(points: Sequence[Sequence[float]], which: int, width: int, end: float) -> list[float]:
    """The mean of a load over each column."""
    sums, seconds = [0.0] * width, [0.0] * width
    for point in points:
        middle = point[0] + point[1] / 2
        column = min(width - 1, int(middle / end * width))
        sums[column] += point[which] * point[1]
        seconds[column] += point[1]
    return [total / length if length else 0.0 for total, length in zip(sums, seconds, strict=True)]


def _canvas(asked: Sequence[float], delivered: Sequence[float], highest: float) -> list[str]:
    lines = []
    for line in reversed(range(HEIGHT)):
        text = ""
        for wanted, there in zip(asked, delivered, strict=True):
            levels = [round(each / highest * HEIGHT * _EIGHTHS) for each in (wanted, there)]
            wanted_at, filled = max(0, levels[0] - 1) // _EIGHTHS, levels[1] - line * _EIGHTHS
            if filled <= 0 and wanted and wanted_at == line:
                text += _ASKED
            else:
                text += FILLED[min(max(filled, 0), _EIGHTHS)]
        lines.append(text)
    return lines


def _marks(summary: Summary, width: int, end: float) -> str:
    marks = [" "] * width
    for incident in summary.incidents:
        until = end if incident["end_s"] is None else incident["end_s"]
        first, last = (int(second / end * width) for second in (incident["begin_s"], until))
        for column in range(min(first, width - 1), min(last, width - 1) + 1):
            marks[column] = _MARK
    return "".join(marks)
