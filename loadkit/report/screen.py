"""What commands print on."""

import os
import sys

from rich.console import Console

__all__ = ["Screen"]


class Screen(Console):
    """A console that nobody has to read: what prints on it goes on, and ends as it would have.

    Rich's own ends the process with exit code 1, "an objective is broken", once the reader of a
    pipe has gone: `| head`, a `tee` whose disk is full, a pager that was left.
    """

    def on_broken_pipe(self) -> None:
        """Print no more."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is yet to be flushed
