"""The slowest turns of a run as a table: the ids to find them by, and the life of each."""

from pathlib import Path
from typing import Any, Final

from loadkit.measure.slow_turns import SLOW_TURN, SLOWEST, SlowTurn
from loadkit.pages.page import section, text
from loadkit.pages.run_files import lines as lines_of
from loadkit.security.textfile import clipped
from loadkit.stats.number_format import number, plural

_WORDS: Final = ' class="words"'
_MORE: Final = ' class="out" data-more'


def slow_turns(folder: Path, wrong: list[str]) -> str:
    turns = [
        found
        for line in lines_of(folder / "slow_turns.jsonl", wrong)
        if (found := _slow_turn(line, folder, wrong)) is not None
    ]
    if not turns:
        return ""
    slowest_first = sorted(turns, key=lambda each: -each.took_ms)
    lines = "".join(_slow_row(turn, rank) for rank, turn in enumerate(slowest_first))
    names = (
        *("took, ms", "second", "UTC", "turn", "its life", "planned, ms", "echo, ms"),
        *("thinking, ms", "first chunk, ms", "chunks", "user class", "session"),
        "X-Polyai-Correlation-Id",
    )
    head = "".join(
        f'<th scope="col"{_WORDS if name in names[-3:] else ""}>{text(name)}</th>' for name in names
    )
    caption = (
        f"The slowest {min(SLOWEST, len(turns))} of the run. Zoom a chart, or click the heat map, "
        f"and those of that time are here, {plural(len(turns), 'turn')} in all. Their life, from "
        "when they were sent: grey until the echo, green until the agent thinks, then until the "
        "first chunk, then until the answer was complete."
    )
    return section(
        "slow-turns",
        "The slowest turns",
        f'<div class="wide"><table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>",
        "Which turn was slowest, and how do I find it in the target's logs?",
    )


def _slow_row(turn: SlowTurn, rank: int) -> str:
    first_chunk = turn.chunks_ms[0] if turn.chunks_ms else None
    cells = (
        *(_clock(turn.at_s), text(turn.at[11:23]), number(turn.number), _life(turn)),
        *(_ms(at) for at in (turn.due_ms, turn.echo_ms, turn.thinking_ms, first_chunk)),
        number(len(turn.chunks_ms)) if turn.chunks_ms else "–",
    )
    words = (
        text(turn.user_class),
        f"<code>{text(turn.session)}</code>",
        f"<code>{text(turn.correlation_id)}</code>",
    )
    return (
        f'<tr data-at="{turn.at_s:.3f}"{_MORE if rank >= SLOWEST else ""}>'
        f'<th scope="row">{number(turn.took_ms)}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "".join(f"<td{_WORDS}>{word_}</td>" for word_ in words)
        + "</tr>"
    )


def _slow_turn(line: Any, folder: Path, wrong: list[str]) -> SlowTurn | None:
    try:
        return SLOW_TURN.decode(line)
    except ValueError as error:
        wrong.append(f"{folder / 'slow_turns.jsonl'}: {clipped(str(error))}")
        return None


def _life(turn: SlowTurn) -> str:
    """A turn as a bar: what was seen of it, in the colours of the phases."""
    width, end = 256.0, max(turn.took_ms, 0.001)
    ends = [
        ("echo", turn.echo_ms),
        ("thinking", turn.thinking_ms),
        ("first_chunk", turn.chunks_ms[0] if turn.chunks_ms else None),
        ("response", turn.took_ms),
    ]
    bars, begin = [], 0.0
    for phase, at in ends:
        if at is None or at < begin:
            continue
        bars.append(
            f'<rect x="{width * begin / end:.1f}" y="3" height="12" '
            f'width="{max(1.0, width * (at - begin) / end):.1f}" fill="var(--{phase})"/>'
        )
        begin = at
    ticks = "".join(
        f'<rect x="{width * at / end:.1f}" y="0" width="1" height="18" fill="var(--ink)"/>'
        for at in turn.chunks_ms
        if 0 <= at <= end
    )
    said = ", ".join(f"{phase} {number(at)} ms" for phase, at in ends if at is not None)
    return (
        f'<svg class="life" viewBox="0 0 256 18" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(said)}">{"".join(bars)}{ticks}</svg>'
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else number(value)


def _clock(second: float) -> str:
    return f"{int(second) // 60}:{int(second) % 60:02d}"
