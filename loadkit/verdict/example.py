"""The example of a violation that a summary shows: the smallest there is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from loadkit.measure.occurrence import Occurrence
from loadkit.protocol.expectations import NEEDED, WRONG, left_out

__all__ = ["smallest"]


def smallest(kind: str, found: Iterable[Occurrence]) -> dict[str, Any]:
    """Return what shows a violation in the fewest frames, cut down to those.

    Returns:
        `detail`, `session` and `frames`; nothing where there is none of that kind.
    """
    same = [one for one in found if (one.of, one.kind) == ("violations", kind)]
    if not same:
        return {}
    least = min((replace(one, frames=_cut(one.frames)) for one in same), key=_size)
    told = {"detail": least.detail, "session": least.session, "frames": list(least.frames)}
    return {key: value for key, value in told.items() if value}


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that are marked, and how many frames were left out before each, and at the end.

    Where none is marked, all of them.
    """
    cut, without = list[str](), 0
    for line in lines:
        if line.startswith((WRONG, NEEDED)):
            if without:
                cut.append(left_out(without))
            cut.append(line if line.startswith(WRONG) else line.replace(NEEDED, "  ", 1))
            without = 0
        elif counted := _LEFT_OUT.fullmatch(line):
            without += int(counted[1].replace(",", ""))
        else:
            without += 1
    if not cut:
        return tuple(lines)
    return (*cut, left_out(without)) if without else tuple(cut)


_LEFT_OUT: Final = re.compile(r"… ([0-9,]+) frames?")


def _size(one: Occurrence) -> tuple[bool, int, int, str]:
    """What has no frames shows nothing; of equals the earlier."""
    frames = [line for line in one.frames if not _LEFT_OUT.fullmatch(line)]
    return not frames, len(frames), sum(map(len, frames)), one.at
