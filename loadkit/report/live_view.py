"""What a terminal shows of a run while it goes on: some lines that are drawn anew each second."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from loadkit.profile.tables import Stage
from loadkit.report.latency import TOO_FEW, shifted, shown, supported
from loadkit.report.live import LiveFigures, clock
from loadkit.stats.number_format import FROM_DUE, number, plural
from loadkit.verdict.summary import Stats

_SHOWN: Final = ("p50", "p95", "p99")
_BAR: Final = 32  # columns
_LABEL: Final = 12  # likewise
_NARROW: Final = 60
"""On fewer columns a line is wrapped: what would be cut off are the figures."""

_LIGHTS: Final = {
    "valid": ("● valid so far", "green"),
    "suspect": ("▲ suspect", "bold yellow"),
    "invalid": ("✗ invalid", "bold magenta"),
}
"""Its sign and its word say it without the colour, too."""


def view(now: LiveFigures) -> RenderableType:
    """Return what is shown of a run; it has ten lines at most, where they need not be wrapped."""
    title = Text.assemble((now.profile, "bold"), f" → {now.target}")
    return _panel(title, _course(now), _rows(now))


def search_view(title: str, elapsed_s: float, rows: Sequence[tuple[str, str]]) -> RenderableType:
    """Return what is shown of a capacity search: label and text, a line each."""
    course = Text(f"{clock(elapsed_s)} since it began", "dim")
    return _panel(Text(title, "bold"), course, [(label, Text(text)) for label, text in rows])


def _panel(title: Text, course: Text, rows: Sequence[tuple[str, Text]]) -> RenderableType:
    lines = [title, course]
    lines += [Text.assemble((label.ljust(_LABEL), "bold"), text) for label, text in rows]
    return _Panel(lines)


class _Panel:
    """Lines, of which those with figures are wrapped where there is too little room for them."""

    def __init__(self, lines: Sequence[Text]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        narrow = options.max_width < _NARROW
        # The first line stays free: it is where others write who know nothing of this.
        yield Text()
        for line in self._lines:
            whole = narrow and line is not self._lines[0] and not line.plain.startswith("validity")
            line.no_wrap, line.overflow = not whole, "fold" if whole else "ellipsis"
            yield line


def _course(now: LiveFigures) -> Text:
    """How far it is, with a mark where a stage ends."""
    total = now.total_s
    if total is None:
        return Text(clock(now.elapsed_s))
    share = min(1.0, now.elapsed_s / total)
    done = round(share * _BAR)
    ends = {round(at / total * _BAR) for at in accumulate(each.duration for each in now.stages)}
    bar = Text()
    for place in range(_BAR):
        sign = "┼" if place and place in ends else "━" if place < done else "─"
        bar.append(sign, "cyan" if place < done else "dim")
    left = clock(max(0.0, total - now.elapsed_s))
    bar.append(f"  {clock(now.elapsed_s)} of {clock(total)}, {left} left")
    bar.append(_stage(now.stages, now.elapsed_s))
    if now.elapsed_s < now.warmup_s:
        bar.append(f" · warm-up until {clock(now.warmup_s)}", "dim")
    return bar


def _stage(stages: Sequence[Stage], elapsed_s: float) -> str:
    """Which stage it is, of those that last."""
    lasting = [stage.duration for stage in stages if stage.duration]
    if len(lasting) < 2:
        return ""
    ends = list(accumulate(lasting))
    at = min(bisect_right(ends, elapsed_s), len(ends) - 1)
    left = clock(max(0.0, ends[at] - elapsed_s))
    return f" · stage {at + 1} of {len(lasting)}, {left} left"


def _rows(now: LiveFigures) -> list[tuple[str, Text]]:
    closed = any(stage.users is not None for stage in now.stages)
    asked = (
        f"{plural(now.users, 'user')} of {number(now.asked)} asked for"
        if closed
        else f"{number(now.asked)} sessions/s asked for"
    )
    rows = [
        ("sessions", Text(f"{number(now.live)} now · {asked} · {plural(now.turns, 'turn')}")),
        ("response", Text(f"last 10 s  {_figures(now.recent_ms)}")),
        ("", Text(f"overall    {_figures(now.response_ms)}{_shift(now)}")),
        ("waiting", _waiting(now)),
        ("trouble", _trouble(now)),
    ]
    return [*rows, *_light(now)]


def _figures(stats: Stats) -> str:
    cells = shown(stats, _SHOWN) if stats else [TOO_FEW] * len(_SHOWN)
    return "  ".join(f"{name} {cell:>7}" for name, cell in zip(_SHOWN, cells, strict=True)) + " ms"


def _shift(now: LiveFigures) -> str:
    due = now.from_schedule_ms
    if supported(now.response_ms, "p95") and shifted(now.response_ms, due, ("p95",)):
        return f" (p95 {number(due['p95'])} {FROM_DUE})"
    return ""


def _waiting(now: LiveFigures) -> Text:
    oldest = f", the oldest for {number(round(now.oldest_s, 1))} s" if now.waiting else ""
    text = Text(f"{number(now.waiting)} for an answer{oldest}")
    if now.late:
        words = f" · {now.late.many} for longer than they should, the oldest for {now.late.oldest}"
        text.append(words, "yellow")
    return text


def _trouble(now: LiveFigures) -> Text:
    counts = (
        (now.errors, "error"),
        (now.disconnects, "drop"),
        (now.violations, "violation"),
    )
    told = [Text(plural(many, noun), "yellow" if many else "") for many, noun in counts]
    return Text(" · ").join(told)


def _light(now: LiveFigures) -> Iterator[tuple[str, Text]]:
    if now.validity is None:
        return
    text = Text(*_LIGHTS[now.validity.level])
    if now.validity.reasons:
        text.append(f": {now.validity.reasons[0]}", "")
    yield "validity", text
