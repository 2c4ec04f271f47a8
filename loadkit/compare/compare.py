"""Two runs side by side."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadkit.compare.comparison import Comparison, Difference, RunTold
from loadkit.compare.counts import rates, shares
from loadkit.compare.course import stretch_s
from loadkit.compare.latencies import curves, latencies
from loadkit.compare.pairing import pair
from loadkit.compare.stored_run import StoredRun
from loadkit.compare.unjudged import judge
from loadkit.report.verdict import verdict_text, word
from loadkit.results.stored_series import Progress, unwatched
from loadkit.security.escaping import one_line

_LONGEST_VALUE: Final = 100  # characters of a value that are shown


def compare(base: StoredRun, new: StoredRun, progress: Progress = unwatched) -> Comparison:
    """Compare two runs. What they measured second by second is read now, and takes a while.

    Args:
        progress: see `StoredRun.read_course`.
    """
    seconds = max(run.summary.duration_s for run in (base, new))
    stretch = stretch_s(seconds, max(base.interval, new.interval))
    for run in (base, new):
        run.read_course(stretch, progress)
    paired, pairing = pair(base, new, stretch)
    found = [*latencies(base, new), *shares(base, new), *rates(base, new)]
    changes, judged = judge([paired, *found] if paired is not None else found)
    return Comparison(
        base=told(base),
        new=told(new),
        doubts=tuple(_doubts(base, new)),
        notes=tuple(_notes(base, new)),
        changes=changes,
        curves=tuple(curves(base, new)),
        settings=tuple(differences(base.settings, new.settings)),
        surroundings=tuple(differences(_around(base), _around(new))),
        paired=paired is not None,
        pairing=pairing,
        judged=judged,
    )


def told(run: StoredRun) -> RunTold:
    """Return of a run what a reader needs to know it."""
    summary = run.summary
    return RunTold(
        path=str(run.path),
        profile=summary.profile,
        started_at=summary.started_at,
        duration_s=summary.duration_s,
        target=summary.target,
        word=word(summary),
        validity=summary.verdict.validity,
        doubts=tuple(each.statement for each in summary.verdict.disbelief),
        headline=verdict_text(summary),
        sessions=int(summary.sessions["started"]),
        turns=int(summary.turns["sent"]),
    )


def differences(base: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Give the keys that differ, in the order of the one and then of the other.

    Args:
        base, new: by dotted keys.
    """
    for key in {**base, **new}:
        if key not in base or key not in new or base[key] != new[key]:
            yield Difference(one_line(key), _text(base, key), _text(new, key))


def _text(table: Mapping[str, Any], key: str) -> str | None:
    if key not in table:
        return None
    value = table[key]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    told = one_line(text, _LONGEST_VALUE)
    return f"{told}…" if len(text) > _LONGEST_VALUE else told


def _around(run: StoredRun) -> dict[str, object]:
    return {"profile": run.summary.profile, "target": run.summary.target, **run.surroundings}


def _doubts(base: StoredRun, new: StoredRun) -> Iterator[str]:
    for name, run in (("BASE", told(base)), ("NEW", told(new))):
        if run.validity != "valid":
            yield f"{name} is {run.validity}" + "".join(f": {why}" for why in run.doubts[:1])


def _notes(base: StoredRun, new: StoredRun) -> Iterator[str]:
    for run in (base, new):
        yield from run.left_out
        if run.no_course:
            yield (
                f"{run.no_course}: nothing is told from noise; intervals are by the summaries "
                "alone, and too narrow, as they take all waits for independent"
            )
    for name, one, other in (("BASE", base, new), ("NEW", new, base)):
        alone = [key for key in one.summary.latency_ms if key not in other.summary.latency_ms]
        if alone:
            yield f"only {name} has {', '.join(alone)}"
