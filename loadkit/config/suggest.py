"""Mends for misspelt names: what the user most likely meant."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]

_LONGEST = 100  # a longer word is no slip of a pen, and comparing it takes long
_MOST_LISTED = 12  # a longer list is no help on one line of a terminal


def did_you_mean(word: str, options: Iterable[str], *, listed: bool = True) -> str:
    """Half a sentence that mends a wrong name, to be put behind the complaint.

    Args:
        word: what the user wrote; compared without regard to case.
        options: the names that are right.
        listed: whether to fall back on the list of them; False where the complaint has it.

    Returns:
        `"; did you mean 'x'?"` where something is close, else the list of right names where it
        is short, else nothing.
    """
    by_folded = {option.casefold(): option for option in options}
    close = get_close_matches(word.casefold(), by_folded, n=1) if len(word) <= _LONGEST else []
    if close:
        return f"; did you mean {by_folded[close[0]]!r}?"
    if listed and 0 < len(by_folded) <= _MOST_LISTED:
        return f"; known: {', '.join(sorted(by_folded.values()))}"
    return ""
