"""Rows of a timeline, as a target that is a formula would leave them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from loadkit.figures import Count, Phase
from loadkit.measure.state import Standing
from loadkit.measure.timeline import Row
from loadkit.stats.distribution import Distribution
from loadkit.stats.histogram import Histogram


def distribution(values: Sequence[float]) -> Distribution:
    """Of seconds."""
    tally, found = Histogram(), Distribution()
    for value in values:
        tally.record(value)
    found.merge(tally)
    return found


def row(
    start: float,
    responses: Sequence[float],
    *,
    counts: Mapping[str, int] | None = None,
    lag_ms: float = 0.5,
    live: int = 10,
    length: float = 1.0,
    sessions: int | None = None,
) -> Row:
    """One row: what people waited, in seconds, and how late the generator was."""
    answered = len(responses)
    every = {
        Count.TURNS_ANSWERED: answered,
        Count.TURNS_SENT: answered,
        Count.SESSIONS_STARTED: answered if sessions is None else sessions,
        **(counts or {}),
    }
    return Row(
        start,
        length,
        latency={Phase.RESPONSE.value: distribution(responses)} if answered else {},
        generator={"loop_lag_ms": distribution([lag_ms / 1000] * 10)},
        counts=Counter({str(key): count for key, count in every.items()}),
        session_seconds=live * length,
        standing={"worker": Standing(start + length, {}, live, None)},
    )


def rows(
    number: int, p95: float, *, each: int = 20, rise: float = 0.0, seed: int = 1, **other: int
) -> list[Row]:
    """Rows whose waits are uniform up to p95 ÷ 0.95, and rise by a share of that row by row."""
    rng = Random(seed)
    return [
        row(
            float(at),
            [rng.uniform(0, p95 / 0.95) * (1 + rise * at) for _ in range(each)],
            live=other.get("live", 10),
        )
        for at in range(number)
    ]
