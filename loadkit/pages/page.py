"""One page as one file: what it says, what it draws, and all that draws it.

Nothing is fetched when it is opened, and it may fetch nothing: a policy in its head says so.
Whatever a server, a user or a profile said goes through `text` into it, or as JSON that no script
is made from.
"""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from loadkit.security.escaping import visible

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)

WINDOW: Final = (
    '<label>Time <input id="window" size="13" autocomplete="off" placeholder="the whole run" '
    'title="What all charts of time show: write 0:20–0:40, or drag below the first one"></label>'
    '<button id="whole" type="button" hidden>Whole run</button>'
)
"""The window of time that all charts of a page have."""

Column = Sequence[float | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn, with its figures as a table: that is shown, saved and drawn from.

    Attributes:
        id: of its section, unique in a page.
        kind: how it is drawn; the name of a function of `assets/page.js`.
        title: what it is of.
        question: what it answers, in a sentence.
        says: what is seen in it, for who does not see it.
        columns: the figures, column by column, all of one length; the first one is the axis.
        labels: what a column is called, with its unit; its name where none is given.
        more: what the kind needs besides.
    """

    id: str
    kind: str
    title: str
    question: str
    says: str
    columns: Mapping[str, Column]
    labels: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain types."""
        columns = [
            {"name": name, "label": self.labels.get(name, name), "values": list(values)}
            for name, values in self.columns.items()
        ]
        of_its_own = {"id": self.id, "kind": self.kind, "title": self.title, "says": self.says}
        return of_its_own | {"columns": columns, "more": dict(self.more)}


def text(said: object) -> str:
    """Return a text, whoever said it, as it stands in HTML: it is read and nothing else."""
    return html.escape(visible(str(said)), quote=True)


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    words: Sequence[str] = (),
) -> str:
    """Return a table; its cells are HTML already, the first one of a row names it.

    Args:
        head: the columns' names.
        rows: their cells.
        caption: what is to be known of all of them; "" for nothing.
        words: the columns that hold words.
    """
    of_words = [' class="words"' if name in words else "" for name in head]
    columns = "".join(
        f'<th scope="col"{kind}>{text(name)}</th>'
        for name, kind in zip(head, of_words, strict=True)
    )
    lines = (
        f'<tr><th scope="row">{first}</th>'
        + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(rest, of_words[1:], strict=True))
        + "</tr>"
        for first, *rest in rows
    )
    said = f"<caption><span>{text(caption)}</span></caption>" if caption else ""
    return (
        f'<div class="wide"><table>{said}<thead><tr>{columns}</tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def details(summary: str, content: str) -> str:
    """Return something to unfold; both are HTML already."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def section(name: str, title: str, content: str, question: str = "") -> str:
    """Return a part of a page that a link can lead to; the content is HTML already."""
    asks = f'<p class="question">{text(question)}</p>' if question else ""
    return f'<section id="{text(name)}"><h2>{text(title)}</h2>{asks}{content}</section>'


def drawn(chart: Chart, after: str = "") -> str:
    """Return the section of a chart, and what comes after it there, as HTML."""
    place = (
        f'<div class="chart {text(chart.kind)}" data-chart="{text(chart.id)}" role="img" '
        f'aria-label="{text(chart.says)}"></div>'
        f'<details class="figures" data-chart="{text(chart.id)}"><summary>Figures</summary>'
        f"</details>"
    )
    return section(chart.id, chart.title, place + after, chart.question)


def document(title: str, body: str, charts: Iterable[Chart], data: Mapping[str, Any]) -> str:
    """Return a whole page.

    Args:
        title: of the window.
        body: HTML.
        charts: what its script draws where `drawn` has left room.
        data: what the charts have in common: the marks on their time axis.
    """
    island = json.dumps({**data, "charts": [chart.to_dict() for chart in charts]})
    # Inside a script nothing ends it but "</script"; older readers take these two for line ends.
    for sign in "<>&\u2028\u2029":
        island = island.replace(sign, f"\\u{ord(sign):04x}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{text(title)}</title><style>{asset('page.css')}</style></head><body>{body}"
        f'<script type="application/json" id="data">{island}</script>'
        f"<script>{asset('echarts.min.js')}</script><script>{asset('page.js')}</script>"
        "</body></html>\n"
    )


@cache
def asset(name: str) -> str:
    """Return a file that is shipped with this package."""
    return resources.files("loadkit.pages").joinpath("assets", name).read_text("utf-8")
