"""Two runs side by side."""

from collections.abc import Iterator

from loadkit.compare.comparison import Comparison, RunTold
from loadkit.compare.counts import rates, shares
from loadkit.compare.course import stretch_s
from loadkit.compare.differences import differences
from loadkit.compare.latencies import curves, latencies
from loadkit.compare.pairing import pair
from loadkit.compare.stored_run import StoredRun
from loadkit.compare.unjudged import judge
from loadkit.report.verdict import verdict_text, word
from loadkit.results.stored_series import Progress, unwatched


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
    validity = summary.verdict.validity
    doubts = () if validity == "valid" else tuple(each.statement for each in summary.verdict.doubts)
    return RunTold(
        path=str(run.path),
        profile=summary.profile,
        started_at=summary.started_at,
        duration_s=summary.duration_s,
        target=summary.target,
        word=word(summary),
        validity=validity,
        doubts=doubts,
        headline=verdict_text(summary),
        sessions=int(summary.sessions["started"]),
        turns=int(summary.turns["sent"]),
    )


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
