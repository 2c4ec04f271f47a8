"""A comparison as Markdown, for a pull request: the news first, all figures folded."""

from collections.abc import Iterator, Sequence
from typing import Final

from loadkit.compare import trend
from loadkit.compare.comparison import METHOD, Change, Comparison
from loadkit.compare.words import (
    COLUMNS,
    cells,
    difference,
    first_line,
    heads,
    pairing,
    reasons,
    shown,
)
from loadkit.figures import Phase
from loadkit.security.escaping import markdown

_TEXTS: Final = ("figure", "verdict")


def document(found: Comparison) -> str:
    """Return a comparison as Markdown (GitHub's tables)."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Comparison) -> Iterator[str]:
    word, _, text = first_line(found).partition("  ")
    yield f"## {word}: {markdown(found.new.profile)}"
    yield ""
    yield markdown(text)
    yield ""
    yield from (f"- **{name}** {markdown(line)}" for name, line in heads(found))
    for held in found.held:
        mark = "✓" if held.status == "kept" else "**✗**"
        yield f"- {mark} {markdown(held.text)}: {markdown(held.told)}"
    if found.trend:
        yield ""
        yield _row(trend.COLUMNS)
        yield _row(["---"] * 3 + ["---:"] * (len(trend.COLUMNS) - 3))
        for step in found.trend:
            yield _row([markdown(cell) for cell in trend.cells(step)])
    changes = shown(found)
    news = [each for each in changes if each.phase == Phase.RESPONSE or _is_news(each)]
    yield from _table(news)
    yield from _folded("All figures", list(_table(changes)))
    differs = [*found.settings, *found.surroundings]
    yield from _folded(
        f"What differs ({len(differs)})", [f"- {markdown(difference(each))}" for each in differs]
    )
    notes = [*found.notes, *reasons(found), pairing(found), METHOD]
    yield from _folded("Notes", [f"- {markdown(each)}" for each in notes])


def _is_news(change: Change) -> bool:
    return change.verdict in ("worse", "better")


def _folded(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"<details><summary>{title}</summary>", "", *lines, "", "</details>")


def _table(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        return
    yield ""
    yield _row(COLUMNS)
    yield _row(["---" if title in _TEXTS else "---:" for title in COLUMNS])
    for change in changes:
        told = [markdown(cell) for cell in cells(change)]
        yield _row([f"**{cell}**" if _is_news(change) and cell else cell for cell in told])


def _row(told: Sequence[str]) -> str:
    return f"| {' | '.join(told)} |"
