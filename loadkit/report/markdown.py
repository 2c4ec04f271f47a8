"""`summary.md`: what a reviewer reads in ten seconds, the verdict first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from loadkit.measure.summary import Summary
from loadkit.measure.words import number
from loadkit.report.terminal import shifted
from loadkit.report.verdict import verdict_line, word

__all__ = ["document"]

_COLUMNS: Final = ("count", "p50", "p90", "p95", "p99", "p999", "max")
_EXAMPLE: Final = "for example"


def document(summary: Summary, examples: Mapping[str, str] | None = None) -> str:
    """Return a summary as Markdown (GitHub's tables).

    Args:
        summary: what to write.
        examples: one text for each `errors.<kind>` and `violations.<kind>`.
    """
    return "\n".join(_lines(summary, examples or {})) + "\n"


def _lines(summary: Summary, examples: Mapping[str, str]) -> Iterator[str]:
    verdict = verdict_line(summary).removeprefix(word(summary)).strip()
    yield f"# {word(summary)}: {_plain(summary.profile)}"
    yield ""
    yield _plain(verdict)
    yield ""
    yield (
        f"`{summary.target}` · {summary.started_at} · {number(summary.duration_s)} s · "
        f"exit code {summary.verdict.exit_code}"
    )
    if summary.verdict.reasons:
        yield from ("", "## Why", "")
        yield from (f"- {_plain(reason)}" for reason in summary.verdict.reasons)
    if summary.slo:
        yield from ("", "## Objectives", "")
        yield from _table(
            ("metric", "limit", "actual", "held"),
            [
                (
                    f"{line.metric}{', ms' if line.is_duration else ''}",
                    number(line.limit),
                    "never measured" if line.actual is None else f"{line.actual:,}",
                    "✓" if line.ok else "**✗**",
                )
                for line in summary.slo
            ],
        )
    if summary.latency_ms:
        yield from ("", "## Latency, ms", "")
        yield from _table(("phase", *_COLUMNS), list(_latencies(summary)))
    yield from ("", "## Counts", "")
    yield from _table(("what", "how many"), list(_counts(summary)))
    for name, kinds in (("errors", summary.errors), ("violations", summary.violations)):
        if kinds:
            yield from ("", f"## {name.capitalize()}", "")
            yield from _table(
                ("kind", "how many", _EXAMPLE),
                [
                    (kind, number(count), examples.get(f"{name}.{kind}", ""))
                    for kind, count in sorted(kinds.items(), key=lambda item: -item[1])
                ],
            )
    yield from ("", "## Generator", "")
    rows = [
        (name, number(stats["p50"]), number(stats["p99"]), number(stats["max"]))
        for name, stats in summary.generator.items()
        if name != "workers" and stats
    ]
    yield f"Workers: {summary.generator['workers']}."
    if rows:
        yield ""
        yield from _table(("figure", "p50", "p99", "max"), rows)


def _latencies(summary: Summary) -> Iterator[tuple[str, ...]]:
    for phase, stats in summary.latency_ms.items():
        yield (phase, *(number(stats[name]) for name in _COLUMNS))
        due = summary.from_schedule_ms.get(phase, {})
        if shifted(stats, due):
            yield (f"{phase}, from schedule", *(number(due[name]) for name in _COLUMNS))


def _counts(summary: Summary) -> Iterator[tuple[str, str]]:
    sessions = summary.sessions
    for name in ("started", "completed", "peak_concurrent"):
        yield f"sessions {name}", number(sessions[name])
    for name, count in sessions["ended"].items():
        if count:
            yield f"ended: {name}", number(count)
    for name, value in summary.turns.items():
        yield f"turns {name}", number(value)
    for name, count in summary.disconnects.items():
        if count:
            yield f"disconnects {name}", number(count)
    for name, count in summary.frames.items():
        yield (name if name.startswith("bytes") else f"frames {name}"), number(count)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column is of names, an example is text, the others are of numbers."""
    yield _row(header)
    texts = (header[0], _EXAMPLE)
    yield _row(["---" if title in texts else "---:" for title in header])
    yield from (_row([_plain(cell) for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Escape what a server's words could do to the page; our own emphasis is left alone."""
    if text == "**✗**":
        return text
    return re.sub(r"([\\`|<\[\]*])", r"\\\1", text)
