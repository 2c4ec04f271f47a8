"""Runs that nobody made: their waits are drawn, so that it is known whether two of them differ.

Nothing in a run is independent, as in a real one: what all wait for longer in one second they wait
for longer in the next; a session is slow or quick as long as it lasts; turns are lost in bursts;
and while the load rises answers take longer.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadkit.compare.course import Course, PhaseCourse
from loadkit.compare.stored_run import StoredRun
from loadkit.figures import Count
from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution
from loadkit.stats.hdr_index import SUB_BUCKET_BITS
from loadkit.verdict.summary import Summary

Floats = NDArray[np.float64]
Generator = np.random.Generator

PHASES = {"response": 0.9, "first_chunk": 0.4, "echo": 0.005, "connect": 0.02, "greeting": 1.2}
"""By name, the median in seconds."""


def stored(
    summary: Summary,
    chance: Generator,
    *,
    rows: int = 120,
    a_second: float = 12.0,
    hang_together: float = 0.7,
    slower: float = 1.0,
    lost: float = 0.01,
) -> StoredRun:
    """Make a run.

    Args:
        summary: whose figures are put in the place of its own.
        rows: seconds that it lasts.
        a_second: waits of each phase, on average.
        hang_together: how much of the level of one second is left in the next.
        slower: by how much responses take longer than usual.
        lost: the share of turns that are lost.
    """
    made = list(_rows(chance, rows, a_second, hang_together, slower, lost))
    course = of_rows(made)
    counts: Counter[str] = sum((row.counts for row in made), Counter())
    sent, ended = counts[Count.TURNS_SENT], counts["ended.user_end"] + counts["ended.failed"]
    told = replace(
        summary,
        duration_s=float(rows),
        latency_ms={phase: found.whole.stats() for phase, found in course.phases.items()},
        turns={**summary.turns, "sent": sent, "lost": counts[Count.TURNS_LOST]},
        sessions={
            **summary.sessions,
            "started": ended,
            "ended": {"failed": counts["ended.failed"]},
        },
        violations={},
        violations_detail={},
        throughput={
            "turns_per_second": counts[Count.TURNS_ANSWERED] / rows,
            "sessions_per_second": counts[Count.SESSIONS_STARTED] / rows,
        },
    )
    return StoredRun(Path("drawn"), told, course=course)


def _rows(
    chance: Generator, rows: int, a_second: float, phi: float, slower: float, lost: float
) -> Iterator[Row]:
    level = 0.1 * _series(chance, rows, phi)
    level += 0.2 * np.minimum(1.0, np.arange(rows) / (rows / 4))  # a ramp, the same in every run
    sessions = 0.25 * chance.standard_normal((rows // 10 + 2, 40))
    latency: list[dict[str, Distribution]] = [{} for _ in range(rows)]
    for phase, median in PHASES.items():
        at = np.repeat(np.arange(rows), chance.poisson(a_second, rows))
        # Sessions last ten seconds, and begin all the time: at any second some are new.
        who = chance.integers(0, 40, len(at))
        scale = np.log(median) + (level + 0.05 * _series(chance, rows, phi))[at]
        scale += sessions[(at + who % 10) // 10, who] + 0.35 * chance.standard_normal(len(at))
        for row, found in drawn(at, np.exp(scale) * (slower if phase == "response" else 1.0)):
            latency[row][phase] = found
    bursts = np.exp(_series(chance, rows, phi) - 0.5)
    sent = chance.poisson(a_second, rows)
    gone = chance.binomial(sent, np.minimum(1.0, lost * bursts))
    failed, started = chance.binomial(3, 0.01, rows), chance.poisson(3.0, rows)
    for row in range(rows):
        counts = {
            Count.TURNS_SENT: sent[row],
            Count.TURNS_LOST: gone[row],
            Count.TURNS_ANSWERED: sent[row] - gone[row],
            Count.SESSIONS_STARTED: started[row],
            "ended.user_end": 3 - failed[row],
            "ended.failed": failed[row],
        }
        yield Row(
            float(row),
            1.0,
            latency=latency[row],
            counts=Counter({key: int(n) for key, n in counts.items()}),
        )


def of_rows(rows: Sequence[Row]) -> Course:
    """Return the course of rows, each of them a stretch."""
    phases = {}
    for phase in {phase: None for row in rows for phase in row.latency}:
        whole, parts = Distribution(), []
        for at, row in enumerate(rows):
            if (found := row.latency.get(phase)) is not None:
                whole.merge(found)
                parts += [(at, value, many) for value, many in found.counts.items()]
        phases[phase] = PhaseCourse(whole, *np.array(parts, np.int64).T)
    counts = {
        key: np.array([row.counts[key] for row in rows], float)
        for key in {key for row in rows for key in row.counts}
    }
    counts["ended"] = counts["ended.user_end"] + counts["ended.failed"]
    counts["failed"] = counts["ended.failed"]
    return Course(phases, counts, len(rows), 0)


def drawn(rows: NDArray[np.int64], seconds: Floats) -> Iterator[tuple[int, Distribution]]:
    """Return waits as histograms have them, row by row.

    Args:
        rows: of each wait, rising.
    """
    whole = np.maximum(np.round(seconds * 1e6), 1).astype(np.int64)
    shift = np.maximum(np.frexp(whole.astype(float))[1] - SUB_BUCKET_BITS, 0)
    both, counts = np.unique(rows << 40 | whole >> shift << shift, return_counts=True)
    for row in np.unique(rows):
        here = slice(*np.searchsorted(both, [row << 40, (row + 1) << 40]))
        values = (both[here] & (1 << 40) - 1).tolist()
        yield int(row), Distribution.of(dict(zip(values, counts[here].tolist(), strict=True)))


def _series(chance: Generator, length: int, phi: float) -> Floats:
    """An autoregression of the first order, of variance 1."""
    found, steps = np.empty(length), chance.standard_normal(length)
    found[0] = steps[0]
    for at in range(1, length):
        found[at] = phi * found[at - 1] + np.sqrt(1 - phi * phi) * steps[at]
    return found
