"""The line that says how a run is going."""

from collections.abc import Mapping

from loadkit.measure.overdue import Overdue
from loadkit.report.latency import TOO_FEW, shifted, shown, supported
from loadkit.stats.number_format import FROM_DUE, number, plural

__all__ = ["clock", "line"]


def line(
    *,
    elapsed_s: float,
    total_s: float | None,
    users: int,
    turns: int,
    response_ms: Mapping[str, float],
    errors: int,
    disconnects: int,
    violations: int = 0,
    from_schedule_ms: Mapping[str, float] | None = None,
    late: Overdue | None = None,
) -> str:
    """Return one line of progress, about 80 columns for runs of ordinary size.

    Seconds since the start and in all (None if nobody knows), users, turns answered, errors, and
    connections lost that were not lost on purpose.

    Args:
        response_ms: figures of the headline phase so far; empty before the first answer.
        violations, late: breaches of the protocol, and waits that last longer than they should:
            left out while there are none.
        from_schedule_ms: the headline's figures from the time at which the message was due. They
            take the place of p50 where they differ by more than 5 %.
    """
    time = clock(elapsed_s) if total_s is None else f"{clock(elapsed_s)}/{clock(total_s)}"
    parts = [
        time,
        plural(users, "user"),
        plural(turns, "turn"),
        _response(response_ms, from_schedule_ms or {}),
        *([f"waiting {late.many}, oldest {late.oldest}"] if late else []),
        plural(errors, "error"),
        plural(disconnects, "drop"),
    ]
    if violations:
        parts.append(plural(violations, "violation"))
    return "  ".join(parts)


def _response(response_ms: Mapping[str, float], from_schedule_ms: Mapping[str, float]) -> str:
    if supported(response_ms, "p95") and shifted(response_ms, from_schedule_ms, ("p95",)):
        return f"p95 {number(response_ms['p95'])} ms, {number(from_schedule_ms['p95'])} {FROM_DUE}"
    if not supported(response_ms, "p50"):
        return f"response p50/p95 {TOO_FEW}"
    return f"response p50/p95 {'/'.join(shown(response_ms, ('p50', 'p95')))} ms"


def clock(seconds: float) -> str:
    """Write a length of time: 01:40, or 2:01:40 from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
