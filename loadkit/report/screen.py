"""What tables and lines are laid out on before they are printed."""

from collections.abc import Iterable

from rich.console import Console
from rich.segment import Segment

from loadkit.security.escaping import SafeLines, visible
from loadkit.security.redaction import redact

__all__ = ["Screen"]


class Screen(Console):
    """A console that takes texts as they are: what a server or a user has written is no markup.

    What such a text could do to a terminal or a CI system it does not, whatever it is a part of.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)
        self._lines = SafeLines()

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Turn what is laid out into a text: the escapes in it are those of our own styles."""
        safe = [
            each if each.control else Segment(visible(each.text), each.style) for each in buffer
        ]
        return self._lines(redact(super()._render_buffer(safe)))
