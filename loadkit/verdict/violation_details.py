"""What is told of each kind of violation: how widely it was met, what was expected, an example."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadkit.figures import VIOLATED, Count
from loadkit.measure.ledger import Ledger
from loadkit.measure.occurrence import Occurrence
from loadkit.protocol.expectations import EXPECTED, NEEDED, WRONG, left_out

_LEFT_OUT: Final = re.compile(r"… ([0-9,]+) frames?")


def violation_details(ledger: Ledger, violations: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return what `summary.json` has of each kind, by the keys of its `violations_detail`."""
    hit, started = ledger.under(VIOLATED), ledger.counts[Count.SESSIONS_STARTED]
    return {
        kind: {
            "count": count,
            "sessions": hit.get(kind, 0),
            # Of a worker's report that was lost, either number may be missing.
            "share": round(min(hit.get(kind, 0) / started, 1.0), 6) if started else 0.0,
            "expected": EXPECTED.get(kind, ""),
            "example": smallest(kind, ledger.evidence),
        }
        for kind, count in violations.items()
    }


def smallest(kind: str, found: Iterable[Occurrence]) -> dict[str, Any]:
    """Return what shows a violation in the fewest frames, cut down to those, as far as known.

    By `detail`, `session` and `frames`; empty where there is none of that kind.
    """
    same = [one for one in found if (one.of, one.kind) == ("violations", kind)]
    if not same:
        return {}
    least = min((replace(one, frames=_cut(one.frames)) for one in same), key=_size)
    told = {"detail": least.detail, "session": least.session, "frames": list(least.frames)}
    return {key: value for key, value in told.items() if value}


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that are marked, with how many frames were left out between; all if none is."""
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


def _size(one: Occurrence) -> tuple[bool, int, int, str]:
    """What has no frames shows nothing; of equals the earlier."""
    frames = [line for line in one.frames if not _LEFT_OUT.fullmatch(line)]
    return not frames, len(frames), sum(map(len, frames)), one.at
