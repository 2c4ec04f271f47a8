"""What tables and lines are laid out on before they are printed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from loadkit import output
from loadkit.security.escaping import SafeLines, visible
from loadkit.security.redaction import redact

WIDEST: Final = 1_000  # columns


class Screen(Console):
    """A console that takes texts as they are: what a server or a user has written is no markup.

    What such a text could do to a terminal or a CI system it does not, whatever it is a part of.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)
        self._lines = SafeLines()

    @property
    def is_live(self) -> bool:
        """Whether lines can be drawn anew on it, and somebody may be looking."""
        is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
        return output.terminal_size() is not None and not is_dumb and not is_set("CI", os.environ)

    def stand(self, what: RenderableType | None) -> None:
        """Show something below all that is printed, in place of what stood there; None clears."""
        lines: list[str] = []
        if what is not None and (size := output.terminal_size()) is not None:
            # Whatever COLUMNS and LINES say: a line that the terminal wraps would be two.
            with self.capture() as drawn:
                self.print(what, width=max(1, size.columns - 1))
            lines = drawn.get().split("\n")[:-1][: max(0, size.lines - 1)]
        output.stand(lines)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Turn what is laid out into a text: the escapes in it are those of our own styles."""
        safe = [
            each if each.control else Segment(visible(each.text), each.style) for each in buffer
        ]
        return self._lines(redact(super()._render_buffer(safe)))


class Whole:
    """A table as wide as it has to be: what a terminal wraps can be read, what is cut cannot."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType | Segment]:
        wide = options.update(max_width=WIDEST)
        needed = Measurement.get(console, wide, self._table).maximum
        room = options.update(max_width=max(options.max_width, needed))
        yield from console.render(self._table, room)


def is_set(name: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a variable such as `CI` is set, and not to what means no."""
    return environ.get(name, "").lower() not in ("", "0", "false")
