"""What tables and lines are laid out on before they are printed."""

from rich.console import Console

__all__ = ["Screen"]


class Screen(Console):
    """A console that takes texts as they are: what a server or a user has written is no markup."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)
